"""The original `dac` package as a command: it compresses and decompresses audio.

It measures loudness with one function of torchaudio, for which scipy stands in: not every machine
can load torchaudio.
"""

from __future__ import annotations

import sys
import types
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from dac_models import descript

from hopcodec import Codec
from hopcodec.specs._dac import dac
from hopcodec.specs._language import CodecSpec
from hopcodec.weights import fold_weight_norm

Array = npt.NDArray[np.float32]
SMALL = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 48,
    "decoder_rates": [8, 8, 4, 2],
    "n_codebooks": 3,
    "codebook_size": 64,
}


def _lfilter(audio: Any, a: Any, b: Any, clamp: bool = True) -> Any:
    """`torchaudio.functional.lfilter`, by scipy."""
    from scipy.signal import lfilter

    import torch

    assert not clamp
    return torch.from_numpy(lfilter(b.numpy(), a.numpy(), audio.numpy())).float()


@cache
def original_dac() -> Any:
    """The package `dac`, able to measure loudness."""
    package = descript()
    loudness = sys.modules["audiotools.core.loudness"]
    functional = types.SimpleNamespace(lfilter=_lfilter)
    vars(loudness)["torchaudio"] = types.SimpleNamespace(functional=functional)
    return package


def seeded_original(sample_rate: int, seed: int = 0, **changes: Any) -> Any:
    """A small model with weights that make signals of sensible size, ready to compress."""
    import torch

    torch.manual_seed(seed)
    model = original_dac().DAC(sample_rate=sample_rate, **{**SMALL, **changes}).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight_g"):
                parameter.mul_(1.2)
            elif name.endswith("alpha"):
                parameter.uniform_(0.5, 1.5)
    return model


def as_codec(model: Any, sample_rate: int, **changes: Any) -> Codec:
    """The same model in hopcodec."""
    arguments = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in {**SMALL, **changes}.items()
    }
    spec = dac("small_dac", sample_rate=sample_rate, **arguments)
    weights = weights_of(model, spec)
    return Codec(spec, weights, origin=lambda: (spec, weights))


def weights_of(model: Any, spec: CodecSpec) -> dict[str, Array]:
    """The original's state dict, weight norm multiplied out."""
    found = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return {
        name: np.ascontiguousarray(
            found[name].reshape(shape)
            if name in found
            else fold_weight_norm(found[f"{name}_g"], found[f"{name}_v"])
        )
        for name, shape in spec.tensors().items()
    }
