"""Look at GPU tensors of any library through DLPack, and make new ones of the same library.

The work of an operator goes to its caller's stream. For torch that is the current stream, for other
libraries the one that `__cuda_array_interface__` names, else the default stream. No library is
imported here: the caller, who holds its tensor, has imported it.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from hopcodec import _core

__all__ = ["GpuTensors", "View", "on_gpu"]

DLPACK_CUDA = 2  # DLDeviceType kDLCUDA
AS_IT_IS = -1  # DLPack: the work stays in the stream that made the tensor
DEFAULT_STREAM = 1  # CUDA's own name for it, and DLPack's


class View(NamedTuple):
    """A C-contiguous tensor on a GPU."""

    address: int
    shape: tuple[int, ...]


def on_gpu(x: object) -> bool:
    """Return True if `x` is a tensor on a CUDA device."""
    if isinstance(x, np.ndarray):
        return False
    ask = getattr(x, "__dlpack_device__", None)
    return ask is not None and bool(ask()[0] == DLPACK_CUDA)


def _is_torch(x: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


class GpuTensors:
    """The device, stream and library of one call, which are those of its first tensor."""

    def __init__(self, x: Any) -> None:
        self._like = x
        self.device = int(x.__dlpack_device__()[1])
        if _is_torch(x):
            self.stream = int(sys.modules["torch"].cuda.current_stream(self.device).cuda_stream)
            self._producer_stream = AS_IT_IS
        else:
            told = getattr(x, "__cuda_array_interface__", {}).get("stream")
            self.stream = self._producer_stream = int(told) if told else DEFAULT_STREAM

    def floats(self, name: str, x: Any) -> View:
        """Look at `x`; raise TypeError unless it is C-contiguous float32 on this device."""
        return self._view(name, x, "float32")

    def codes(self, name: str, x: Any) -> View:
        """Look at `x`; raise TypeError unless it is C-contiguous uint16 on this device."""
        return self._view(name, x, "uint16")

    def empty(self, shape: tuple[int, ...], dtype: str = "float32") -> tuple[Any, int]:
        """Make a tensor of the same library on this device; return it and its address."""
        made = self._new(shape, dtype)
        return made, self._view("output", made, dtype).address

    def _new(self, shape: tuple[int, ...], dtype: str) -> Any:
        if _is_torch(self._like):
            return self._like.new_empty(shape, dtype=getattr(sys.modules["torch"], dtype))
        space = getattr(self._like, "__array_namespace__", None)
        if space is None:
            raise TypeError(
                "x: expected a torch tensor or an array with __array_namespace__, in whose library "
                f"the result can be made, got {type(self._like).__name__}"
            )
        return space().empty(shape, dtype=getattr(space(), dtype), device=self._like.device)

    def _view(self, name: str, x: Any, dtype: str) -> View:
        expected = f"{name}: expected a C-contiguous {dtype} tensor on cuda:{self.device}, got "
        if not on_gpu(x):
            where = (
                "" if isinstance(x, np.ndarray) or not hasattr(x, "device") else f" on {x.device}"
            )
            raise TypeError(f"{expected}{type(x).__name__}{where}")
        capsule = x.__dlpack__(stream=self._producer_stream)
        address, shape, kind, _, device, contiguous = _core.ops.look_at_dlpack(capsule)
        if kind != dtype or device != self.device or not contiguous:
            layout = "" if contiguous else ", not C-contiguous"
            raise TypeError(f"{expected}{kind} {tuple(shape)} on cuda:{device}{layout}")
        return View(address, tuple(shape))
