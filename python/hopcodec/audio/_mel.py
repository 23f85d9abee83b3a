"""Mel bands and spectrograms in dB."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BANDS: Final = 80
_WINDOW_SECONDS: Final = 1024 / 24000
_FLOOR: Final = 1e-5  # of a full-scale sine: quieter than -100 dB counts as silence


def mel(hz: npt.ArrayLike) -> Array:
    """Convert a frequency to mel (O'Shaughnessy)."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz, np.float64) / 700.0))


@cache
def mel_bank(bands: int, window: int, rate_hz: int, straight_in: Literal["hz", "mel"]) -> Array:
    """Return triangles evenly spaced in mel from 0 to Nyquist, `(window / 2 + 1, bands)`.

    Each sums to 1, so that a band's level is a mean of the bins under it. Where a band is narrower
    than the bins of the FFT lie apart, it is widened, so that no band is empty.

    Parameters
    ----------
    bands
        How many.
    window
        Size of the FFT.
    rate_hz
        Samples a second.
    straight_in
        The unit in which the sides of a triangle are straight lines.
    """
    hz = np.fft.rfftfreq(window, 1.0 / rate_hz)
    edges = np.linspace(0.0, float(mel(rate_hz / 2)), bands + 2)
    if straight_in == "hz":
        at = hz[:, None]
        edges = 700.0 * (10.0 ** (edges / 2595.0) - 1.0)
        low, centre, high = edges[:-2], edges[1:-1], edges[2:]
        low, high = np.minimum(low, centre - hz[1]), np.maximum(high, centre + hz[1])
    else:
        at = mel(hz)[:, None]
        centre = edges[1:-1]
        width = np.maximum(centre[0], 1.5 * np.abs(at - centre).min(axis=0))
        low, high = centre - width, centre + width
    rising, falling = (at - low) / (centre - low), (high - at) / (high - centre)
    bank = np.maximum(0.0, np.minimum(rising, falling))
    normalised: Array = bank / bank.sum(axis=0)
    return normalised


def mel_decibels(audio: npt.NDArray[np.float32], rate_hz: int, bands: int = BANDS) -> Array:
    """Return the level in dB of each mel band, `(frames, bands)`.

    Hann windows of 43 ms, a quarter of a window apart; 0 dB is a sine of full scale.
    """
    window = round(_WINDOW_SECONDS * rate_hz / 4) * 4
    padded = np.pad(audio.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4]
    shape = np.hanning(window + 1)[:-1]
    magnitude = np.abs(np.fft.rfft(frames * (2.0 * shape / shape.sum()), axis=1))
    bank = mel_bank(bands, window, rate_hz, "hz")
    levels: Array = 20.0 * np.log10(np.maximum(magnitude @ bank, _FLOOR))
    return levels
