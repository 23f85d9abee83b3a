"""
The compiled core of hopcodec: kernels, layers and sessions. Private; see hopcodec.
"""

from __future__ import annotations

import typing

from . import cuda, live, ops, sessions

__all__: list[str] = [
    "available_isas",
    "cuda",
    "enter_default_float_mode",
    "isa",
    "leave_float_mode",
    "live",
    "measure_fma_gflops",
    "measure_read_gbps",
    "ops",
    "sessions",
]

def available_isas() -> list[str]: ...
def enter_default_float_mode() -> int:
    """
    Set this thread's default floating-point mode; returns the caller's for leave_float_mode.
    """

def isa() -> str:
    """
    The instruction set in use: HOPCODEC_ISA if set, else the fastest available.
    """

def leave_float_mode(callers: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def measure_fma_gflops() -> float: ...
def measure_read_gbps(bytes: typing.SupportsInt | typing.SupportsIndex) -> float: ...
