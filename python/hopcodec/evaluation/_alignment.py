"""Is what came back in time with what went in?"""

from __future__ import annotations

from typing import Final

import numpy as np

from hopcodec.evaluation._signals import Pair

MOST_MS: Final = 60.0
_LEAST_CORRELATION: Final = 0.2  # below it the peak says nothing about time


def lag_ms(pair: Pair) -> float | None:
    """Delay of the decoded signal where the cross-correlation of both peaks, within 60 ms.

    Positive if it is late. None if the two do not resemble each other anywhere. Voiced speech
    correlates with itself a pitch period away: a single clip of a codec that does not keep the
    waveform may be off by one, the median over clips is not.
    """
    reference, decoded = (x.astype(np.float64) for x in pair.at(pair.rate_hz))
    size = 1 << (2 * len(reference) - 1).bit_length()
    spectrum = np.fft.rfft(decoded, size) * np.fft.rfft(reference, size).conj()
    correlation = np.fft.irfft(spectrum, size)
    most = min(round(1e-3 * MOST_MS * pair.rate_hz), len(reference) - 1)
    near = np.roll(correlation, most)[: 2 * most + 1]
    scale = float(np.linalg.norm(reference) * np.linalg.norm(decoded))
    if near.max() <= _LEAST_CORRELATION * scale:
        return None
    return 1e3 * (int(near.argmax()) - most) / pair.rate_hz
