"""A library of arrays that say they are on a GPU, for the build whose device memory is the host's.

What such a library owes the operators: DLPack for its arrays, `__array_namespace__` for new ones.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

CUDA, KINDS = 2, {"i": 0, "u": 1, "f": 2}


class DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class HostedArray:
    """A numpy array that claims to be on "cuda:<device>"."""

    def __init__(self, data: npt.NDArray[Any], device: int = 0) -> None:
        self.data, self.ordinal, self.device = data, device, f"cuda:{device}"
        self.streams_asked_for: list[int] = []

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, self.ordinal

    def __dlpack__(self, *, stream: int) -> Any:
        self.streams_asked_for.append(stream)
        x = self.data
        lengths = (ctypes.c_int64 * x.ndim)(*x.shape)
        steps = (ctypes.c_int64 * x.ndim)(*(s // x.itemsize for s in x.strides))
        self._kept = tensor = DLTensor(
            x.ctypes.data, CUDA, self.ordinal, x.ndim, KINDS[x.dtype.kind], 8 * x.itemsize, 1,
            lengths, steps, 0,
        )  # fmt: skip
        return _capsule(ctypes.addressof(tensor), b"dltensor", None)

    def __array_namespace__(self) -> Any:
        return Namespace


class Namespace:
    """The part of the array API standard that makes new arrays."""

    float32, uint16, int32 = np.float32, np.uint16, np.int32

    @staticmethod
    def empty(shape: tuple[int, ...], *, dtype: Any, device: str) -> HostedArray:
        # Rubbish, in whole lines of four floats: NaN, were it read as one.
        floats = np.full(int(np.prod(shape)) + 8, -1, np.int64)
        start = -floats.ctypes.data % 16
        view = floats.view(np.uint8)[start : start + int(np.prod(shape)) * np.dtype(dtype).itemsize]
        return HostedArray(view.view(dtype).reshape(shape), int(device.split(":")[1]))
