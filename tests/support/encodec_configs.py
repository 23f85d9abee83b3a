"""EnCodec in every layout that is published, narrow; and models filled with seeded weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import transformers

import torch
from hopcodec.specs._language import CodecSpec
from hopcodec.torch.hf import EncodecConfig, EncodecModel
from hopcodec.torch.hf._encodec_spec import encodec_spec
from hopcodec.torch.hf._loading import state_for
from hopcodec.weights._raw import FloatArray, RawTensor
from hopcodec.weights._seeded import seeded_weights
from torch import Tensor

torch.set_num_threads(1)  # the last bits of PyTorch's results depend on the number

_NARROW: dict[str, Any] = {"num_filters": 4, "hidden_size": 16}

CONFIGS: dict[str, dict[str, Any]] = {
    "24khz": {**_NARROW, "target_bandwidths": [1.5, 3.0, 6.0]},
    # Chunks of a tenth of a second keep the tests short; the rest is the 48 kHz model.
    "48khz": {
        **_NARROW,
        "target_bandwidths": [3.0, 6.0],
        "sampling_rate": 48000,
        "audio_channels": 2,
        "normalize": True,
        "chunk_length_s": 0.1,
        "overlap": 0.01,
        "norm_type": "time_group_norm",
        "use_causal_conv": False,
    },
    "32khz": {  # of MusicGen
        **_NARROW,
        "target_bandwidths": [2.2],
        "sampling_rate": 32000,
        "upsampling_ratios": [8, 5, 4, 4],
        "codebook_size": 2048,
        "use_causal_conv": False,
        "use_conv_shortcut": False,
    },
    "other": {  # every field that no published model varies
        **_NARROW,
        "target_bandwidths": [1.5, 3.0],
        "num_residual_layers": 2,
        "dilation_growth_rate": 3,
        "compress": 4,
        "trim_right_ratio": 0.5,
        "pad_mode": "constant",
        "num_lstm_layers": 1,
        "kernel_size": 5,
        "last_kernel_size": 3,
        "residual_kernel_size": 5,
    },
}


def fill(model: EncodecModel, spec: CodecSpec, seed: int = 1) -> EncodecModel:
    """Seeded weights into a model's parameters."""
    return filled(model, seeded_weights(spec, seed))


def filled(model: EncodecModel, weights: Mapping[str, FloatArray]) -> EncodecModel:
    """A model with these folded weights, as its files' reader takes weight norm apart."""

    def raw(name: str) -> RawTensor:
        return RawTensor("float32", weights[name].shape, lambda: weights[name].copy())

    def own_name(name: str) -> str:
        return model.own_name(name, model.config)

    state = state_for({name: raw(name) for name in weights}, model.state_dict(), own_name)
    model.load_state_dict(state)
    return model


def seeded_model(name: str, **options: Any) -> EncodecModel:
    """One of `CONFIGS` in evaluation mode."""
    config = EncodecConfig(**CONFIGS[name])
    model = fill(EncodecModel(config, **options), encodec_spec(config))
    return model.train(False)


@cache
def folder_of(name: str, root: Path) -> Path:
    """A folder that `save_pretrained` wrote."""
    seeded_model(name).save_pretrained(root / name)
    return root / name


@cache
def reference(folder: Path) -> Any:
    """`transformers.EncodecModel` of a folder, not to be changed."""
    return transformers.EncodecModel.from_pretrained(folder)


def sound(batch: int, channels: int, samples: int, seed: int = 0) -> Tensor:
    """Chords under a slow envelope, channels related but not the same, and a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 24000
    pitch = 90 + 200 * rng.random((batch, channels, 3, 1))
    tone = np.sin(2 * np.pi * pitch * t + 6 * rng.random(pitch.shape)).sum(2)
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t + 6 * rng.random((batch, 1, 1)))
    audio = 0.1 * tone * envelope + 0.01 * rng.standard_normal((batch, channels, samples))
    return torch.from_numpy(audio.astype(np.float32))
