"""Estimate the delay between decoded and original audio."""

from __future__ import annotations

from typing import Final

import numpy as np

from hopcodec.evaluation._signals import Pair

MOST_MS: Final = 60.0
_LEAST_CORRELATION: Final = 0.2  # below it the peak means nothing


def lag_ms(pair: Pair) -> float | None:
    """Find the delay of the decoded signal by cross-correlation, within 60 ms.

    It is positive if the signal is late, and None if the two signals do not correlate. Voiced
    speech correlates with itself a pitch period away. One clip of a codec that does not keep the
    waveform may therefore be off by a period, but the median over clips is not.
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
