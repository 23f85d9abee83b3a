"""Run a module's signals on the compiled core, and decide when that is allowed.

This is the only file of `hopcodec.torch` that opens sessions of a codec.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _WeightNorm

import torch
from hopcodec.codec._codec import Codec
from hopcodec.codec._codes import Codes, Segment
from hopcodec.codec._hop_by_hop import FRAMES_PER_STEP
from torch import Tensor, nn

Chunk = tuple[Tensor, Tensor]  # codes int64 (codebooks, frames), and their scale, float32 ()
Layout = tuple[tuple[str, type, tuple[tuple[str, Any], ...]], ...]


def encode_chunks(codec: Codec, signal: Tensor, codebooks: int) -> list[Chunk]:
    """Encode one signal, float32 `(channels, samples)`; a codec without segments gives one chunk.

    `codebooks` is the number of codebooks to use.
    """
    samples = np.ascontiguousarray(signal.detach().numpy())
    codes = codec.encode(samples, codebooks=codebooks)
    if not isinstance(codes, Codes):
        return [(torch.from_numpy(codes.astype(np.int64)), torch.ones(()))]
    return [
        (torch.from_numpy(segment.codes.astype(np.int64)), torch.tensor(segment.scale))
        for segment in codes
    ]


def decode_chunks(codec: Codec, chunks: Sequence[Chunk]) -> Tensor:
    """Decode the chunks of one signal to float32 `(channels, samples)`.

    Raises
    ------
    ValueError
        A code is not an entry of its codebook.
    """
    arrays = [_codes(codec, codes) for codes, _ in chunks]
    if codec.segments is None:
        (array,) = arrays
        return torch.from_numpy(codec.decode(array))
    segments = [
        Segment(array, np.float32(scale)) for array, (_, scale) in zip(arrays, chunks, strict=True)
    ]
    return torch.from_numpy(codec.decode(Codes(segments, len(arrays[0]))))


def _codes(codec: Codec, codes: Tensor) -> npt.NDArray[np.uint16]:
    size = codec.codebook_size
    low, high = (int(codes.min()), int(codes.max())) if codes.numel() else (0, 0)
    if low < 0 or high >= size:
        raise ValueError(f"codes: expected 0 to {size - 1}, got {low} to {high}")
    return np.ascontiguousarray(codes.detach().cpu().numpy().astype(np.uint16))


def analyse(codec: Codec, audio: Tensor, codebooks: int) -> tuple[Tensor, Tensor]:
    """Encode signals of one length `(batch, channels, samples)`, and keep their latents.

    Returns codes int64 `(batch, codebooks, frames)` and latents before quantisation, float32
    `(batch, dim, frames)`.
    """
    session = codec.sessions.cpu_encoder(1, "exact", FRAMES_PER_STEP)
    found = []
    for item in audio.detach():
        found.append(session.analyse(np.ascontiguousarray(item.numpy()), codebooks))
        session.reset()
    codes = torch.from_numpy(np.stack([c for c, _ in found]).astype(np.int64))
    return codes, torch.from_numpy(np.stack([z for _, z in found]))


def synthesise(codec: Codec, latents: Tensor) -> Tensor:
    """Decode latents `(batch, dim, frames)` to float32 `(batch, channels, samples)`."""
    session = codec.sessions.cpu_decoder(1, "exact", FRAMES_PER_STEP)
    found = []
    for item in latents.detach():
        head = session.push_latents(np.ascontiguousarray(item.numpy()))
        found.append(np.concatenate([head, session.flush()], axis=1))
        session.reset()
    return torch.from_numpy(np.stack(found))


def being_traced() -> bool:
    """Tell whether torch records the program instead of computing."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_compiling()


def wants_gradient(module: nn.Module, *inputs: Tensor | None) -> bool:
    """Tell whether autograd would record a computation of `module` on `inputs`."""
    if not torch.is_grad_enabled():
        return False
    given = (tensor for tensor in inputs if tensor is not None)
    return any(tensor.requires_grad for tensor in (*given, *module.parameters()))


def may_compute(module: nn.Module, layout: Layout, *inputs: Tensor | None) -> bool:
    """Tell whether the core may stand in for the layers of `module`.

    It may for plain float32 tensors on the CPU, if the layers are still those of `layout` and
    nobody waits for a layer to be called: no hook, no replaced `forward`, no tracing.
    """
    if being_traced():
        return False
    layers = list(module.named_modules())
    if any(_observed(layer) for _, layer in layers[1:]):
        return False
    held = (
        tensor
        for _, layer in layers
        for tensors in (layer._parameters, layer._buffers)
        for tensor in tensors.values()
    )
    tensors = (t for t in (*held, *inputs) if t is not None and t.is_floating_point())
    return all(map(_plain, tensors)) and _layout(layers) == layout


def _observed(layer: nn.Module) -> bool:
    hooks = layer._forward_hooks or layer._forward_pre_hooks
    return bool(hooks) or "forward" in vars(layer)


def _plain(tensor: Tensor) -> bool:
    ordinary = type(tensor) in (Tensor, nn.Parameter)
    return ordinary and tensor.device.type == "cpu" and tensor.dtype == torch.float32


def layout_of(module: nn.Module) -> Layout:
    """Describe the layers inside `module`: name, class and settings of each.

    Weight norm may be put on and taken off: parametrizations are left out. Attributes that begin
    with an underscore are no settings, and neither is `training`.
    """
    return _layout(module.named_modules())


def _layout(layers: Iterable[tuple[str, nn.Module]]) -> Layout:
    return tuple(
        (name, _kind(layer), _settings(layer))
        for name, layer in layers
        if name and "parametrizations" not in name
    )


def _kind(layer: nn.Module) -> type:
    lists = layer._modules.get("parametrizations")
    if lists is None:
        return type(layer)
    known = all(map(_is_weight_norm, lists.children()))
    # Under any other parametrization it has a class of its own, which no layout names.
    return parametrize.type_before_parametrizations(layer) if known else type(layer)


def _is_weight_norm(functions: nn.Module) -> bool:
    found = list(functions.children())
    return [type(each) for each in found] == [_WeightNorm] and bool(found[0].dim == 0)


_SIMPLE = (bool, int, float, str, tuple)


def _settings(layer: nn.Module) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (name, value)
        for name, value in vars(layer).items()
        if name[0] != "_" and name != "training" and isinstance(value, _SIMPLE)
    )
