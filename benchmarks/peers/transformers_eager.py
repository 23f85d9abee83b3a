"""`transformers.EncodecModel` called hop by hop, as its documentation allows.

It keeps no state between calls, so every hop starts from its own reflection: the result is wrong at
each seam. It is timed because it is what one would pick first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

import torch
from hopcodec.specs._language import CodecSpec
from hopcodec.weights.config._encodec import hf_fields
from peers.base import Audio, Codes, Weights
from torch import nn


def encodec_model(spec: CodecSpec, weights: Weights) -> Any:
    """An `EncodecModel` of this shape holding exactly these folded weights."""
    from transformers import EncodecConfig, EncodecModel

    model: nn.Module = EncodecModel(EncodecConfig(**hf_fields(spec)))
    model.eval()
    for module in model.modules():
        if is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight")
    own = model.state_dict()
    for name, array in weights.items():
        if own[name].shape != array.shape:
            raise ValueError(f"{name}: expected {tuple(own[name].shape)}, got {array.shape}")
        own[name].copy_(torch.from_numpy(array))
    return model


class TransformersEager:
    """Stateless: `encode_hop` and `decode_hop` take any whole number of frames."""

    codes_dtype = np.int64

    def __init__(self, name: str, spec: CodecSpec, weights: Weights, bandwidth: float) -> None:
        torch.set_num_threads(1)
        self.name = name
        self._bandwidth = bandwidth
        with torch.inference_mode():
            self._model = encodec_model(spec, weights)

    def encode_hop(self, audio: Audio) -> Codes:
        with torch.inference_mode():
            encoded = self._model.encode(
                torch.from_numpy(audio)[None], bandwidth=self._bandwidth, return_dict=True
            )
        codes: Codes = encoded.audio_codes[0, 0].numpy()
        return codes

    def decode_hop(self, codes: Codes) -> Audio:
        with torch.inference_mode():
            decoded = self._model.decode(
                torch.from_numpy(codes)[None, None], [None], return_dict=True
            )
        audio: Audio = decoded.audio_values[0].numpy()
        return audio

    def reset(self) -> None:
        """Nothing to forget."""
