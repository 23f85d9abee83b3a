"""The kernels as torch operators, `torch.ops.hopcodec.*`: autograd, fake kernels, `torch.compile`.

Importing this module registers them. They compute in float32 with the bits of `hopcodec.ops`, on
the CPU and on CUDA devices, where they use the current stream and do not wait. For a tensor on
another device torch raises NotImplementedError. A tensor that is not contiguous is copied first.
"""

from __future__ import annotations

from typing import Any

from torch.nn.functional import elu
from torch.nn.grad import conv1d_input, conv1d_weight

import torch
from hopcodec import ops
from hopcodec.ops import _cuda
from hopcodec.torch._cuda_tensors import CudaTensors
from torch import Tensor

__all__ = ["causal_conv1d", "rvq_decode", "rvq_encode", "snake"]


def _array(x: Tensor) -> Any:
    return x.detach().contiguous().numpy()


@torch.library.custom_op("hopcodec::snake", mutates_args=(), device_types="cpu")
def snake(x: Tensor, alpha: Tensor) -> Tensor:
    """Compute `x + sin^2(alpha x) / (alpha + 1e-9)`.

    x is (batch, channels, time), alpha (channels,).
    """
    return torch.from_numpy(ops.snake(_array(x), _array(alpha)))


@snake.register_kernel("cuda")
def _(x: Tensor, alpha: Tensor) -> Any:
    return _cuda.snake(CudaTensors(x), x.contiguous(), alpha.contiguous())


