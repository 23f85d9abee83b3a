"""The kernels as functions: what the codecs are made of, on numpy arrays.

Channels first, as in torch: `(channels, time)` or `(batch, channels, time)`, float32,
C-contiguous. Any other dtype or layout is a TypeError. These functions pack their weights anew on
every call; a `Codec` packs once and is the fast way to run a model. Values must not be NaN: the
pointwise functions clamp, and a NaN may come out as a number.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._check import check_floats

__all__ = [
    "causal_conv1d",
    "causal_conv_transpose1d",
    "elu",
    "group_norm",
    "lstm",
    "nearest_normalised",
    "rvq_decode",
    "rvq_encode",
    "sigmoid",
    "snake",
    "tanh",
]

Array = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint16]


def _batched(name: str, x: Array) -> tuple[Array, bool]:
    if not isinstance(x, np.ndarray) or x.ndim not in (2, 3):
        shape = x.shape if isinstance(x, np.ndarray) else type(x).__name__
        raise TypeError(
            f"{name}: expected an array (channels, time) or (batch, channels, time), got {shape}"
        )
    return (x[None], True) if x.ndim == 2 else (x, False)


def causal_conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    state: Array | None = None,
    *,
    stride: int = 1,
    dilation: int = 1,
    activation: Literal["none", "elu", "snake", "tanh"] = "none",
    alpha: Array | None = None,
    isa: str = "",
) -> tuple[Array, Array]:
    """Causal 1-d convolution with carried state.

    `y = conv1d([state, activation(x)], weight) + bias`. Feeding a signal in pieces, each with the
    state the last call returned, gives the bits of one call.

    Parameters
    ----------
    x : float32 ([batch,] in_channels, time)
    weight : float32 (out_channels, in_channels, kernel)
    bias : float32 (out_channels,), default zeros
    state : float32 ([batch,] in_channels, held), default zeros
        By default `(kernel - 1) * dilation + 1 - stride` columns: left zero padding.
    activation, alpha
        Applied to `x` on load; "snake" takes alpha `(in_channels,)`.

    Returns
    -------
    y : float32 ([batch,] out_channels, frames)
    state : float32 ([batch,] in_channels, held')
    """
    check_floats(x=x, weight=weight, bias=bias, state=state, alpha=alpha)
    batched, single = _batched("x", x)
    if not isinstance(weight, np.ndarray) or weight.ndim != 3:
        raise TypeError("weight: expected an array (out_channels, in_channels, kernel)")
    if bias is None:
        bias = np.zeros(weight.shape[0], np.float32)
    if state is None:
        held = max((weight.shape[2] - 1) * dilation + 1 - stride, 0)
        batched_state = np.zeros((batched.shape[0], weight.shape[1], held), np.float32)
    else:
        batched_state = state[None] if single else state
    y, after = _core.causal_conv1d(
        batched,
        weight,
        bias,
        batched_state,
        stride=stride,
        dilation=dilation,
        activation=activation,
        alpha=alpha,
        isa=isa,
    )
    return (y[0], after[0]) if single else (y, after)


def causal_conv_transpose1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    state: Array | None = None,
    *,
    stride: int,
    isa: str = "",
) -> tuple[Array, Array]:
    """Causal transposed convolution: `stride` outputs per input, the tail carried as state.

    Equals `conv_transpose1d(x, weight, stride)` cut to `time * stride` columns.

    Parameters
    ----------
    x : float32 ([batch,] in_channels, time)
    weight : float32 (in_channels, out_channels, kernel), kernel >= stride
    state : float32 ([batch,] in_channels, ceil(kernel / stride) - 1), default zeros
        The last inputs.

    Returns
    -------
    y : float32 ([batch,] out_channels, time * stride)
    state : as given
    """
    check_floats(x=x, weight=weight, bias=bias, state=state)
    batched, single = _batched("x", x)
    if not isinstance(weight, np.ndarray) or weight.ndim != 3:
        raise TypeError("weight: expected an array (in_channels, out_channels, kernel)")
    if bias is None:
        bias = np.zeros(weight.shape[1], np.float32)
    if state is None:
        held = -(-weight.shape[2] // max(stride, 1)) - 1
        batched_state = np.zeros((batched.shape[0], weight.shape[0], max(held, 0)), np.float32)
    else:
        batched_state = state[None] if single else state
    y, after = _core.causal_conv_transpose1d(
        batched, weight, bias, batched_state, stride=stride, isa=isa
    )
    return (y[0], after[0]) if single else (y, after)


def lstm(
    x: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias_ih: Array,
    bias_hh: Array,
    state: tuple[Array, Array] | None = None,
    *,
    isa: str = "",
) -> tuple[Array, tuple[Array, Array]]:
    """One LSTM layer over time, gates in PyTorch's order i, f, g, o.

    Parameters
    ----------
    x : float32 (n, time)
    weight_ih, weight_hh : float32 (4 n, n)
    bias_ih, bias_hh : float32 (4 n,)
    state : (hidden, cell), each float32 (n,), default zeros

    Returns
    -------
    y : float32 (n, time)
    state : (hidden, cell)
    """
    check_floats(x=x, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    if not isinstance(x, np.ndarray) or x.ndim != 2:
        raise TypeError("x: expected an array (channels, time)")
    hidden, cell = state or (np.zeros(x.shape[0], np.float32), np.zeros(x.shape[0], np.float32))
    check_floats(hidden=hidden, cell=cell)
    y, hidden, cell = _core.lstm(x, weight_ih, weight_hh, bias_ih, bias_hh, hidden, cell, isa=isa)
    return y, (hidden, cell)


def rvq_encode(x: Array, codebooks: Array, *, isa: str = "") -> Codes:
    """Residual vector quantisation by Euclidean distance; the lowest index wins ties.

    Parameters
    ----------
    x : float32 (dim, time)
    codebooks : float32 (n_q, size, dim)

    Returns
    -------
    uint16 (n_q, time)
    """
    check_floats(x=x, codebooks=codebooks)
    return _core.rvq_encode(x, codebooks, isa=isa)


def rvq_decode(codes: Codes, codebooks: Array, *, isa: str = "") -> Array:
    """Sum of the entries, in codebook order: uint16 (n_q, time) -> float32 (dim, time)."""
    check_floats(codebooks=codebooks)
    return _core.rvq_decode(codes, codebooks, isa=isa)


def nearest_normalised(x: Array, codebook: Array, *, isa: str = "") -> Codes:
    """Index of the nearest entry after L2 normalisation of both sides (DAC, `nn/quantize.py`).

    Parameters
    ----------
    x : float32 (dim, time)
    codebook : float32 (size, dim)

    Returns
    -------
    uint16 (time,)
    """
    check_floats(x=x, codebook=codebook)
    return _core.nearest_normalised(x, codebook, isa=isa)


def snake(x: Array, alpha: Array, *, isa: str = "") -> Array:
    """`x + sin^2(alpha x) / (alpha + 1e-9)` (arXiv 2006.08195; DAC, `nn/layers.py`).

    `x` float32 ([batch,] channels, time), `alpha` float32 (channels,). Where `|alpha x|` is beyond
    2^20 a float32 holds no phase, and the second term is taken as zero. Within 3.5 ulp of the
    larger of |x| and |y|.
    """
    check_floats(x=x, alpha=alpha)
    batched, single = _batched("x", x)
    y = _core.snake(batched, alpha, isa=isa)
    return y[0] if single else y


def elu(x: Array, *, isa: str = "") -> Array:
    """`x` where positive, `exp(x) - 1` elsewhere; any shape. Within 1 ulp of float64."""
    check_floats(x=x)
    return _core.elu(x, isa=isa)


def tanh(x: Array, *, isa: str = "") -> Array:
    """Hyperbolic tangent; any shape. Within 2.5 ulp of float64."""
    check_floats(x=x)
    return _core.tanh(x, isa=isa)


def sigmoid(x: Array, *, isa: str = "") -> Array:
    """`1 / (1 + exp(-x))`; any shape. Within 2.5 ulp of float64 down to x = -87, where it stays."""
    check_floats(x=x)
    return _core.sigmoid(x, isa=isa)


def group_norm(x: Array, groups: int, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
    """Group normalisation, statistics in float64 over each group's channels and all of time.

    `x` float32 ([batch,] channels, time); `weight`, `bias` float32 (channels,).
    """
    check_floats(x=x, weight=weight, bias=bias)
    batched, single = _batched("x", x)
    y = _core.group_norm(batched, groups, weight, bias, eps)
    return y[0] if single else y
