"""Mel distance: mean absolute difference of two log-mel spectrograms, in dB, at the codec's rate.

The idea is the mel distance of Kumar et al. 2023 ("High-fidelity audio compression with improved
RVQGAN", Table 3), which sums log10 distances over several windows. Here it is one spectrogram, so
the number is a mean difference in dB. It covers the whole band of the codec under test, so a peer
that ends at 8 kHz loses by it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hopcodec.audio._mel import mel_decibels
from hopcodec.evaluation._signals import Pair


def make() -> Callable[[Pair], float]:
    """Make the scorer. An identical signal has distance 0."""

    def score(pair: Pair) -> float:
        reference, decoded = pair.at(pair.rate_hz)
        a, b = (mel_decibels(x, pair.rate_hz) for x in (reference, decoded))
        return float(np.abs(a - b).mean())

    return score
