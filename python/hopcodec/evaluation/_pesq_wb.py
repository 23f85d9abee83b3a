"""PESQ-wb: ITU-T P.862.2 (2007), mapped to MOS-LQO 1.04 to 4.64, at 16 kHz."""

from __future__ import annotations

from collections.abc import Callable

from hopcodec.evaluation._optional import require
from hopcodec.evaluation._signals import Pair

RATE_HZ = 16000


def make() -> Callable[[Pair], float]:
    """The score by package `pesq`, the ITU's own C code."""
    pesq = require("pesq")

    def score(pair: Pair) -> float:
        reference, decoded = pair.at(RATE_HZ)
        if not decoded.any():
            raise ValueError("PESQ is undefined: the decoded signal is silent")
        try:
            return float(pesq.pesq(RATE_HZ, reference, decoded, "wb"))
        except pesq.NoUtterancesError:
            raise ValueError("PESQ is undefined: no utterance found in the reference") from None
        except pesq.BufferTooShortError:
            raise ValueError(
                f"PESQ is undefined: expected at least 0.25 s, got {len(reference) / RATE_HZ:.3f} s"
            ) from None

    return score
