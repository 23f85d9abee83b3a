"""Mel distance: mean absolute difference of two log-mel spectrograms, in dB, at the codec's rate.

The idea is the mel distance of Kumar et al. 2023 ("High-fidelity audio compression with improved
RVQGAN", Table 3), which sums log10 distances over several windows; here it is one spectrogram in
dB, so that the number reads as "this many dB per band and frame". It covers the whole band of the
codec under test: a peer that ends at 8 kHz pays for what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from hopcodec.evaluation._signals import Pair

Array = npt.NDArray[np.float64]

BANDS: Final = 80
WINDOW_SECONDS: Final = 1024 / 24000
FLOOR: Final = 1e-5  # of a full-scale sine; quieter than -100 dB counts as silence


def make() -> Callable[[Pair], float]:
    """The distance; 0 for an identical signal."""

    def score(pair: Pair) -> float:
        reference, decoded = pair.at(pair.rate_hz)
        a, b = (mel_decibels(x, pair.rate_hz) for x in (reference, decoded))
        return float(np.abs(a - b).mean())

    return score


def mel_decibels(audio: npt.NDArray[np.float32], rate_hz: int) -> Array:
    """Level in dB of `BANDS` mel bands, `(frames, bands)`; Hann windows, a quarter window apart."""
    window = round(WINDOW_SECONDS * rate_hz / 4) * 4
    padded = np.pad(audio.astype(np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4]
    shape = np.hanning(window + 1)[:-1]
    magnitude = np.abs(np.fft.rfft(frames * (2.0 * shape / shape.sum()), axis=1))
    levels: Array = 20.0 * np.log10(np.maximum(magnitude @ _bank(window, rate_hz), FLOOR))
    return levels


@cache
def _bank(window: int, rate_hz: int) -> Array:
    """Triangles over frequency `(bins, bands)`, each a weighted mean of the bins under it."""
    hz = np.fft.rfftfreq(window, 1.0 / rate_hz)
    top = 2595.0 * np.log10(1.0 + rate_hz / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    # Below about 300 Hz a band is narrower than a bin: widen it to reach its neighbours.
    spacing = hz[1]
    low, high = np.minimum(low, centre - spacing), np.maximum(high, centre + spacing)
    rising = (hz[:, None] - low) / (centre - low)
    falling = (high - hz[:, None]) / (high - centre)
    bank = np.maximum(0.0, np.minimum(rising, falling))
    normalised: Array = bank / bank.sum(axis=0)
    return normalised
