"""Audio files: any format, rate and channel count in; 16-bit WAV out; how close they are."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from hopcodec.audio import (
    AudioFileError,
    SiSnrMeter,
    WavWriter,
    audio_info,
    iter_audio,
    read_audio,
    si_snr,
    write_audio,
    write_wav,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"
Audio = npt.NDArray[np.float32]


def noise(channels: int, samples: int, seed: int = 0) -> Audio:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


def tone(rate: int, seconds: float, hz: float = 440.0) -> Audio:
    t = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)[None]


def save(path: Path, audio: Audio, rate: int, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path


# Reading


def test_a_file_that_fits_is_read_as_it_is(tmp_path: Path) -> None:
    audio = noise(1, 100_000)
    path = save(tmp_path / "a.wav", audio, 24000)
    read, info = read_audio(path, 24000, 1)
    np.testing.assert_array_equal(read, audio)
    assert read.dtype == np.float32
    assert read.flags.c_contiguous
    assert (info.path, info.format, info.subtype) == (path, "WAV", "FLOAT")
    assert (info.sample_rate, info.channels, info.samples) == (24000, 1, 100_000)
    assert info.seconds == pytest.approx(100_000 / 24000)
    assert audio_info(str(path)) == info


@pytest.mark.parametrize(
    ("suffix", "subtype", "rate"),
    [
        ("wav", "PCM_16", 44100),
        ("wav", "PCM_24", 96000),
        ("wav", "PCM_U8", 8000),
        ("wav", "DOUBLE", 48000),
        ("flac", "PCM_16", 16000),
        ("ogg", "VORBIS", 22050),
        ("ogg", "OPUS", 48000),
        ("mp3", "MPEG_LAYER_III", 44100),
        ("aiff", "PCM_16", 11025),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats_rates_and_channels(
    tmp_path: Path, suffix: str, subtype: str, rate: int, channels: int
) -> None:
    """The middle of a tone survives every format; the length is right to a sample."""
    source = np.repeat(tone(rate, 1.5), channels, axis=0)
    path = save(tmp_path / f"a.{suffix}", source, rate, subtype)
    audio, info = read_audio(path, 24000, 1)
    assert (info.sample_rate, info.channels, info.samples) == (rate, channels, source.shape[1])
    assert abs(audio.shape[1] - source.shape[1] * 24000 / rate) <= 1
    assert si_snr(tone(24000, 1.5)[0, 6000:30000], audio[0, 6000:30000]) > 18


def test_downmix_is_the_mean_and_comes_before_resampling(tmp_path: Path) -> None:
    """Opposite channels cancel to exact zeros; six are averaged with equal weight."""
    left = noise(1, 30_000)
    path = save(tmp_path / "a.wav", np.concatenate((left, -left)), 44100)
    assert not read_audio(path, 24000, 1)[0].any()
    six = noise(6, 30_000, seed=1)
    path = save(tmp_path / "b.wav", six, 44100)
    mean = six.mean(axis=0, dtype=np.float64).astype(np.float32)
    expected = soxr.resample(mean, 44100, 24000, quality="VHQ")
    np.testing.assert_array_equal(read_audio(path, 24000, 1)[0][0], expected)


def test_mono_is_repeated_and_other_channel_counts_refused(tmp_path: Path) -> None:
    mono = noise(1, 5000)
    path = save(tmp_path / "a.wav", mono, 24000)
    np.testing.assert_array_equal(read_audio(path, 24000, 2)[0], np.repeat(mono, 2, axis=0))
    stereo = noise(2, 5000)
    path = save(tmp_path / "b.wav", stereo, 24000)
    np.testing.assert_array_equal(read_audio(path, 24000, 2)[0], stereo)
    path = save(tmp_path / "c.wav", noise(3, 5000), 24000)
    with pytest.raises(AudioFileError, match="expected 1 or 2 channels, got 3"):
        read_audio(path, 24000, 2)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("samples", [100, 65_536, 65_537, 200_001])
def test_streamed_resampling_is_the_one_shot_result(
    tmp_path: Path, rate: int, samples: int
) -> None:
    audio = noise(2, samples)
    path = save(tmp_path / "a.wav", audio, rate)
    expected = soxr.resample(np.ascontiguousarray(audio.T), rate, 24000, quality="VHQ").T
    blocks = list(iter_audio(path, 24000, 2))
    assert all(block.shape[1] > 0 and block.flags.c_contiguous for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected)


@pytest.mark.slow
def test_long_files_stay_in_bounded_memory(tmp_path: Path) -> None:
    """Ten minutes of 48 kHz stereo, 230 MB as float32, pass through a few MB."""
    path = tmp_path / "long.wav"
    minute = (noise(2, 48_000 * 60).T * 32767).astype(np.int16)
    with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16") as file:
        for _ in range(10):
            file.write(minute)
    del minute
    list(iter_audio(FIXTURES / "fixture_en_f.flac", 16000, 1))  # imports are not counted
    tracemalloc.start()
    try:
        samples = sum(block.shape[1] for block in iter_audio(path, 24000, 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert samples == 600 * 24000
    assert peak < 8e6


def test_the_shipped_recordings() -> None:
    for path in sorted(FIXTURES.glob("*.flac")):
        audio, info = read_audio(path, 24000, 1)
        assert audio.shape == (1, info.samples)
        assert 0.05 < np.abs(audio).max() <= 1


@pytest.mark.parametrize(
    ("value", "where"), [(np.nan, (0, 70_000)), (np.inf, (1, 3)), (-np.inf, (1, 99_999))]
)
def test_samples_that_are_not_finite_are_named(
    tmp_path: Path, value: float, where: tuple[int, int]
) -> None:
    audio = noise(2, 100_000)
    audio[where] = value
    path = save(tmp_path / "a.wav", audio, 44100)
    with pytest.raises(
        AudioFileError, match=rf"got {value} at sample {where[1]} of channel {where[0]}"
    ):
        read_audio(path, 24000, 1)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"none\.wav: no such file"):
        read_audio(tmp_path / "none.wav", 24000, 1)
    with pytest.raises(AudioFileError, match="got a folder"):
        read_audio(tmp_path, 24000, 1)
    empty = tmp_path / "empty.wav"
    empty.touch()
    with pytest.raises(AudioFileError, match="got an empty one"):
        read_audio(empty, 24000, 1)
    text = tmp_path / "text.wav"
    text.write_text("not audio at all")
    with pytest.raises(AudioFileError, match=r"text\.wav: not a readable audio file"):
        audio_info(text)
    with pytest.raises(AudioFileError, match="headerless"):
        read_audio(text.rename(tmp_path / "text.raw"), 24000, 1)
    nothing = save(tmp_path / "nothing.wav", np.zeros((1, 0), np.float32), 24000)
    with pytest.raises(AudioFileError, match="holds no samples"):
        read_audio(nothing, 24000, 1)
    one = save(tmp_path / "one.wav", np.ones((1, 1), np.float32), 96000)
    with pytest.raises(AudioFileError, match="1 samples at 96000 Hz are less than one"):
        read_audio(one, 24000, 1)
    whole = save(tmp_path / "whole.flac", noise(1, 100_000), 24000, "PCM_16").read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(AudioFileError, match="cannot be read on at sample"):
        read_audio(cut, 24000, 1)


# Writing


def pcm(path: Path) -> npt.NDArray[np.int16]:
    samples: npt.NDArray[np.int16] = soundfile.read(path, dtype="int16", always_2d=True)[0].T
    return samples


def test_written_as_16_bit_and_clamped(tmp_path: Path) -> None:
    audio = np.array([[0.0, 0.25, -0.25, 0.99, 1.5, -7.0]], dtype=np.float32)
    path = tmp_path / "a.wav"
    write_wav(path, audio, 24000)
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate) == ("WAV", "PCM_16", 24000)
    top = round(0.99 * 32768)
    expected = np.array([[0, 8192, -8192, top, top, -top]])
    assert np.abs(pcm(path) - expected).max() <= 1


@pytest.mark.parametrize("peak", [0.5, 3.0])
def test_rescale_turns_down_only_what_is_too_loud(tmp_path: Path, peak: float) -> None:
    audio = noise(2, 200_000)
    audio *= np.float32(peak) / np.abs(audio).max()
    write_wav(tmp_path / "a.wav", audio, 24000, rescale=True)
    gain = min(0.99 / peak, 1.0)
    read = soundfile.read(tmp_path / "a.wav", always_2d=True)[0].T
    np.testing.assert_allclose(read, audio * gain, atol=1.01 / 32768)


@pytest.mark.parametrize("rescale", [False, True])
def test_pieces_write_the_same_file(tmp_path: Path, rescale: bool) -> None:
    audio = 20 * noise(1, 10_000)
    write_wav(tmp_path / "whole.wav", audio, 24000, rescale=rescale)
    with WavWriter(tmp_path / "pieces.wav", 24000, 1, rescale=rescale) as writer:
        for piece in np.split(audio, [0, 1, 320, 5000], axis=1):
            writer.write(piece)
    assert (tmp_path / "pieces.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()
    assert writer.samples == 10_000
    assert writer.peak == np.abs(audio).max()
    clipped = np.count_nonzero(np.abs(audio) > 0.99)
    assert clipped > 0
    assert writer.clipped == (0 if rescale else clipped)


def test_audio_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with pytest.raises(TypeError, match="expected float32, got float64"):
        write_wav(path, np.zeros((1, 5)), 24000)  # type: ignore[arg-type]
    with (
        pytest.raises(ValueError, match=r"expected \(1, samples\), got \(2, 5\)"),
        WavWriter(path, 24000, 1) as writer,
    ):
        writer.write(np.zeros((2, 5), np.float32))
    with WavWriter(path, 24000, 1) as writer:
        writer.write(np.zeros((1, 7), np.float32))
        with pytest.raises(ValueError, match="got nan at sample 8 of channel 0"):
            writer.write(np.array([[0, np.nan]], np.float32))
    with pytest.raises(AudioFileError, match=r"none.*a\.wav: cannot be written"):
        write_wav(tmp_path / "none" / "a.wav", np.zeros((1, 5), np.float32), 24000)


@pytest.mark.parametrize(
    ("name", "kind", "least_db"),
    [
        ("a.wav", ("WAV", "PCM_16"), 70.0),
        ("a.FLAC", ("FLAC", "PCM_16"), 70.0),
        ("a.ogg", ("OGG", "VORBIS"), 15.0),
        ("a.opus", ("OGG", "OPUS"), 15.0),
    ],
)
def test_the_name_says_the_kind_of_file(
    tmp_path: Path, name: str, kind: tuple[str, str], least_db: float
) -> None:
    audio = np.concatenate([tone(24000, 1.0), tone(24000, 1.0, 660.0)])
    write_audio(tmp_path / name, audio, 24000)
    read, info = read_audio(tmp_path / name, 24000, 2)
    assert (info.format, info.subtype) == kind
    assert read.shape == audio.shape
    noise_power = np.mean((read - audio) ** 2)
    assert 10 * np.log10(np.mean(audio**2) / noise_power) > least_db


def test_names_and_rates_that_no_file_has(tmp_path: Path) -> None:
    audio = tone(44100, 0.1)
    write_audio(str(tmp_path / "a.wav"), audio, 44100)
    write_wav(tmp_path / "b.wav", audio, 44100)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    with pytest.raises(AudioFileError, match=r"a\.mp4: expected a name ending in \.wav, \.flac"):
        write_audio(tmp_path / "a.mp4", audio, 44100)
    with pytest.raises(AudioFileError, match=r"a\.opus: cannot be written: .*sample rates"):
        write_audio(tmp_path / "a.opus", audio, 44100)
    with pytest.raises(ValueError, match=r"expected \(channels, samples\), got \(4410,\)"):
        write_audio(tmp_path / "a.wav", audio[0], 44100)
    with pytest.raises(TypeError, match="expected float32, got list"):
        write_audio(tmp_path / "a.wav", [0.0], 44100)  # type: ignore[arg-type]


# SI-SNR


def test_si_snr_of_known_signals() -> None:
    """Two orthogonal sines: the ratio is that of their powers, whatever scale and offset."""
    t = np.arange(24000) / 24000
    signal, other = np.sin(2 * np.pi * 100 * t), np.sin(2 * np.pi * 250 * t)
    for db in (-20.0, 0.0, 6.0, 40.0, 100.0):
        estimate = signal + 10 ** (-db / 20) * other
        assert si_snr(signal, estimate) == pytest.approx(db, abs=1e-6)
        assert si_snr(signal + 0.5, -3.0 * estimate + 2.0) == pytest.approx(db, abs=1e-4)
    stereo = np.stack((signal, signal))
    pair = np.stack((signal + other, signal + 0.1 * other))
    assert si_snr(stereo, pair) == pytest.approx(10.0, abs=1e-6)


def test_si_snr_at_its_ends() -> None:
    ramp, zero = np.array([1.0, 2.0, 4.0, 3.0]), np.zeros(4)
    for ratio in (si_snr, metered):
        assert ratio(ramp[None], ramp[None]) == math.inf
        assert ratio(ramp[None], zero[None]) == -math.inf
        assert math.isnan(ratio(zero[None] + 0.25, ramp[None]))
    assert math.isnan(SiSnrMeter().db())
    with pytest.raises(ValueError, match=r"expected shape \(4,\), got \(3,\)"):
        si_snr(ramp, ramp[:3])
    with pytest.raises(ValueError, match="got "):
        si_snr(ramp[:0], ramp[:0])
    with pytest.raises(ValueError, match=r"expected \(1, samples\), got \(4,\)"):
        SiSnrMeter().push_estimate(ramp)


def metered(reference: npt.NDArray[np.float64], estimate: npt.NDArray[np.float64]) -> float:
    meter = SiSnrMeter(reference.shape[0])
    meter.push_reference(reference)
    meter.push_estimate(estimate)
    return meter.db()


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 2),
    st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=30),
    st.floats(-20, 60),
)
def test_the_meter_agrees_with_the_formula_for_any_pieces(
    channels: int, pieces: list[tuple[bool, int]], db: float
) -> None:
    samples = 1000
    reference = 0.1 + noise(channels, samples, seed=3).astype(np.float64)
    estimate = 0.7 * reference + 10 ** (-db / 20) * noise(channels, samples, seed=4)
    meter = SiSnrMeter(channels)
    at = {True: 0, False: 0}
    for is_reference, count in [*pieces, (True, samples), (False, samples)]:
        first = at[is_reference]
        at[is_reference] = min(samples, first + count)
        if is_reference:
            meter.push_reference(reference[:, first : at[True]])
        else:
            meter.push_estimate(estimate[:, first : at[False]])
    assert meter.db() == pytest.approx(si_snr(reference, estimate), abs=1e-6)
