"""`transformers.DacModel`, eager, given whole files: it has no state and pads both ends of each."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import torch
from hopcodec.specs._language import CodecSpec, Conv1d
from peers.base import Audio, Codes, Weights
from torch import nn

_UNIT = {"0.alpha": "snake1.alpha", "1": "conv1", "2.alpha": "snake2.alpha", "3": "conv2"}


def _in_block(side: str, rest: str) -> str:
    """Inside an encoder or decoder block: three residual units behind or before the stride."""
    first = 0 if side == "encoder" else 2
    own = (
        {"3.alpha": "snake1.alpha", "4": "conv1"}
        if side == "encoder"
        else {"0.alpha": "snake1.alpha", "1": "conv_t1"}
    )
    if unit := re.fullmatch(r"(\d)\.block\.(.+?)(\.weight|\.bias)?", rest):
        number, part, kind = int(unit[1]) - first + 1, _UNIT[unit[2]], unit[3] or ""
        return f"res_unit{number}.{part}{kind}"
    part, _, kind = rest.partition(".")
    return own[rest] if rest in own else f"{own[part]}.{kind}"


def hf_name(name: str, blocks: int) -> str:
    """The name in `DacModel` of a tensor of the original, weight norm multiplied out."""
    found = re.fullmatch(r"(encoder|decoder)\.(?:block|model)\.(\d+)\.(.+)", name)
    if found is None:
        return name  # the quantizer's are the same
    side, index, rest = found[1], int(found[2]), found[3]
    if index == 0:
        return f"{side}.conv1.{rest}"
    if index <= blocks:
        return f"{side}.block.{index - 1}.{_in_block(side, rest.removeprefix('block.'))}"
    return f"{side}.snake1.alpha" if rest == "alpha" else f"{side}.conv2.{rest}"


def dac_model(spec: CodecSpec, weights: Weights) -> Any:
    """A `DacModel` of this shape holding exactly these folded weights."""
    from transformers import DacConfig, DacModel

    rates = tuple(
        layer.stride for layer in spec.encoder if isinstance(layer, Conv1d) and layer.stride > 1
    )
    config = DacConfig(
        downsampling_ratios=rates,
        n_codebooks=spec.quantizer.codebooks,
        codebook_size=spec.quantizer.codebook_size,
        sampling_rate=spec.sample_rate,
    )
    model: nn.Module = DacModel(config)
    model.eval()
    own = model.state_dict()
    for name, array in weights.items():
        to = own.pop(hf_name(name, len(rates)))
        if name.endswith("alpha"):
            array = array[None, :, None]
        if tuple(to.shape) != array.shape:
            raise ValueError(f"{name}: expected {tuple(to.shape)}, got {array.shape}")
        to.copy_(torch.from_numpy(array))
    if own:
        raise ValueError(f"expected weights for every tensor, none came for {sorted(own)}")
    return model


class TransformersDac:
    """Stateless: `encode_hop` and `decode_hop` take any whole number of frames."""

    codes_dtype = np.int64

    def __init__(self, spec: CodecSpec, weights: Weights) -> None:
        self.name = "transformers"
        with torch.inference_mode():
            self._model = dac_model(spec, weights)

    @staticmethod
    def set_threads(threads: int) -> None:
        torch.set_num_threads(threads)

    def encode_hop(self, audio: Audio) -> Codes:
        with torch.inference_mode():
            encoded = self._model.encode(torch.from_numpy(audio)[None], return_dict=True)
        codes: Codes = encoded.audio_codes[0].numpy()
        return codes

    def decode_hop(self, codes: Codes) -> Audio:
        with torch.inference_mode():
            decoded = self._model.decode(
                audio_codes=torch.from_numpy(codes.astype(np.int64))[None], return_dict=True
            )
        audio: Audio = decoded.audio_values.numpy()
        return audio

    def reset(self) -> None:
        """Nothing to forget."""
