"""Mel distance: mean absolute difference of two log-mel spectrograms, in dB, at the codec's rate.

The idea is the mel distance of Kumar et al. 2023 ("High-fidelity audio compression with improved
RVQGAN", Table 3), which sums log10 distances over several windows; here it is one spectrogram in
dB, so that the number reads as "this many dB per band and frame". It covers the whole band of the
codec under test: a peer that ends at 8 kHz pays for what it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hopcodec.audio._mel import mel_decibels
from hopcodec.evaluation._signals import Pair


def make() -> Callable[[Pair], float]:
    """The distance; 0 for an identical signal."""

    def score(pair: Pair) -> float:
        reference, decoded = pair.at(pair.rate_hz)
        a, b = (mel_decibels(x, pair.rate_hz) for x in (reference, decoded))
        return float(np.abs(a - b).mean())

    return score
