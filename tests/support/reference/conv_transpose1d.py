"""y[o, t stride + k] = bias[o] + sum over c, t, k of weight[c, o, k] x[c, t]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def conv_transpose1d(x: Array, weight: Array, bias: Array, stride: int) -> Array:
    """`x` (in, time), `weight` (in, out, kernel), as torch: (time - 1) stride + kernel columns."""
    kernel = weight.shape[2]
    y = np.tile(bias[:, None], (1, (x.shape[1] - 1) * stride + kernel))
    for t in range(x.shape[1]):
        y[:, t * stride : t * stride + kernel] += np.einsum("c,cok->ok", x[:, t], weight)
    return y
