"""Versions, instruction sets and devices: what a report of a fault should begin with."""

from __future__ import annotations

import platform

import numpy as np

from hopcodec import _core
from hopcodec.errors import DeviceError

_MOST_DEVICES = 64


def configuration() -> dict[str, str]:
    """Return what `show_config` prints, by name."""
    return {
        "hopcodec": _version(),
        "numpy": np.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "instruction set": f"{_core.isa()} (of {', '.join(_core.available_isas())})",
        "CUDA": _cuda(),
    }


def show_config() -> None:
    """Print versions, platform, instruction set and CUDA devices.

    Examples
    --------
    >>> import hopcodec
    >>> hopcodec.show_config()  # doctest: +SKIP
    hopcodec         0.1.0
    numpy            2.4.4
    python           CPython 3.11.2
    platform         Linux-6.1.0-x86_64-with-glibc2.36
    instruction set  avx2 (of generic, avx2)
    CUDA             2 devices
    """
    found = configuration()
    width = max(map(len, found)) + 2
    for name, value in found.items():
        print(f"{name:{width}}{value}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hopcodec")
    except PackageNotFoundError:
        return "not installed"


def _cuda() -> str:
    for index in range(_MOST_DEVICES):
        try:
            _core.cuda.check(index)
        except DeviceError as error:
            return str(error) if index == 0 else f"{index} device{'s' if index > 1 else ''}"
    return f"{_MOST_DEVICES} devices or more"
