"""The operators on NumPy arrays: check arguments, and add a batch of one where there is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._checks import check_floats
from hopcodec.typing import CodeArray

Array = npt.NDArray[np.float32]


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
    activation: str = "none",
    alpha: Array | None = None,
    isa: str = "",
) -> tuple[Array, Array]:
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
    y, after = _core.ops.causal_conv1d(
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
    y, after = _core.ops.causal_conv_transpose1d(
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
    check_floats(x=x, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    if not isinstance(x, np.ndarray) or x.ndim != 2:
        raise TypeError("x: expected an array (channels, time)")
    hidden, cell = state or (np.zeros(x.shape[0], np.float32), np.zeros(x.shape[0], np.float32))
    check_floats(hidden=hidden, cell=cell)
    y, hidden, cell = _core.ops.lstm(
        x, weight_ih, weight_hh, bias_ih, bias_hh, hidden, cell, isa=isa
    )
    return y, (hidden, cell)


def rvq_encode(x: Array, codebooks: Array, *, isa: str = "") -> CodeArray:
    check_floats(x=x, codebooks=codebooks)
    return _core.ops.rvq_encode(x, codebooks, isa=isa)


def rvq_decode(codes: CodeArray, codebooks: Array, *, isa: str = "") -> Array:
    check_floats(codebooks=codebooks)
    return _core.ops.rvq_decode(codes, codebooks, isa=isa)


def nearest_normalised(x: Array, codebook: Array, *, isa: str = "") -> CodeArray:
    check_floats(x=x, codebook=codebook)
    return _core.ops.nearest_normalised(x, codebook, isa=isa)


def snake(x: Array, alpha: Array, *, isa: str = "") -> Array:
    check_floats(x=x, alpha=alpha)
    batched, single = _batched("x", x)
    y = _core.ops.snake(batched, alpha, isa=isa)
    return y[0] if single else y


def elu(x: Array, *, isa: str = "") -> Array:
    check_floats(x=x)
    return _core.ops.elu(x, isa=isa)


def tanh(x: Array, *, isa: str = "") -> Array:
    check_floats(x=x)
    return _core.ops.tanh(x, isa=isa)


def sigmoid(x: Array, *, isa: str = "") -> Array:
    check_floats(x=x)
    return _core.ops.sigmoid(x, isa=isa)


def group_norm(x: Array, groups: int, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
    check_floats(x=x, weight=weight, bias=bias)
    batched, single = _batched("x", x)
    y = _core.ops.group_norm(batched, groups, weight, bias, eps)
    return y[0] if single else y