@snake.register_fake
def _(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _keep_snake(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _snake_gradients(x: Tensor, alpha: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    a = alpha[:, None]
    inverse = (a + 1e-9).reciprocal()
    twice = torch.sin(2 * a * x)
    along_alpha = x * twice * inverse - torch.sin(a * x).square() * inverse.square()
    return grad * (1 + a * inverse * twice), (grad * along_alpha).sum(dim=(0, 2))


def _snake_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
    x, alpha = ctx.saved_tensors
    return _snake_gradients(x, alpha, grad)


snake.register_autograd(_snake_backward, setup_context=_keep_snake)


@torch.library.custom_op("hopcodec::causal_conv1d", mutates_args=(), device_types="cpu")
def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    state: Tensor,
    stride: int = 1,
    dilation: int = 1,
    activation: str = "none",
    alpha: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Compute `conv1d([state, f(x)])` and the next state, as `hopcodec.ops.causal_conv1d`.

    Parameters
    ----------
    x : (batch, in, time)
    weight : (out, in, kernel)
    bias : (out,)
    state : (batch, in, held)
    stride, dilation
        Of the convolution.
    activation
        `f`: "none", "elu", "snake" or "tanh".
    alpha : (in,)
        Of "snake".
    """
    y, after = ops.causal_conv1d(
        _array(x),
        _array(weight),
        _array(bias),
        _array(state),
        stride=stride,
        dilation=dilation,
        activation=activation,  # type: ignore[arg-type]
        alpha=None if alpha is None else _array(alpha),
    )
    return torch.from_numpy(y), torch.from_numpy(after)


@causal_conv1d.register_kernel("cuda")
def _(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    state: Tensor,
    stride: int = 1,
    dilation: int = 1,
    activation: str = "none",
    alpha: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    return _cuda.causal_conv1d(
        CudaTensors(x),
        x.contiguous(),
        weight.contiguous(),
        bias.contiguous(),
        state.contiguous(),
        stride=stride,
        dilation=dilation,
        activation=activation,
        alpha=None if alpha is None else alpha.contiguous(),
    )


def _frames(total: int, kernel: int, stride: int, dilation: int) -> int:
    reach = (kernel - 1) * dilation + 1
    return 0 if total < reach else (total - reach) // stride + 1


@causal_conv1d.register_fake
def _(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    state: Tensor,
    stride: int = 1,
    dilation: int = 1,
    activation: str = "none",
    alpha: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    total = state.shape[2] + x.shape[2]
    frames = _frames(total, weight.shape[2], stride, dilation)
    y = x.new_empty(x.shape[0], weight.shape[0], frames)
    return y, x.new_empty(x.shape[0], x.shape[1], total - frames * stride)


def _activate(name: str, x: Tensor, alpha: Tensor | None) -> Tensor:
    if name == "elu":
        return elu(x)
    if name == "tanh":
        return torch.tanh(x)
    return x if alpha is None or name != "snake" else snake(x, alpha)


def _activate_backward(
    name: str, x: Tensor, alpha: Tensor | None, grad: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Compute the gradients along x and, for Snake, along alpha."""
    if name == "elu":
        return torch.where(x > 0, grad, grad * torch.exp(x)), None
    if name == "tanh":
        return grad * (1 - torch.tanh(x).square()), None
    return (grad, None) if alpha is None or name != "snake" else _snake_gradients(x, alpha, grad)


def _keep_conv(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, _, state, ctx.stride, ctx.dilation, ctx.activation, alpha = inputs
    ctx.save_for_backward(x, weight, state, alpha)


def _conv_backward(ctx: Any, grad: Tensor, grad_after: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, state, alpha = ctx.saved_tensors
    rows = torch.cat([state, _activate(ctx.activation, x, alpha)], dim=2)
    options = {"stride": ctx.stride, "dilation": ctx.dilation}
    along_rows = torch.zeros_like(rows)
    along_weight = torch.zeros_like(weight)
    if grad.shape[2] > 0:
        along_rows = along_rows + conv1d_input(  # type: ignore[no-untyped-call]
            list(rows.shape), weight, grad, **options
        )
        along_weight = conv1d_weight(  # type: ignore[no-untyped-call]
            rows, list(weight.shape), grad, **options
        )
    # The rows that the convolution has not consumed are the next state.
    first = rows.shape[2] - grad_after.shape[2]
    along_rows = torch.cat([along_rows[:, :, :first], along_rows[:, :, first:] + grad_after], dim=2)
    held = state.shape[2]
    along_x, along_alpha = _activate_backward(ctx.activation, x, alpha, along_rows[:, :, held:])
    along_state = along_rows[:, :, :held]
    along_bias = grad.sum(dim=(0, 2))
    return along_x, along_weight, along_bias, along_state, None, None, None, along_alpha


causal_conv1d.register_autograd(_conv_backward, setup_context=_keep_conv)


@torch.library.custom_op("hopcodec::rvq_encode", mutates_args=(), device_types="cpu")
def rvq_encode(x: Tensor, codebooks: Tensor) -> Tensor:
    """Find the nearest entries, codebook by codebook: x (dim, time), codebooks (n_q, size, dim).

    Returns int32 (n_q, time), which is not differentiable.
    """
    return torch.from_numpy(ops.rvq_encode(_array(x), _array(codebooks)).astype("int32"))


@rvq_encode.register_kernel("cuda")
def _(x: Tensor, codebooks: Tensor) -> Any:
    return _cuda.rvq_encode(CudaTensors(x), x.contiguous(), codebooks.contiguous(), dtype="int32")


@rvq_encode.register_fake
def _(x: Tensor, codebooks: Tensor) -> Tensor:
    return x.new_empty(codebooks.shape[0], x.shape[1], dtype=torch.int32)


@torch.library.custom_op("hopcodec::rvq_decode", mutates_args=(), device_types="cpu")
def rvq_decode(codes: Tensor, codebooks: Tensor) -> Tensor:
    """Sum the entries of codes int32 (n_q, time) in codebooks (n_q, size, dim): (dim, time).

    A code beyond its codebook is a ValueError on the CPU. On a GPU, where nothing waits for the
    result, it gives NaN.
    """
    size = codebooks.shape[1]
    if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < size:
        raise ValueError(f"codes: expected 0 to {size - 1}, got others")
    return torch.from_numpy(ops.rvq_decode(_array(codes).astype("uint16"), _array(codebooks)))


@rvq_decode.register_kernel("cuda")
def _(codes: Tensor, codebooks: Tensor) -> Any:
    tensors = CudaTensors(codebooks)
    codes = codes.contiguous()  # a copy must live until the launch
    view = tensors.codes("codes", codes)
    return _cuda.rvq_decode(tensors, view, codebooks.contiguous(), wide=True)


@rvq_decode.register_fake
def _(codes: Tensor, codebooks: Tensor) -> Tensor:
    return codebooks.new_empty(codebooks.shape[2], codes.shape[1])


def _keep_codes(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    codes, codebooks = inputs
    ctx.save_for_backward(codes)
    ctx.shape = codebooks.shape


def _decode_backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
    (codes,) = ctx.saved_tensors
    books, size, dim = ctx.shape
    index = codes.long()[:, :, None].expand(-1, -1, dim)
    rows = grad.T[None].expand(codes.shape[0], -1, -1)
    used = grad.new_zeros(codes.shape[0], size, dim).scatter_add(1, index, rows)
    return None, torch.cat([used, grad.new_zeros(books - codes.shape[0], size, dim)])


rvq_decode.register_autograd(_decode_backward, setup_context=_keep_codes)
