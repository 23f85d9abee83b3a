"""`.dac` files against the original command's own code: each reads the other's, to one sound."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from original_dac import as_codec, original_dac, seeded_original
from slow_ones import slow

from hopcodec import Codec
from hopcodec.audio._loudness import SILENCE, LoudnessMeter
from hopcodec.errors import BitstreamError, WeightsError
from hopcodec.files import DacFile, read_dac, write_dac
from hopcodec.files.dac._audio import decode_dac, encode_dac
from hopcodec.files.dac._chunks import unpadded_layers

Array = npt.NDArray[np.float32]
ODD = {"encoder_rates": [2, 4, 5, 8], "decoder_rates": [8, 5, 4, 2]}


@cache
def models(rate: int) -> tuple[Any, Codec]:
    """A small original and the same in hopcodec; strides as published at that rate."""
    changes: dict[str, Any] = {} if rate == 44100 else ODD
    original = seeded_original(rate, **changes)
    return original, as_codec(original, rate, **changes)


def sound(rate: int, channels: int, seconds: float, gain: float = 0.2) -> Array:
    """Chirps in noise, each channel another and quieter than the one before."""
    t = np.arange(round(rate * seconds)) / rate
    rng = np.random.default_rng(channels)
    rows = [
        (np.sin(2 * np.pi * (150 + 90 * c) * t * (1 + 0.3 * t)) + 0.2 * rng.standard_normal(t.size))
        * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t + c))
        / (c + 1)
        for c in range(channels)
    ]
    return (gain * np.stack(rows)).astype(np.float32)


def compressed(original: Any, audio: Array, rate: int, window: float | None) -> Any:
    from audiotools import AudioSignal

    signal = AudioSignal(audio[None], rate)
    return original.compress(signal, win_duration=window)


def in_blocks(audio: Array, size: int) -> Iterator[Array]:
    for first in range(0, audio.shape[1], size):
        yield audio[:, first : first + size]


def decoded(codec: Codec, content: DacFile) -> Array:
    return np.concatenate(list(decode_dac(codec, content)), axis=1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("rate", "seconds", "window"),
    [
        pytest.param(44100, 1.5, None, marks=pytest.mark.slow),
        (44100, 1.5, 0.5),
        pytest.param(44100, 2.0, 0.7, marks=pytest.mark.slow),
        (16000, 2.1, 1.0),
        pytest.param(24000, 2.0, 0.5, marks=pytest.mark.slow),
    ],
)
def test_what_the_original_wrote(
    tmp_path: Path, channels: int, rate: int, seconds: float, window: float | None
) -> None:
    original, codec = models(rate)
    compressed(original, sound(rate, channels, seconds), rate, window).save(tmp_path / "a.dac")
    content = read_dac(tmp_path / "a.dac")
    assert content.padding == (window is None)
    assert len(np.unique(content.codes)) > 30
    expected = original.decompress(str(tmp_path / "a.dac")).audio_data[0].numpy()
    found = decoded(codec, content)
    assert found.shape == expected.shape == (channels, round(rate * seconds))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [0.05, 0.4, 1.3337])
@pytest.mark.parametrize("gain", [4.0, *slow(0.02, 0.2)])
def test_the_original_reads_ours(
    tmp_path: Path, channels: int, seconds: float, gain: float
) -> None:
    """The same codes as its own; of a loud signal with peaks, whose gain is another, too."""
    original, codec = models(44100)
    audio = sound(44100, channels, seconds, gain)
    audio[:, audio.shape[1] // 2] = 6 * gain
    theirs = compressed(original, audio, 44100, None)
    ours = encode_dac(
        codec,
        lambda: in_blocks(audio, 7777),
        original_length=audio.shape[1],
        sample_rate=44100,
    )
    assert ours.input_db == pytest.approx(float(theirs.input_db), abs=1e-3)
    same = ours.codes == theirs.codes.numpy()
    assert same.mean() > 0.99, "more than float near-ties"
    write_dac(tmp_path / "ours.dac", ours)
    heard = original.decompress(str(tmp_path / "ours.dac")).audio_data[0].numpy()
    np.testing.assert_allclose(heard, decoded(codec, ours), rtol=0, atol=2e-5 * max(1.0, gain))


def test_another_rate_than_the_models(tmp_path: Path) -> None:
    """Resamplers differ in their filters alone: what is well below half the rates is the same."""
    original, codec = models(44100)
    compressed(original, sound(48000, 1, 1.0), 48000, None).save(tmp_path / "a.dac")
    content = read_dac(tmp_path / "a.dac")
    assert (content.sample_rate, content.original_length) == (48000, 48000)
    expected = original.decompress(str(tmp_path / "a.dac")).audio_data[0].numpy()
    found = decoded(codec, content)
    assert found.shape == expected.shape
    ours, theirs = (np.abs(np.fft.rfft(x[0]))[:18000] for x in (found, expected))
    assert np.abs(ours - theirs).max() < 0.01 * theirs.max()


def test_samples_that_a_model_of_odd_strides_lacks() -> None:
    """The original fails on such a file; ours is as long as it says, zeros at its end."""
    _, codec = models(16000)
    audio = sound(16000, 1, 1.0)
    content = encode_dac(codec, lambda: [audio], original_length=16000, sample_rate=16000)
    found = decoded(codec, content)
    assert found.shape == (1, 16000)
    assert np.all(found[:, -8:] == 0)
    assert np.all(found[:, -40:-8] != 0)


def test_any_partition_writes_the_same() -> None:
    _, codec = models(44100)
    audio = sound(44100, 2, 0.3)
    files = set()
    for size in (1000, 4096, 50_000):
        content = encode_dac(
            codec,
            lambda size=size: in_blocks(audio, size),
            original_length=13_230,
            sample_rate=44100,
            encoder=lambda: codec.encoder(codebooks=2),
        )
        assert content.codes.shape == (2, 2, 26)
        out = io.BytesIO()
        write_dac(out, content)
        files.add(out.getvalue())
    assert len(files) == 1


def test_codes_of_another_model_are_refused(tiny: Codec) -> None:
    _, codec = models(44100)
    codes = np.zeros((1, 3, 10), np.uint16)
    good = DacFile(codes, -20.0, 5120, 44100, 10)
    assert decoded(codec, good).shape == (1, 5120)
    for wrong, message in (
        (DacFile(codes + np.uint16(64), -20.0, 5120, 44100, 10), "codes up to 64: of another"),
        (DacFile(np.zeros((1, 4, 10), np.uint16), -20.0, 5120, 44100, 10), "up to 3 codebooks"),
        (
            DacFile(codes, -20.0, 6000, 44100, 10),
            "frames: expected 12, .* makes of 6000 samples at 44100 Hz, got 10: of another",
        ),
    ):
        with pytest.raises(BitstreamError, match=message):
            decoded(codec, wrong)
    with pytest.raises(BitstreamError, match=r"expected codes for 6000 samples, \d+ are missing"):
        decoded(codec, DacFile(codes, -20.0, 6000, 44100, 10, padding=False))
    with pytest.raises(ValueError, match="expected one, got tiny_24khz"):
        decoded(tiny, good)
    with pytest.raises(ValueError, match="the layers of DAC, got Lstm"):
        unpadded_layers(tiny.spec.decoder)
    bare = Codec(codec.spec, codec.reload()[1])
    with pytest.raises(WeightsError, match=r"expected a codec of hopcodec\.load"):
        decoded(bare, DacFile(codes, -20.0, 5120, 44100, 10, padding=False))


def test_a_file_of_a_model_of_another_hop() -> None:
    """Same codebooks, same entries: it would sound, at another speed."""
    _, codec = models(44100)
    _, other = models(16000)
    content = encode_dac(
        codec, lambda: [sound(44100, 1, 1.0)], original_length=44100, sample_rate=44100
    )
    expected = -(-16000 // other.hop_samples)
    assert abs(content.frames - expected) > 1
    codes = np.minimum(content.codes[:, : other.codebooks], np.uint16(other.codebook_size - 1))
    wrong = replace(content, codes=np.ascontiguousarray(codes))
    with pytest.raises(BitstreamError, match=f"frames: expected {expected}, .*of another model"):
        decoded(other, wrong)


def test_no_audio_at_all() -> None:
    _, codec = models(44100)
    nothing: list[list[Array]] = [[], [np.zeros((1, 0), np.float32)]]
    for blocks in nothing:
        with pytest.raises(ValueError, match="audio: expected samples, got none"):
            encode_dac(codec, lambda b=blocks: b, original_length=1, sample_rate=44100)


# Loudness


@pytest.mark.parametrize("rate", [11025, 44100, *slow(8000, 16000, 48000)])
@pytest.mark.parametrize("seconds", [0.01, 0.45, 0.51, 3.33])
def test_loudness_is_the_originals(rate: int, seconds: float) -> None:
    original_dac()
    from audiotools import AudioSignal

    for channels in (1, 5):
        audio = sound(rate, channels, seconds)
        audio[:, audio.shape[1] // 3 : audio.shape[1] // 2] *= 1e-3  # for the gates
        meter = LoudnessMeter(rate, channels)
        for block in in_blocks(audio, 999):
            meter.push(block)
        assert meter.lufs() == pytest.approx(
            float(AudioSignal(audio[None], rate).loudness()), abs=2e-3
        )


def test_loudness_of_the_standard_tone() -> None:
    """BS.1770-4: 997 Hz at full scale in one channel is -3.01 LKFS; these filters say -3.05."""
    meter = LoudnessMeter(48000, 1)
    meter.push(np.sin(2 * np.pi * 997 * np.arange(96000) / 48000)[None])
    assert meter.lufs() == pytest.approx(-3.01, abs=0.05)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_loudness_in_any_pieces(sizes: list[int]) -> None:
    audio = sound(16000, 2, 1.0)
    whole, parts = LoudnessMeter(16000, 2), LoudnessMeter(16000, 2)
    whole.push(audio)
    at = 0
    for size in [*sizes, 16000]:
        parts.push(audio[:, at : at + size])
        at += size
    assert parts.lufs() == pytest.approx(whole.lufs(), abs=1e-9)


def test_silence_and_nonsense() -> None:
    for audio in (np.zeros((1, 0)), np.zeros((1, 30_000)), np.full((1, 30_000), 1e-6)):
        meter = LoudnessMeter(16000, 1)
        meter.push(audio)
        assert meter.lufs() == SILENCE
    with pytest.raises(ValueError, match="expected 1 to 5, got 6"):
        LoudnessMeter(16000, 6)
    with pytest.raises(ValueError, match="at least 10 Hz, got 9"):
        LoudnessMeter(9, 1)
    with pytest.raises(ValueError, match=r"expected \(1, samples\), got \(2, 10\)"):
        LoudnessMeter(16000, 1).push(np.zeros((2, 10)))


@pytest.fixture(autouse=True)
def _its_own_deprecations() -> Iterator[None]:
    """The original's: torch.nn.utils.weight_norm, torch.jit.script."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
