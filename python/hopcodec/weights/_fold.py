"""Multiply out weight norm (Salimans and Kingma, arXiv 1602.07868, eq. 2)."""

from __future__ import annotations

import numpy as np

from hopcodec.errors import WeightsError
from hopcodec.weights._raw import FloatArray


def fold_weight_norm(g: FloatArray, v: FloatArray) -> FloatArray:
    """Compute `w = g * v / ||v||`, with the norm over every dimension but the first.

    The first dimension is the output channel of a convolution and the *input* channel of a
    transposed one. Squares are summed in float64 in memory order, and the result is rounded once,
    so every machine folds to the same bits.

    Parameters
    ----------
    g
        float32, shape `(n,)` or `(n, 1, ...)`.
    v
        float32, shape `(n, ...)`.

    Returns
    -------
    float32, shape of `v`.

    Raises
    ------
    WeightsError
        `g` does not fit `v`, or a row of `v` is all zeros, of which PyTorch makes NaN.
    """
    if v.ndim < 1 or g.shape not in {v.shape[:1], v.shape[:1] + (1,) * (v.ndim - 1)}:
        raise WeightsError(f"weight norm: g of shape {g.shape} does not fit v of shape {v.shape}")
    from hopcodec import _core  # only weight-normed files need the compiled core

    rows = len(v)
    matrix = np.ascontiguousarray(v).reshape(rows, -1)
    if (zeros := ~matrix.any(axis=1)).any():
        raise WeightsError(f"weight norm: row {int(zeros.argmax())} of v is all zeros")
    folded: FloatArray = _core.ops.fold_weight_norm(np.ascontiguousarray(g).reshape(rows), matrix)
    return folded.reshape(v.shape)
