"""Training that begins from a trained codec, and whole steps as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shared_models import read_fixture, tiny_spec
from small_training import run, small_spec

import hopcodec
import torch
from hopcodec.errors import ConfigError, TrainingError
from hopcodec.specs._dac import dac
from hopcodec.specs._language import CodecSpec
from hopcodec.torch.nn import TrainableCodec
from hopcodec.training._config import Config, ModelConfig, RunConfig
from hopcodec.weights._seeded import seeded_weights


@pytest.mark.slow
def test_training_goes_on_from_a_trained_codec(config: Config, tmp_path: Path) -> None:
    run(replace(config, steps=5), tmp_path / "first")
    weights = tmp_path / "first" / "model.safetensors"
    went_on = replace(config, steps=2, model=ModelConfig("small_24khz", start=str(weights)))
    _, heard = run(went_on, tmp_path / "on")
    # The quantizer is in use from the first step on, though the configuration says from the third.
    assert "SNR by book" in heard
    start = hopcodec.load(weights)
    end = hopcodec.load(tmp_path / "on" / "model.safetensors")
    audio = read_fixture("fixture_en_f.flac")[:, :24000]
    before, after = (codec.decode(codec.encode(audio)) for codec in (start, end))
    assert not np.array_equal(before, after)
    assert np.abs(before - after).max() < np.abs(before).max()
    again, _ = run(replace(went_on, steps=3), tmp_path / "on", resume=True)
    assert again.trainer.steps_done == 3


@pytest.mark.parametrize("name", ["small_24khz", "tiny_encodec", "narrow_dac"])
def test_weights_go_into_the_trainable_codec_and_back(name: str) -> None:
    """Convolutions of every kind, LSTM, both quantizers; weight norm costs a rounding."""
    makers: dict[str, Callable[[], CodecSpec]] = {
        "small_24khz": small_spec,
        "tiny_encodec": tiny_spec,
        "narrow_dac": lambda: dac(
            "narrow",
            sample_rate=16000,
            encoder_dim=4,
            encoder_rates=(2, 4),
            decoder_dim=16,
            decoder_rates=(4, 2),
            n_codebooks=3,
        ),
    }
    spec = makers[name]()
    weights = seeded_weights(spec)
    codec = TrainableCodec(spec)
    codec.take(weights)
    back = codec.weights()
    assert back.keys() == weights.keys()
    for key, value in weights.items():
        np.testing.assert_allclose(back[key], value, rtol=1e-5, atol=1e-7, err_msg=key)


def test_a_start_must_fit_the_model(config: Config, tmp_path: Path) -> None:
    for start, expected in (
        ("hopcodec_24khz", r"model\.start: expected a codec of the shape of 'small_24khz', got"),
        ("nowhere.safetensors", r"model\.start: model: expected one of .*, or an existing path"),
    ):
        other = replace(config, model=ModelConfig("small_24khz", start=start))
        with pytest.raises(TrainingError, match=expected):
            run(other, tmp_path / "out")


def test_graphs_need_a_gpu(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.graphs: expected false on the CPU, got True"):
        replace(config.run, graphs=True)
    if not torch.cuda.is_available():
        auto = replace(config, run=replace(config.run, device="auto", graphs=True))
        with pytest.raises(TrainingError, match=r"run\.graphs: expected a CUDA device, got 'cpu'"):
            run(auto, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"run\.graphs: expected false with run\.compile"):
        RunConfig(device="cuda", graphs=True, compile=True)
