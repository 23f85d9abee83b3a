"""A module's parameters on the compiled core, which computes them faster than torch does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

import numpy as np

import torch
from hopcodec.codec._codec import Codec
from hopcodec.specs._language import CodecSpec
from hopcodec.weights._raw import FloatArray
from torch import Tensor, nn

CodecT = TypeVar("CodecT")


def wants_gradient(module: nn.Module, *inputs: Tensor | None) -> bool:
    """Whether autograd would record a computation of `module` on `inputs`."""
    if not torch.is_grad_enabled():
        return False
    given = (tensor for tensor in inputs if tensor is not None)
    return any(tensor.requires_grad for tensor in (*given, *module.parameters()))


def on_the_core(module: nn.Module, *inputs: Tensor | None) -> bool:
    """Whether the core may stand in for the layers of `module`.

    It computes with float32 on the CPU, and nobody must be waiting for a layer to be called: no
    hook on one, no tracing, no compiling.
    """
    traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if traced or torch.compiler.is_compiling():
        return False
    layers = (layer for layer in module.modules() if layer is not module)
    if any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers):
        return False
    tensors = (
        *module.parameters(),
        *(t for t in inputs if t is not None and t.is_floating_point()),
    )
    return all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)


class Runtime(Generic[CodecT]):
    """The codec of a module, folded when first needed and anew once a parameter has changed.

    A change is seen by torch's version counters, so an optimiser's step, `load_state_dict` and
    `module.conv.weight[0] = 1` are; writing through `tensor.data` leaves no version, so the two
    ends of every tensor are compared as well. After writing to anything else through `.data`, call
    `forget()`.

    Not a module and without parameters: copies and pickles of it are empty and fold for themselves.
    `kind` makes the codec from the spec and the folded weights; `Codec` without it.
    """

    @overload
    def __init__(self: Runtime[Codec], spec: CodecSpec) -> None: ...
    @overload
    def __init__(self, spec: CodecSpec, kind: Callable[..., CodecT]) -> None: ...
    def __init__(self, spec: CodecSpec, kind: Callable[..., Any] = Codec) -> None:
        self._spec = spec
        self._kind = kind
        self._codec: CodecT | None = None
        self._stamp: tuple[Any, ...] = ()

    def codec(self, module: nn.Module, fold: Callable[[], Mapping[str, FloatArray]]) -> CodecT:
        """The codec of `module`; `fold` gives exactly the spec's tensors when they are needed."""
        stamp = tuple(_mark(t) for t in (*module.parameters(), *module.buffers()))
        codec = self._codec
        if codec is None or stamp != self._stamp:
            built: CodecT = self._kind(self._spec, fold())
            self._codec, self._stamp = built, stamp
            return built
        return codec

    def forget(self) -> None:
        """Fold anew at the next use."""
        self._codec = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Runtime, (self._spec, self._kind)


def _mark(tensor: Tensor) -> tuple[int, int, float, float]:
    """Differs between two contents of a tensor, as far as can be told without reading it all."""
    version = 0 if tensor.is_inference() else tensor._version
    ends = (0.0, 0.0)
    if tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.numel():
        flat = tensor.detach().numpy().reshape(-1)
        ends = (float(flat[0]), float(flat[-1]))
    return tensor.data_ptr(), version, *ends


def core_encode(codec: Codec, audio: Tensor, codebooks: int) -> Tensor:
    """Codes int64 `(codebooks, frames)` of one signal, float32 `(channels, samples)`."""
    signal = np.ascontiguousarray(audio.detach().numpy())
    codes = np.asarray(codec.encode(signal, codebooks=codebooks))
    return torch.from_numpy(codes.astype(np.int64))


def core_decode(codec: Codec, codes: Tensor) -> Tensor:
    """Audio float32 `(channels, samples)` of one signal's codes, integers `(codebooks, frames)`.

    Raises
    ------
    ValueError
        A code is not an entry of its codebook.
    """
    size = codec.codebook_size
    low, high = (int(codes.min()), int(codes.max())) if codes.numel() else (0, 0)
    if low < 0 or high >= size:
        raise ValueError(f"codes: expected 0 to {size - 1}, got {low} to {high}")
    signal = np.ascontiguousarray(codes.detach().cpu().numpy().astype(np.uint16))
    return torch.from_numpy(codec.decode(signal))
