"""The live resampler against soxr, and against what a resampler must pass and must stop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from hopcodec import _core

Array = npt.NDArray[np.float32]
RATES = [(48000, 24000), (24000, 48000), (44100, 24000), (24000, 44100), (16000, 24000)]
PASS = 0.8  # of the lower Nyquist frequency: flat to here
STOP = 1.06  # and nothing from here on


def tone(hz: float, rate: int, seconds: float) -> Array:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def resampled(x: Array, source: int, target: int) -> Array:
    return _core.live.Resampler(source, target).process(x[None])[0]


def steady(y: Array) -> Array:
    """Without the first and last tenth, where the filter meets silence."""
    return y[len(y) // 10 : -len(y) // 10]


def level_db(y: Array) -> float:
    """Relative to the tone's own level."""
    return float(
        20 * np.log10(np.sqrt(2 * np.mean(steady(y).astype(np.float64) ** 2)) / 0.5 + 1e-12)
    )


@pytest.mark.parametrize(("source", "target"), RATES)
def test_the_pass_band_is_flat(source: int, target: int) -> None:
    edge = PASS * min(source, target) / 2
    levels = [
        level_db(resampled(tone(hz, source, 0.5), source, target))
        for hz in np.linspace(0.01, 1.0, 25) * edge
    ]
    assert np.ptp(levels) < 0.01, f"ripple {np.ptp(levels):.4f} dB"
    assert abs(np.mean(levels)) < 0.01


@pytest.mark.parametrize(("source", "target"), [(s, t) for s, t in RATES if s > t])
def test_what_would_fold_is_stopped(source: int, target: int) -> None:
    """Tones above the output's Nyquist frequency come out as aliases, at whatever level is left."""
    levels = [
        level_db(resampled(tone(hz, source, 0.5), source, target))
        for hz in np.linspace(STOP * target / 2, 0.98 * source / 2, 12)
    ]
    assert max(levels) < -90


@pytest.mark.parametrize(("source", "target"), RATES)
def test_nothing_is_heard_beside_a_tone(source: int, target: int) -> None:
    """Images and the error of interpolating the filter, over a band-limited tone."""
    hz = 0.61 * min(source, target) / 2
    y = steady(resampled(tone(hz, source, 1.0), source, target)).astype(np.float64)
    t = np.arange(len(y)) / target
    basis = np.stack([np.sin(2 * np.pi * hz * t), np.cos(2 * np.pi * hz * t)], axis=1)
    rest = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    assert 10 * np.log10(np.mean(rest**2) / np.mean(y**2)) < -85


@pytest.mark.parametrize(("source", "target"), RATES)
def test_speech_sounds_as_soxr_makes_it(source: int, target: int, speech: Array) -> None:
    """soxr's best quality on band-limited speech, shifted by the delay we state."""
    edge = PASS * min(source, target, 24000)
    limited = soxr.resample(soxr.resample(speech[0], 24000, edge, quality="VHQ"), edge, source)
    x = limited.astype(np.float32)
    resampler = _core.live.Resampler(source, target)
    ours = resampler.process(x[None])[0]
    # soxr gives the signal without delay, so delay its input by whole and fractional frames.
    delay = resampler.delay_frames
    assert delay == int(delay)
    padded = np.concatenate([np.zeros(int(delay), np.float32), x])
    theirs = soxr.resample(padded, source, target, quality="VHQ")
    n = min(len(ours), len(theirs))
    middle = slice(n // 10, n - n // 10)
    error = ours[middle].astype(np.float64) - theirs[middle]
    snr = 10 * np.log10(np.mean(theirs[middle].astype(np.float64) ** 2) / np.mean(error**2))
    assert snr > 95, f"{snr:.1f} dB"


@pytest.mark.parametrize("ppm", [-1000.0, -50.0, 50.0, 1000.0])
def test_an_adjusted_ratio_is_met(ppm: float) -> None:
    """The pitch moves by just as much as the ratio does."""
    resampler = _core.live.Resampler(24000, 24000)
    resampler.adjust(ppm * 1e-6)
    y = steady(resampler.process(tone(1000.0, 24000, 4.0)[None])[0]).astype(np.float64)
    analytic = y * np.exp(-2j * np.pi * 1000.0 * np.arange(len(y)) / 24000)
    width = 2400  # whole cycles
    blocks = analytic[: len(y) // width * width].reshape(-1, width).mean(axis=1)
    slope = np.polyfit(np.arange(len(blocks)), np.unwrap(np.angle(blocks)), 1)[0]
    measured = slope / (2 * np.pi * width) * 24000 / 1000.0 * 1e6
    assert measured == pytest.approx(ppm, abs=1.0)


def test_channels_do_not_mix() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 4000)).astype(np.float32)
    together = _core.live.Resampler(48000, 24000, 3).process(x)
    for channel in range(3):
        alone = resampled(x[channel], 48000, 24000)
        np.testing.assert_array_equal(together[channel], alone)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="factor of 12 apart, got 1000 and 24000"):
        _core.live.Resampler(1000, 24000)
    with pytest.raises(TypeError):
        _core.live.Resampler(48000, 24000).process(np.zeros((1, 10)))
    with pytest.raises(ValueError, match=r"expected shape \(1, \*\)"):
        _core.live.Resampler(48000, 24000).process(np.zeros((2, 10), np.float32))
