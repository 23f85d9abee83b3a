"""The built-in codec speaks: what a user hears straight after installing, in figures."""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import pytest
from shared_models import read_fixture

import hopcodec
from hopcodec.audio import shipped_speech
from hopcodec.evaluation import _estoi as estoi
from hopcodec.evaluation import _pesq_wb as pesq_wb
from hopcodec.evaluation import _si_snr as si_snr
from hopcodec.evaluation._signals import Pair, Signal

Array = npt.NDArray[np.float32]


@cache
def codec() -> hopcodec.Codec:
    return hopcodec.load()


def coded(audio: Array, bandwidth: float = 6.0) -> Array:
    return codec().decode(codec().encode(audio, bandwidth=bandwidth), samples=audio.shape[1])


def pair_of(speech: Array, heard: Array) -> Pair:
    return Pair(Signal(speech[0], 24000), Signal(heard[0], 24000))


def level_db(audio: Array) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-20))


def test_it_is_trained_small_and_documented() -> None:
    assert not codec().seeded
    assert codec().name == "hopcodec_24khz"
    assert codec().latency_samples == 400  # 16.7 ms
    assets = resources.files("hopcodec") / "assets"
    assert len((assets / "hopcodec_24khz.safetensors").read_bytes()) < 8e6
    assert "trained on" in (assets / "hopcodec_24khz.md").read_text()


@pytest.mark.parametrize("clip", ["shipped", "fixture"])
def test_speech_comes_back_clear(clip: str) -> None:
    """Voices that were not trained on; the floors lie well under what is measured."""
    speech = shipped_speech(24000, 1) if clip == "shipped" else read_fixture("fixture_en_f.flac")
    heard = coded(speech)
    pair = pair_of(speech, heard)
    assert pesq_wb.make()(pair) > 1.5
    assert estoi.make()(pair) > 0.75
    assert abs(level_db(heard) - level_db(speech)) < 2.0


def test_more_bits_sound_better() -> None:
    speech = shipped_speech(24000, 1)
    pairs = [pair_of(speech, coded(speech, kbps)) for kbps in codec().bandwidths]
    for metric in (estoi.make(), si_snr.make()):
        scores = [metric(pair) for pair in pairs]
        assert scores == sorted(scores)


def test_silence_stays_silent_and_full_scale_stays_bounded() -> None:
    silence = np.zeros((1, 48000), np.float32)
    assert level_db(coded(silence)) < -70
    square = np.sign(np.sin(np.arange(48000) * 2 * np.pi * 200 / 24000))[None].astype(np.float32)
    assert np.abs(coded(square)).max() < 1.5


def test_a_steady_tone_brings_no_clicks() -> None:
    """The largest step between samples is of the order of the tone's own."""
    t = np.arange(48000) / 24000
    tone = (0.3 * np.sin(2 * np.pi * 440 * t))[None].astype(np.float32)
    heard = coded(tone)[:, 4800:]
    assert np.abs(np.diff(heard)).max() < 2 * np.abs(np.diff(tone)).max()
