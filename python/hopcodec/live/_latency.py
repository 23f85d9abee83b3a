"""True latency, by correlation of what was heard with what was said.

The codec is no obstacle: streaming equals the whole file bit for bit, so what it must have made of
the microphone's signal is known, and is looked for in the speaker's. That works for any weights,
even seeded noise, at any bitrate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float32]

_WINDOW_S: Final = 1.0
_STEP_S: Final = 0.25
_SILENT_RMS: Final = 1e-4


@dataclass(frozen=True)
class Lags:
    """How far one signal is behind another, window by window, in milliseconds.

    `correlation` is the least over the windows, 1 for identical signals; `jumps` counts changes of
    more than a tenth of a millisecond from one window to the next.
    """

    windows: int
    p50_ms: float
    min_ms: float
    max_ms: float
    jumps: int
    correlation: float


def find_offset(part: Signal, whole: Signal) -> tuple[int, float]:
    """The index in `whole` where it is most like all of `part`, and how much: 1 is identical.

    Both are `(samples,)`; ValueError unless `part` is the shorter.
    """
    if not 0 < len(part) <= len(whole):
        raise ValueError(f"expected a part of 1 to {len(whole)} samples, got {len(part)}")
    window, context = part.astype(np.float64), whole.astype(np.float64)
    size = 1 << (len(context) + len(window)).bit_length()
    spectrum = np.fft.rfft(context, size) * np.conj(np.fft.rfft(window, size))
    products = np.fft.irfft(spectrum, size)[: len(context) - len(window) + 1]
    energy = np.concatenate(([0.0], np.cumsum(context**2)))
    norms = np.sqrt(np.maximum(energy[len(window) :] - energy[: -len(window)], 0.0))
    scale = norms * np.linalg.norm(window)
    # Where the context is all but silent, rounding would be taken for likeness.
    floor = 1e-6 * float(scale.max(initial=0.0)) + 1e-30
    correlation = products / np.maximum(scale, floor)
    at = int(np.argmax(correlation))
    return at, float(correlation[at])


def find_lag(early: Signal, late: Signal, most: int, least: int = 0) -> tuple[int, float]:
    """Samples by which `late` is behind `early`, and the normalised correlation there.

    Both are `(samples,)` of the same time; lags from `least` to `most` are tried. What is compared
    is the part of `late` for which every lag has its samples of `early`.
    """
    first, last = max(0, most), len(late) + min(0, least)
    if last - first < 1:
        raise ValueError(f"expected more than {first - min(0, least)} samples, got {len(late)}")
    at, correlation = find_offset(late[first:last], early[first - most : last - least])
    return most - at, correlation


def measure_lags(early: Signal, late: Signal, rate_hz: int, most_s: float = 1.0) -> Lags:
    """Lag of `late` behind `early` in windows of a second, every quarter of one.

    Windows in which either is silent are left out; ValueError if none is left.
    """
    window, step, most = (
        round(_WINDOW_S * rate_hz),
        round(_STEP_S * rate_hz),
        round(most_s * rate_hz),
    )
    lags, correlations = [], []
    for first in range(most, min(len(early), len(late)) - window + 1, step):
        heard, said = late[first - most : first + window], early[first - most : first + window]
        if min(_rms(heard[most:]), _rms(said[most:])) < _SILENT_RMS:
            continue
        lag, correlation = find_lag(said, heard, most)
        lags.append(lag)
        correlations.append(correlation)
    if not lags:
        raise ValueError("expected sound on both sides for more than two seconds, got silence")
    ms = 1000.0 * np.asarray(lags) / rate_hz
    return Lags(
        windows=len(lags),
        p50_ms=float(np.quantile(ms, 0.5, method="nearest")),
        min_ms=float(ms.min()),
        max_ms=float(ms.max()),
        jumps=int(np.count_nonzero(np.abs(np.diff(ms)) > 0.1)),
        correlation=float(min(correlations)),
    )


def _rms(signal: Signal) -> float:
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))
