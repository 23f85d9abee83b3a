"""The kernels as functions: what the codecs are made of, on numpy arrays and GPU tensors.

Channels first, as in torch: `(channels, time)` or `(batch, channels, time)`, float32,
C-contiguous. Any other dtype or layout is a TypeError. These functions pack their weights anew on
every call; a `Codec` packs once and is the fast way to run a model. Values must not be NaN: the
pointwise functions clamp, and a NaN may come out as a number.

On a GPU they take whatever DLPack knows to be there, torch tensors above all, and give tensors of
the same library on the same device. The work goes to the caller's current stream and nothing waits
for it, so a call can be captured in a CUDA graph. All inputs of a call are on one device. Results
are the CPU's, bit for bit, but for `group_norm`, whose last bit may differ.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, cast

from hopcodec.ops import _cuda as _cuda_ops
from hopcodec.ops import _numpy as _numpy_ops
from hopcodec.ops._dlpack import GpuTensors, on_gpu

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

_numpy: Any = _numpy_ops  # typed for numpy alone

Array = TypeVar("Array")  # a numpy array, or a tensor on a GPU: what comes out is what came in


def _gpu(x: object, isa: str) -> GpuTensors | None:
    """What a call on `x`'s device needs; None for one on the CPU."""
    if not on_gpu(x):
        return None
    if isa:
        raise ValueError(f'isa: expected "" for tensors on a GPU, got "{isa}"')
    return GpuTensors(x)


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
    gpu = _gpu(x, isa)
    if gpu is not None:
        y, after = _cuda_ops.causal_conv1d(
            gpu,
            x,
            weight,
            bias,
            state,
            stride=stride,
            dilation=dilation,
            activation=activation,
            alpha=alpha,
        )
    else:
        y, after = _numpy.causal_conv1d(
            x,
            weight,
            bias,
            state,
            stride=stride,
            dilation=dilation,
            activation=activation,
            alpha=alpha,
            isa=isa,
        )
    return y, after


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
    gpu = _gpu(x, isa)
    if gpu is not None:
        y, after = _cuda_ops.causal_conv_transpose1d(gpu, x, weight, bias, state, stride=stride)
    else:
        y, after = _numpy.causal_conv_transpose1d(x, weight, bias, state, stride=stride, isa=isa)
    return y, after


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
    gpu = _gpu(x, isa)
    if gpu is not None:
        y, after = _cuda_ops.lstm(gpu, x, weight_ih, weight_hh, bias_ih, bias_hh, state)
    else:
        y, after = _numpy.lstm(x, weight_ih, weight_hh, bias_ih, bias_hh, state, isa=isa)
    return y, after


def rvq_encode(x: Array, codebooks: Array, *, isa: str = "") -> Any:
    """Residual vector quantisation by Euclidean distance; the lowest index wins ties.

    Parameters
    ----------
    x : float32 (dim, time)
    codebooks : float32 (n_q, size, dim), size at most 65536; on a GPU, dim at most 512

    Returns
    -------
    uint16 (n_q, time)
    """
    gpu = _gpu(x, isa)
    if gpu is not None:
        return _cuda_ops.rvq_encode(gpu, x, codebooks)
    return _numpy.rvq_encode(x, codebooks, isa=isa)


def rvq_decode(codes: Any, codebooks: Array, *, isa: str = "") -> Array:
    """Sum of the entries, in codebook order: uint16 (n_q, time) -> float32 (dim, time).

    A code beyond its codebook is a ValueError on the CPU. On a GPU, where nothing waits to see it,
    it gives NaN.
    """
    gpu = _gpu(codes, isa)
    y = (
        _numpy.rvq_decode(codes, codebooks, isa=isa)
        if gpu is None
        else _cuda_ops.rvq_decode(gpu, gpu.codes("codes", codes), codebooks)
    )
    return cast(Array, y)


def nearest_normalised(x: Array, codebook: Array, *, isa: str = "") -> Any:
    """Index of the nearest entry after L2 normalisation of both sides (DAC, `nn/quantize.py`).

    Parameters
    ----------
    x : float32 (dim, time)
    codebook : float32 (size, dim), size at most 65536; on a GPU, dim at most 512

    Returns
    -------
    uint16 (time,)
    """
    gpu = _gpu(x, isa)
    if gpu is not None:
        return _cuda_ops.nearest_normalised(gpu, x, codebook)
    return _numpy.nearest_normalised(x, codebook, isa=isa)


def snake(x: Array, alpha: Array, *, isa: str = "") -> Array:
    """`x + sin^2(alpha x) / (alpha + 1e-9)` (arXiv 2006.08195; DAC, `nn/layers.py`).

    `x` float32 ([batch,] channels, time), `alpha` float32 (channels,). Where `|alpha x|` is beyond
    2^20 a float32 holds no phase, and the second term is taken as zero. Within 3.5 ulp of the
    larger of |x| and |y|.
    """
    gpu = _gpu(x, isa)
    y = _numpy.snake(x, alpha, isa=isa) if gpu is None else _cuda_ops.snake(gpu, x, alpha)
    return cast(Array, y)


def elu(x: Array, *, isa: str = "") -> Array:
    """`x` where positive, `exp(x) - 1` elsewhere; any shape. Within 1 ulp of float64."""
    gpu = _gpu(x, isa)
    y = _numpy.elu(x, isa=isa) if gpu is None else _cuda_ops.pointwise(gpu, "elu", x)
    return cast(Array, y)


def tanh(x: Array, *, isa: str = "") -> Array:
    """Hyperbolic tangent; any shape. Within 2.5 ulp of float64."""
    gpu = _gpu(x, isa)
    y = _numpy.tanh(x, isa=isa) if gpu is None else _cuda_ops.pointwise(gpu, "tanh", x)
    return cast(Array, y)


def sigmoid(x: Array, *, isa: str = "") -> Array:
    """`1 / (1 + exp(-x))`; any shape. Within 2.5 ulp of float64 down to x = -87, where it stays."""
    gpu = _gpu(x, isa)
    y = _numpy.sigmoid(x, isa=isa) if gpu is None else _cuda_ops.pointwise(gpu, "sigmoid", x)
    return cast(Array, y)


def group_norm(x: Array, groups: int, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
    """Group normalisation, statistics in float64 over each group's channels and all of time.

    `x` float32 ([batch,] channels, time); `weight`, `bias` float32 (channels,).
    """
    gpu = _gpu(x, "")
    y = (
        _numpy.group_norm(x, groups, weight, bias, eps)
        if gpu is None
        else _cuda_ops.group_norm(gpu, x, groups, weight, bias, eps)
    )
    return cast(Array, y)
