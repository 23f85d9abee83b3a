"""The kernels of the codecs as functions on NumPy arrays and GPU tensors.

Arrays are channels first, as in torch: `(channels, time)` or `(batch, channels, time)`, float32,
C-contiguous. Any other dtype or layout is a TypeError. These functions pack their weights on every
call. A `Codec` packs once and is the fast way to run a model. Values must not be NaN, because the
pointwise functions clamp and may turn a NaN into a number.

On a GPU they take any tensor that supports DLPack, such as torch's, and return tensors of the same
library on the same device. The work goes to the caller's current stream and nothing waits for it,
so a call can be captured in a CUDA graph. All inputs of a call are on one device. Results have the
bits of the CPU's, except for `group_norm`, whose last bit may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from hopcodec.ops import _cuda, _numpy
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

Array = TypeVar("Array")  # a NumPy array, or a tensor on a GPU: the result is of the same kind

_OPERATORS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {  # on the CPU, on a GPU
    "causal_conv1d": (_numpy.causal_conv1d, _cuda.causal_conv1d),
    "causal_conv_transpose1d": (_numpy.causal_conv_transpose1d, _cuda.causal_conv_transpose1d),
    "lstm": (_numpy.lstm, _cuda.lstm),
    "rvq_encode": (_numpy.rvq_encode, _cuda.rvq_encode),
    "rvq_decode": (
        _numpy.rvq_decode,
        lambda gpu, codes, books: _cuda.rvq_decode(gpu, gpu.codes("codes", codes), books),
    ),
    "nearest_normalised": (_numpy.nearest_normalised, _cuda.nearest_normalised),
    "snake": (_numpy.snake, _cuda.snake),
    "elu": (_numpy.elu, lambda gpu, x: _cuda.pointwise(gpu, "elu", x)),
    "tanh": (_numpy.tanh, lambda gpu, x: _cuda.pointwise(gpu, "tanh", x)),
    "sigmoid": (_numpy.sigmoid, lambda gpu, x: _cuda.pointwise(gpu, "sigmoid", x)),
    "group_norm": (_numpy.group_norm, _cuda.group_norm),
}


def _dispatch(name: str, x: object, *arguments: object, **options: object) -> Any:
    """Run an operator on the device of its first array."""
    on_cpu, on_cuda = _OPERATORS[name]
    if not on_gpu(x):
        return on_cpu(x, *arguments, **options)
    if isa := options.pop("isa", ""):
        raise ValueError(f'isa: expected "" for tensors on a GPU, got "{isa}"')
    return on_cuda(GpuTensors(x), x, *arguments, **options)


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
    """Convolve causally in one dimension, with carried state.

    `y = conv1d([state, activation(x)], weight) + bias`. A signal in pieces, each with the state
    that the last call returned, gives the bits of one call.

    Parameters
    ----------
    x : float32 ([batch,] in_channels, time)
    weight : float32 (out_channels, in_channels, kernel)
    bias : float32 (out_channels,), default zeros
    state : float32 ([batch,] in_channels, held), default zeros
        By default `(kernel - 1) * dilation + 1 - stride` columns, the left zero padding.
    activation, alpha
        Applied to `x` on load. "snake" takes alpha `(in_channels,)`.

    Returns
    -------
    y : float32 ([batch,] out_channels, frames)
    state : float32 ([batch,] in_channels, held')
    """
    y, after = _dispatch(
        "causal_conv1d",
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
    """Convolve causally, transposed: `stride` outputs per input, with the tail as state.

    It equals `conv_transpose1d(x, weight, stride)` cut to `time * stride` columns.

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
    name = "causal_conv_transpose1d"
    y, after = _dispatch(name, x, weight, bias, state, stride=stride, isa=isa)
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
    """Run one LSTM layer over time, with gates in PyTorch's order i, f, g, o.

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
    y, after = _dispatch("lstm", x, weight_ih, weight_hh, bias_ih, bias_hh, state, isa=isa)
    return y, after


def rvq_encode(x: Array, codebooks: Array, *, isa: str = "") -> Any:
    """Quantise residual by residual, by Euclidean distance. The lowest index wins ties.

    Parameters
    ----------
    x : float32 (dim, time)
    codebooks : float32 (n_q, size, dim), size at most 65536; on a GPU, dim at most 512

    Returns
    -------
    uint16 (n_q, time)
    """
    return _dispatch("rvq_encode", x, codebooks, isa=isa)


def rvq_decode(codes: Any, codebooks: Array, *, isa: str = "") -> Array:
    """Sum the entries in codebook order: uint16 (n_q, time) to float32 (dim, time).

    A code beyond its codebook is a ValueError on the CPU. On a GPU, where nothing waits for the
    result, it gives NaN.
    """
    y: Array = _dispatch("rvq_decode", codes, codebooks, isa=isa)
    return y


def nearest_normalised(x: Array, codebook: Array, *, isa: str = "") -> Any:
    """Find the nearest entry after L2 normalisation of both sides (DAC, `nn/quantize.py`).

    Parameters
    ----------
    x : float32 (dim, time)
    codebook : float32 (size, dim), size at most 65536; on a GPU, dim at most 512

    Returns
    -------
    uint16 (time,)
    """
    return _dispatch("nearest_normalised", x, codebook, isa=isa)


def snake(x: Array, alpha: Array, *, isa: str = "") -> Array:
    """Compute `x + sin^2(alpha x) / (alpha + 1e-9)` (arXiv 2006.08195; DAC, `nn/layers.py`).

    `x` is float32 ([batch,] channels, time), `alpha` float32 (channels,). Where `|alpha x|` is
    beyond 2^20 a float32 holds no phase, and the second term is zero. The result is within 3.5 ulp
    of the larger of `|x|` and `|y|`.
    """
    y: Array = _dispatch("snake", x, alpha, isa=isa)
    return y


def elu(x: Array, *, isa: str = "") -> Array:
    """Return `x` where positive, `exp(x) - 1` elsewhere, within 1 ulp. Any shape."""
    y: Array = _dispatch("elu", x, isa=isa)
    return y


def tanh(x: Array, *, isa: str = "") -> Array:
    """Compute the hyperbolic tangent within 2.5 ulp. Any shape."""
    y: Array = _dispatch("tanh", x, isa=isa)
    return y


def sigmoid(x: Array, *, isa: str = "") -> Array:
    """Compute `1 / (1 + exp(-x))` within 2.5 ulp. Any shape.

    Below x = -87 it keeps its value there.
    """
    y: Array = _dispatch("sigmoid", x, isa=isa)
    return y


def group_norm(x: Array, groups: int, weight: Array, bias: Array, eps: float = 1e-5) -> Array:
    """Normalise each group's channels over all of time, with statistics in float64.

    Parameters
    ----------
    x : float32 ([batch,] channels, time)
    groups : int
        It divides the channels.
    weight, bias : float32 (channels,)
    eps : float
        Added to the variance.
    """
    y: Array = _dispatch("group_norm", x, groups, weight, bias, eps)
    return y
