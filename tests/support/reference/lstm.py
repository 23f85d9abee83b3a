"""i, f, g, o = W_ih x + b_ih + W_hh h + b_hh; c = s(f) c + s(i) tanh(g); h = s(o) tanh(c)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reference.activations import sigmoid

Array = npt.NDArray[np.float64]


def lstm(
    x: Array, w_ih: Array, w_hh: Array, bias: Array, h: Array, c: Array
) -> tuple[Array, Array, Array]:
    y = np.zeros_like(x)
    for t in range(x.shape[1]):
        i, f, g, o = np.split(w_ih @ x[:, t] + w_hh @ h + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        y[:, t] = h = sigmoid(o) * np.tanh(c)
    return y, h, c
