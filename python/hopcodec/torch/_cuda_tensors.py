"""Contiguous torch tensors on a GPU, as the operators see them."""

from __future__ import annotations

import torch
from hopcodec.ops._dlpack import View
from torch import Tensor


class CudaTensors:
    """Implements `hopcodec.ops._cuda.Tensors` by addresses alone, without DLPack capsules."""

    def __init__(self, x: Tensor) -> None:
        self._like = x
        self.device = x.get_device()
        self.stream = int(torch.cuda.current_stream(self.device).cuda_stream)

    def floats(self, name: str, x: Tensor) -> View:
        """Look at a float32 tensor on this device, or raise TypeError."""
        return self._view(name, x, torch.float32)

    def codes(self, name: str, x: Tensor) -> View:
        """Look at an int32 tensor on this device, or raise TypeError."""
        return self._view(name, x, torch.int32)

    def empty(self, shape: tuple[int, ...], dtype: str = "float32") -> tuple[Tensor, int]:
        """Make a tensor on this device, and give its address."""
        made = self._like.new_empty(shape, dtype=getattr(torch, dtype))
        return made, made.data_ptr()

    def _view(self, name: str, x: Tensor, dtype: torch.dtype) -> View:
        if x.dtype != dtype or x.get_device() != self.device:
            raise TypeError(
                f"{name}: expected {dtype} on cuda:{self.device}, got {x.dtype} on {x.device}"
            )
        return View(x.data_ptr(), tuple(x.shape))
