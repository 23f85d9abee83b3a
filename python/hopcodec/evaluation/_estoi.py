"""ESTOI: Jensen and Taal 2016, "An algorithm for predicting the intelligibility of speech masked
by modulated noise maskers". Up to 1, on third-octave bands up to 4.3 kHz.

`pystoi` works at 10 kHz and is given 16 kHz, as in published figures: its resampler is part of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from hopcodec.evaluation._optional import require
from hopcodec.evaluation._signals import Pair

RATE_HZ = 16000


def make() -> Callable[[Pair], float]:
    """The score by package `pystoi`."""
    pystoi = require("pystoi")

    def score(pair: Pair) -> float:
        reference, decoded = pair.at(RATE_HZ)
        with warnings.catch_warnings():
            # pystoi warns and returns 1e-5; a made-up value must not enter a mean.
            warnings.simplefilter("error", RuntimeWarning)
            try:
                return float(pystoi.stoi(reference, decoded, RATE_HZ, extended=True))
            except (RuntimeWarning, ValueError):
                raise ValueError(
                    "ESTOI is undefined: expected at least 0.4 s of speech above silence"
                ) from None

    return score
