"""y[o, t] = bias[o] + sum over c, k of weight[o, c, k] x[c, t stride + k dilation]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def conv1d(x: Array, weight: Array, bias: Array, stride: int, dilation: int) -> Array:
    """`x` (in, time), its padding or history included; `weight` (out, in, kernel)."""
    kernel = weight.shape[2]
    frames = max((x.shape[1] - (kernel - 1) * dilation - 1) // stride + 1, 0)
    y = np.tile(bias[:, None], (1, frames))
    for k in range(kernel):
        y += weight[:, :, k] @ x[:, k * dilation :: stride][:, :frames]
    return y
