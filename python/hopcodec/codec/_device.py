"""Checks of device and precision."""

from __future__ import annotations

from typing import get_args

from hopcodec import _core
from hopcodec.errors import DeviceError
from hopcodec.typing import Precision


def cuda_ordinal(device: str) -> int:
    """Return the index of the GPU that "cuda" or "cuda:1" names; DeviceError for other names."""
    kind, _, ordinal = device.partition(":")
    if kind != "cuda" or not (device == "cuda" or (ordinal.isascii() and ordinal.isdigit())):
        raise DeviceError(f'device: expected "cpu", "cuda" or "cuda:<number>", got "{device}"')
    return int(ordinal or 0)


def check_device(device: str) -> None:
    """Raise DeviceError if the device is absent or this build does not drive it."""
    if device != "cpu":
        _core.cuda.check(cuda_ordinal(device))


def check_precision(precision: str, device: str) -> None:
    """Raise ValueError if the precision is unknown or the device does not support it."""
    if precision not in get_args(Precision):
        raise ValueError(f'precision: expected "fp32", "tf32" or "bf16", got {precision!r}')
    if precision == "tf32" and device == "cpu":
        raise ValueError('precision: expected "fp32" or "bf16" on the CPU, got "tf32"')
