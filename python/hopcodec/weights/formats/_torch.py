"""Read a state dict that `torch.save` wrote, alone or with the arguments of its model."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hopcodec.errors import WeightsError
from hopcodec.weights._limits import MAX_TENSORS
from hopcodec.weights._raw import FloatArray, RawTensor
from hopcodec.weights.formats._torch_archive import check_archive

if TYPE_CHECKING:
    import torch

OLDEST_TORCH = (2, 6)  # older ones could run code despite weights_only=True (CVE-2025-32434)


def _require_torch() -> None:
    try:
        import torch
    except ImportError as error:
        raise WeightsError(
            "reading .th files needs torch: pip install 'hopcodec[torch]'"
        ) from error
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < OLDEST_TORCH:
        raise WeightsError(
            f"reading .th files safely needs torch >= 2.6, got {torch.__version__} "
            "(CVE-2025-32434): pip install -U torch"
        )


def check_storage(name: str, tensor: torch.Tensor) -> None:
    """Refuse a tensor whose shape asks for more bytes than its storage holds."""
    claimed = tensor.numel() * tensor.element_size()
    held = tensor.untyped_storage().nbytes()
    if claimed > held:  # strides of 0 let a kilobyte stand for gigabytes
        raise WeightsError(
            f"tensor {name}: shape {tuple(tensor.shape)} takes {claimed} bytes, "
            f"its storage holds {held}"
        )


def _raw(name: str, tensor: torch.Tensor) -> RawTensor:
    check_storage(name, tensor)

    def read() -> FloatArray:
        return np.array(tensor.detach().float().numpy(), dtype=np.float32, order="C")

    return RawTensor(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), read)


def read_torch(data: bytes) -> tuple[dict[str, RawTensor], Mapping[str, object] | None]:
    """Return the tensors in a torch file's bytes, under its own names, and its arguments.

    The arguments are None for a bare state dict, else `metadata.kwargs` (audiotools,
    `BaseModel.save`). The file is loaded with `weights_only=True` or not at all.
    """
    tensors, metadata = read_torch_file(data)
    return tensors, None if metadata is None else _kwargs(metadata)


def read_torch_file(data: bytes) -> tuple[dict[str, RawTensor], Mapping[object, object] | None]:
    """Read as `read_torch`, but return all of the file's `metadata`."""
    _require_torch()
    import torch

    check_archive(data)
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    metadata = None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        metadata = state.get("metadata", {})
        if not isinstance(metadata, dict):
            raise WeightsError(f"metadata: expected a dictionary, got {type(metadata).__name__}")
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise WeightsError(f"expected a state dict, got {type(state).__name__}")
    if len(state) > MAX_TENSORS:
        raise WeightsError(f"{len(state)} tensors, at most {MAX_TENSORS} are allowed")
    tensors = {}
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise WeightsError(f"{name!r}: expected a named tensor, got {type(tensor).__name__}")
        tensors[name] = _raw(name, tensor)
    return tensors, metadata


def _kwargs(metadata: Mapping[object, object]) -> Mapping[str, object]:
    kwargs = metadata.get("kwargs", {})
    if not isinstance(kwargs, dict):
        raise WeightsError("metadata: expected a dictionary with one of kwargs in it")
    return kwargs
