"""ViSQOL v3, speech mode: Chinen et al. 2020, "ViSQOL v3: an open source production ready objective
speech and audio metric". MOS-LQO 1 to 5, at 16 kHz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from hopcodec.evaluation._optional import require
from hopcodec.evaluation._signals import Pair

RATE_HZ: Final = 16000


def make() -> Callable[[Pair], float]:
    """The score by package `visqol-python` with the lattice network of the C++ original.

    Without ai-edge-litert that package falls back on a polynomial that over-predicts; here that
    is an error instead.
    """
    require("ai_edge_litert")
    visqol = require("visqol", "visqol-python")
    api = visqol.VisqolApi()
    api.create(mode="speech", use_lattice_model=True)

    def score(pair: Pair) -> float:
        reference, decoded = (x.astype(np.float64) for x in pair.at(RATE_HZ))
        if not decoded.any():
            raise ValueError("ViSQOL is undefined: the decoded signal is silent")
        return float(api.measure_from_arrays(reference, decoded, RATE_HZ).moslqo)

    return score
