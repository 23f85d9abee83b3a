"""Where the operators' GPU tests run: torch's CUDA, or the stand-in build's own arrays."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, NoReturn

import numpy.typing as npt
import pytest
from stand_in_gpu import HostedArray

from hopcodec import DeviceError, _core

REQUIRED = os.environ.get("HOPCODEC_REQUIRE_CUDA") == "1"


class StandInGpu:
    name = "stand-in"

    def put(self, x: npt.NDArray[Any]) -> Any:
        return HostedArray(x.copy())

    def get(self, x: Any) -> npt.NDArray[Any]:
        assert isinstance(x, HostedArray)
        return x.data


class TorchGpu:
    name = "torch"

    def put(self, x: npt.NDArray[Any]) -> Any:
        import torch

        return torch.from_numpy(x).cuda()

    def get(self, x: Any) -> npt.NDArray[Any]:
        import torch

        assert isinstance(x, torch.Tensor)
        assert x.is_cuda
        array: npt.NDArray[Any] = x.cpu().numpy()
        return array


Gpu = StandInGpu | TorchGpu


@cache
def no_gpu() -> str:
    """Why there is no GPU to test on; empty if there is one."""
    try:
        _core.cuda.check()
    except DeviceError as error:
        return str(error)
    return ""


def skip_unless_required(reason: str) -> NoReturn:
    """A skip, or a failure with HOPCODEC_REQUIRE_CUDA=1."""
    if REQUIRED:
        pytest.fail(f"HOPCODEC_REQUIRE_CUDA=1: {reason}")
    pytest.skip(reason)


def find_gpu() -> tuple[Gpu | None, str]:
    """What to test on, or why there is nothing."""
    if no_gpu():
        return None, no_gpu()
    if _core.cuda.stand_in():
        return StandInGpu(), ""
    try:
        import torch
    except ImportError:
        return None, "torch: not installed"
    if not torch.cuda.is_available():
        return None, "torch: expected one with CUDA, got one without"
    return TorchGpu(), ""


def gpu_or_skip() -> Gpu:
    """What to test on; without any a skip, or a failure with HOPCODEC_REQUIRE_CUDA=1."""
    found, reason = find_gpu()
    if found is None:
        skip_unless_required(reason)
    return found
