"""How far float32 results may be from float64, on any device."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

EPS = 2.0**-24  # half an ulp of 1: what one float32 rounding costs at most
# Sums of products: in EPS of the sum of the absolute products. Others: absolute.
TOLERANCE = {"conv1d": 8.0, "conv_transpose1d": 8.0, "lstm": 2e-6, "group_norm": 1e-6}
# Largest error in ulp of the result against float64 (snake: of the larger of x and the result,
# because x and sin^2(alpha x) / alpha cancel in part).
ULP = {"elu": 1.0, "tanh": 2.5, "sigmoid": 2.5, "snake": 3.5}
FLOOR = np.float32(2.0**-126)  # the smallest normal float32; what is below counts as zero


def worst_ulp(
    y: npt.NDArray[np.float32], expected: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]
) -> float:
    ulp = np.spacing(np.maximum(np.abs(scale).astype(np.float32), FLOOR)).astype(np.float64)
    return float(np.max(np.abs(y - expected) / ulp))
