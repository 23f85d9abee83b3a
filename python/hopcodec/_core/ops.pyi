"""
Operators on the CPU.
"""

from __future__ import annotations

import typing

import numpy
import numpy.typing
import typing_extensions

__all__: list[str] = [
    "causal_conv1d",
    "causal_conv_transpose1d",
    "elu",
    "fold_weight_norm",
    "group_norm",
    "look_at_dlpack",
    "lstm",
    "nearest_normalised",
    "rvq_decode",
    "rvq_encode",
    "sigmoid",
    "snake",
    "tanh",
]

def causal_conv1d(
    x: numpy.typing.NDArray[numpy.float32],
    weight: numpy.typing.NDArray[numpy.float32],
    bias: numpy.typing.NDArray[numpy.float32],
    state: numpy.typing.NDArray[numpy.float32],
    *,
    stride: typing.SupportsInt | typing.SupportsIndex = 1,
    dilation: typing.SupportsInt | typing.SupportsIndex = 1,
    activation: str = "none",
    alpha: typing.Any = None,
    isa: str = "",
) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32]]: ...
def causal_conv_transpose1d(
    x: numpy.typing.NDArray[numpy.float32],
    weight: numpy.typing.NDArray[numpy.float32],
    bias: numpy.typing.NDArray[numpy.float32],
    state: numpy.typing.NDArray[numpy.float32],
    *,
    stride: typing.SupportsInt | typing.SupportsIndex,
    isa: str = "",
) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32]]: ...
def elu(
    x: numpy.typing.NDArray[numpy.float32], *, isa: str = ""
) -> numpy.typing.NDArray[numpy.float32]: ...
def fold_weight_norm(
    g: numpy.typing.NDArray[numpy.float32], v: numpy.typing.NDArray[numpy.float32]
) -> numpy.typing.NDArray[numpy.float32]: ...
def group_norm(
    x: numpy.typing.NDArray[numpy.float32],
    groups: typing.SupportsInt | typing.SupportsIndex,
    weight: numpy.typing.NDArray[numpy.float32],
    bias: numpy.typing.NDArray[numpy.float32],
    eps: typing.SupportsFloat | typing.SupportsIndex,
) -> numpy.typing.NDArray[numpy.float32]: ...
def look_at_dlpack(
    capsule: typing_extensions.CapsuleType,
) -> tuple[int, tuple[int, ...], str, int, int, bool]: ...
def lstm(
    x: numpy.typing.NDArray[numpy.float32],
    weight_ih: numpy.typing.NDArray[numpy.float32],
    weight_hh: numpy.typing.NDArray[numpy.float32],
    bias_ih: numpy.typing.NDArray[numpy.float32],
    bias_hh: numpy.typing.NDArray[numpy.float32],
    hidden: numpy.typing.NDArray[numpy.float32],
    cell: numpy.typing.NDArray[numpy.float32],
    *,
    isa: str = "",
) -> tuple[
    numpy.typing.NDArray[numpy.float32],
    numpy.typing.NDArray[numpy.float32],
    numpy.typing.NDArray[numpy.float32],
]: ...
def nearest_normalised(
    x: numpy.typing.NDArray[numpy.float32],
    codebook: numpy.typing.NDArray[numpy.float32],
    *,
    isa: str = "",
) -> numpy.typing.NDArray[numpy.uint16]: ...
def rvq_decode(
    codes: numpy.typing.NDArray[numpy.uint16],
    codebooks: numpy.typing.NDArray[numpy.float32],
    *,
    isa: str = "",
) -> numpy.typing.NDArray[numpy.float32]: ...
def rvq_encode(
    x: numpy.typing.NDArray[numpy.float32],
    codebooks: numpy.typing.NDArray[numpy.float32],
    *,
    isa: str = "",
) -> numpy.typing.NDArray[numpy.uint16]: ...
def sigmoid(
    x: numpy.typing.NDArray[numpy.float32], *, isa: str = ""
) -> numpy.typing.NDArray[numpy.float32]: ...
def snake(
    x: numpy.typing.NDArray[numpy.float32],
    alpha: numpy.typing.NDArray[numpy.float32],
    *,
    isa: str = "",
) -> numpy.typing.NDArray[numpy.float32]: ...
def tanh(
    x: numpy.typing.NDArray[numpy.float32], *, isa: str = ""
) -> numpy.typing.NDArray[numpy.float32]: ...
