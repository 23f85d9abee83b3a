"""The operators on a GPU: check shapes, make outputs and workspace, call the core once.

Everything is enqueued on the caller's stream and nothing waits, so these functions can be captured
in a CUDA graph. They look at their inputs through `Tensors`.
"""

from __future__ import annotations

from typing import Any, Protocol

from hopcodec import _core
from hopcodec.ops._dlpack import View


class Tensors(Protocol):
    """A view of the caller's tensors, with the device and the stream of the work."""

    device: int
    stream: int

    def floats(self, name: str, x: Any) -> View: ...
    def codes(self, name: str, x: Any) -> View: ...
    def empty(self, shape: tuple[int, ...], dtype: str = "float32") -> tuple[Any, int]: ...


def _expect(name: str, view: View, *shape: int | None) -> None:
    fits = len(view.shape) == len(shape) and all(
        length is None or length == found for length, found in zip(shape, view.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("*" if length is None else str(length) for length in shape)
        raise ValueError(f"{name}: expected shape ({wanted}), got {view.shape}")


def _optional(tensors: Tensors, name: str, x: Any, *shape: int) -> int:
    """Return the address of a tensor; 0 for None, which means zeros to the core."""
    if x is None:
        return 0
    view = tensors.floats(name, x)
    _expect(name, view, *shape)
    return view.address


def _batched(tensors: Tensors, x: Any) -> tuple[View, tuple[int, int, int], tuple[int, ...]]:
    """Return x, its (batch, channels, time), and (batch,) if it has a batch."""
    view = tensors.floats("x", x)
    if len(view.shape) not in (2, 3):
        raise TypeError(
            "x: expected a tensor (channels, time) or (batch, channels, time), got shape "
            f"{view.shape}"
        )
    batch, channels, time = view.shape if len(view.shape) == 3 else (1, *view.shape)
    return view, (batch, channels, time), view.shape[:-2]


def _workspace(tensors: Tensors, floats: int) -> tuple[Any, int]:
    return tensors.empty((floats,)) if floats else (None, 0)


def causal_conv1d(
    tensors: Tensors,
    x: Any,
    weight: Any,
    bias: Any = None,
    state: Any = None,
    *,
    stride: int = 1,
    dilation: int = 1,
    activation: str = "none",
    alpha: Any = None,
) -> tuple[Any, Any]:
    """Run `hopcodec.ops.causal_conv1d` on a GPU."""
    view, (batch, channels, time), lead = _batched(tensors, x)
    matrix = tensors.floats("weight", weight)
    _expect("weight", matrix, None, channels, None)
    out, _, kernel = matrix.shape
    held = max((kernel - 1) * dilation + 1 - stride, 0)
    state_at = 0
    if state is not None:
        before = tensors.floats("state", state)
        _expect("state", before, *lead, channels, None)
        held, state_at = before.shape[-1], before.address
    if activation == "snake" and alpha is None:
        raise ValueError("snake: expected alpha, one per channel")
    lengths = (batch, channels, out, kernel, time, held, stride, dilation)
    keep, workspace = _workspace(tensors, _core.cuda.causal_conv1d_workspace(lengths))
    total, reach = held + time, (kernel - 1) * dilation + 1
    frames = 0 if total < reach else (total - reach) // stride + 1
    y, y_at = tensors.empty((*lead, out, frames))
    after, after_at = tensors.empty((*lead, channels, total - frames * stride))
    _core.cuda.causal_conv1d(
        (
            view.address,
            matrix.address,
            _optional(tensors, "bias", bias, out),
            state_at,
            _optional(tensors, "alpha", alpha, channels),
            y_at,
            after_at,
            workspace,
        ),
        lengths,
        activation,
        tensors.device,
        tensors.stream,
    )
    del keep  # not sooner, since the next call in the stream may then take its memory
    return y, after


def causal_conv_transpose1d(
    tensors: Tensors, x: Any, weight: Any, bias: Any = None, state: Any = None, *, stride: int
) -> tuple[Any, Any]:
    """Run `hopcodec.ops.causal_conv_transpose1d` on a GPU."""
    view, (batch, channels, time), lead = _batched(tensors, x)
    matrix = tensors.floats("weight", weight)
    _expect("weight", matrix, channels, None, None)
    _, out, kernel = matrix.shape
    lengths = (batch, channels, out, kernel, time, stride)
    keep, workspace = _workspace(tensors, _core.cuda.causal_conv_transpose1d_workspace(lengths))
    held = -(-kernel // stride) - 1
    y, y_at = tensors.empty((*lead, out, time * stride))
    after, after_at = tensors.empty((*lead, channels, held))
    _core.cuda.causal_conv_transpose1d(
        (
            view.address,
            matrix.address,
            _optional(tensors, "bias", bias, out),
            _optional(tensors, "state", state, *lead, channels, held),
            y_at,
            after_at,
            workspace,
        ),
        lengths,
        tensors.device,
        tensors.stream,
    )
    del keep
    return y, after


def lstm(
    tensors: Tensors,
    x: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any,
    bias_hh: Any,
    state: tuple[Any, Any] | None = None,
) -> tuple[Any, tuple[Any, Any]]:
    """Run `hopcodec.ops.lstm` on a GPU."""
    view = tensors.floats("x", x)
    _expect("x", view, None, None)
    n, time = view.shape
    hidden, cell = state or (None, None)
    addresses = [view.address]
    for name, w, shape in (
        ("weight_ih", weight_ih, (4 * n, n)),
        ("weight_hh", weight_hh, (4 * n, n)),
        ("bias_ih", bias_ih, (4 * n,)),
        ("bias_hh", bias_hh, (4 * n,)),
    ):
        seen = tensors.floats(name, w)
        _expect(name, seen, *shape)
        addresses.append(seen.address)
    addresses.append(_optional(tensors, "hidden", hidden, n))
    addresses.append(_optional(tensors, "cell", cell, n))
    keep, workspace = _workspace(tensors, _core.cuda.lstm_workspace((n, time)))
    y, y_at = tensors.empty((n, time))
    after_hidden, hidden_at = tensors.empty((n,))
    after_cell, cell_at = tensors.empty((n,))
    addresses += [y_at, hidden_at, cell_at, workspace]
    _core.cuda.lstm(addresses, (n, time), tensors.device, tensors.stream)
    del keep
    return y, (after_hidden, after_cell)


def rvq_encode(tensors: Tensors, x: Any, codebooks: Any, *, dtype: str = "uint16") -> Any:
    """Run `hopcodec.ops.rvq_encode` on a GPU, with codes as `dtype`, uint16 or int32."""
    view = tensors.floats("x", x)
    books = tensors.floats("codebooks", codebooks)
    _expect("codebooks", books, None, None, None)
    n_q, size, dim = books.shape
    _expect("x", view, dim, None)
    codes, at = tensors.empty((n_q, view.shape[1]), dtype)
    _quantize(tensors, view, books, at, (n_q, size, dim), dtype, normalised=False)
    return codes


def nearest_normalised(tensors: Tensors, x: Any, codebook: Any) -> Any:
    """Run `hopcodec.ops.nearest_normalised` on a GPU."""
    view = tensors.floats("x", x)
    book = tensors.floats("codebook", codebook)
    _expect("codebook", book, None, None)
    size, dim = book.shape
    _expect("x", view, dim, None)
    codes, at = tensors.empty((view.shape[1],), "uint16")
    _quantize(tensors, view, book, at, (1, size, dim), "uint16", normalised=True)
    return codes


def _quantize(
    tensors: Tensors,
    x: View,
    books: View,
    codes_at: int,
    shape: tuple[int, int, int],
    dtype: str,
    *,
    normalised: bool,
) -> None:
    n_q, size, dim = shape
    if not 1 <= size <= 65536:
        raise ValueError(f"codebooks: expected 1 to 65536 entries, got {size}")
    lengths = (dim, x.shape[1], n_q, size)
    floats = _core.cuda.quantize_workspace(lengths, normalised)
    keep, workspace = _workspace(tensors, floats)
    _core.cuda.quantize(
        (x.address, books.address, codes_at, workspace),
        lengths,
        normalised,
        dtype == "int32",
        tensors.device,
        tensors.stream,
    )
    del keep


def rvq_decode(tensors: Tensors, codes: View, codebooks: Any, *, wide: bool = False) -> Any:
    """Run `hopcodec.ops.rvq_decode` on a GPU. Codes are int32 if `wide`, else uint16."""
    _expect("codes", codes, None, None)
    books = tensors.floats("codebooks", codebooks)
    _expect("codebooks", books, None, None, None)
    most, size, dim = books.shape
    n_q, time = codes.shape
    if n_q > most:
        raise ValueError(f"codes: expected at most {most} codebooks, got {n_q}")
    x, at = tensors.empty((dim, time))
    _core.cuda.dequantize(
        (codes.address, books.address, at),
        (dim, time, n_q, size),
        wide,
        tensors.device,
        tensors.stream,
    )
    return x


def snake(tensors: Tensors, x: Any, alpha: Any) -> Any:
    """Run `hopcodec.ops.snake` on a GPU."""
    view, lengths, _ = _batched(tensors, x)
    a = tensors.floats("alpha", alpha)
    _expect("alpha", a, lengths[1])
    y, at = tensors.empty(view.shape)
    _core.cuda.snake((view.address, a.address, at), lengths, tensors.device, tensors.stream)
    return y


def pointwise(tensors: Tensors, name: str, x: Any) -> Any:
    """Run `hopcodec.ops.elu`, `tanh` or `sigmoid` on a GPU."""
    view = tensors.floats("x", x)
    y, at = tensors.empty(view.shape)
    count = 1
    for length in view.shape:
        count *= length
    _core.cuda.pointwise(name, (view.address, at), count, tensors.device, tensors.stream)
    return y


def group_norm(tensors: Tensors, x: Any, groups: int, weight: Any, bias: Any, eps: float) -> Any:
    """Run `hopcodec.ops.group_norm` on a GPU."""
    view, (batch, channels, time), _ = _batched(tensors, x)
    w, b = tensors.floats("weight", weight), tensors.floats("bias", bias)
    _expect("weight", w, channels)
    _expect("bias", b, channels)
    lengths = (batch, channels, time, groups)
    keep, workspace = _workspace(tensors, _core.cuda.group_norm_workspace(lengths))
    y, at = tensors.empty(view.shape)
    addresses = (view.address, w.address, b.address, at, workspace)
    _core.cuda.group_norm(addresses, lengths, eps, tensors.device, tensors.stream)
    del keep
    return y
