"""y = (x - mean) / sqrt(var + eps) * weight + bias, statistics over a group's channels and time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def group_norm(x: Array, groups: int, weight: Array, bias: Array, eps: float) -> Array:
    """`x` (channels, time)."""
    parts = x.reshape(groups, -1)
    centred = parts - parts.mean(1, keepdims=True)
    normal = centred / np.sqrt(parts.var(1, keepdims=True) + eps)
    return normal.reshape(x.shape) * weight[:, None] + bias[:, None]
