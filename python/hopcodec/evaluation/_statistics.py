"""Means over clips and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_RESAMPLES: Final = 2000
_SEED: Final = 0


@dataclass(frozen=True)
class Estimate:
    """A weighted mean over `clips` and its 95 % interval; None where that is undefined."""

    mean: float
    low: float | None
    high: float | None
    clips: int


def estimate(values: Sequence[float], weights: Sequence[float] | None = None) -> Estimate:
    """Mean with the percentile bootstrap over clips (Efron and Tibshirani 1993, section 13.3).

    2000 resamples with a fixed seed. One clip, or an infinite value, has no interval.

    >>> estimate([1.0, 2.0, 3.0], weights=[1.0, 1.0, 2.0]).mean
    2.25
    """
    x = np.asarray(values, dtype=np.float64)
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or x.shape != w.shape or not (w > 0).all():
        raise ValueError(
            f"estimate: expected values and positive weights of equal number, 1 or more, "
            f"got {x.shape} and {w.shape}"
        )
    mean = float((w * x).sum() / w.sum())
    if len(x) == 1 or not np.isfinite(x).all():
        return Estimate(mean, None, None, len(x))
    drawn = np.random.default_rng(_SEED).integers(len(x), size=(_RESAMPLES, len(x)))
    means = (w * x)[drawn].sum(axis=1) / w[drawn].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Estimate(mean, float(low), float(high), len(x))
