"""
The compiled core of hopcodec: kernels, layers and sessions. Private; see hopcodec.
"""

from __future__ import annotations

import typing

from . import cuda, live, ops, sessions

__all__: list[str] = [
    "available_isas",
    "cuda",
    "isa",
    "live",
    "measure_fma_gflops",
    "measure_read_gbps",
    "ops",
    "sessions",
]

def available_isas() -> list[str]: ...
def isa() -> str:
    """
    The instruction set in use: HOPCODEC_ISA if set, else the fastest available.
    """

def measure_fma_gflops() -> float: ...
def measure_read_gbps(bytes: typing.SupportsInt | typing.SupportsIndex) -> float: ...
