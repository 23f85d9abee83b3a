"""
Sessions and operators on an NVIDIA GPU.
"""

from __future__ import annotations

import collections.abc
import typing

import numpy
import numpy.typing

import hopcodec._core.sessions

__all__: list[str] = [
    "Decoder",
    "Encoder",
    "causal_conv1d",
    "causal_conv1d_workspace",
    "causal_conv_transpose1d",
    "causal_conv_transpose1d_workspace",
    "check",
    "dequantize",
    "group_norm",
    "group_norm_workspace",
    "lstm",
    "lstm_workspace",
    "pointwise",
    "quantize",
    "quantize_workspace",
    "snake",
    "stand_in",
]

class Decoder:
    def __init__(
        self,
        layers: hopcodec._core.sessions.Layers,
        quantizer: hopcodec._core.sessions.Quantizer,
        *,
        channels: typing.SupportsInt | typing.SupportsIndex,
        hop_samples: typing.SupportsInt | typing.SupportsIndex,
        streams: typing.SupportsInt | typing.SupportsIndex = 1,
        max_frames: typing.SupportsInt | typing.SupportsIndex = 1,
        zero_start: bool = False,
        whole_hops: bool = False,
        device: typing.SupportsInt | typing.SupportsIndex = 0,
        codebooks: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [],
        graphs: bool = True,
        precision: str = "fp32",
    ) -> None: ...
    def flush(self) -> numpy.typing.NDArray[numpy.float32]: ...
    def push(
        self, codes: numpy.typing.NDArray[numpy.uint16], out: typing.Any = None
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def push_many(
        self, streams: numpy.typing.NDArray[numpy.int32], codes: typing.Any
    ) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.int64]]: ...
    def reset(self, stream: typing.SupportsInt | typing.SupportsIndex = 0) -> None: ...
    def restore(
        self, blob: bytes, stream: typing.SupportsInt | typing.SupportsIndex = 0
    ) -> None: ...
    def snapshot(self, stream: typing.SupportsInt | typing.SupportsIndex = 0) -> bytes: ...
    @property
    def device_bytes(self) -> int: ...
    @property
    def eager_steps(self) -> int: ...
    @property
    def graph_steps(self) -> int: ...
    @property
    def lookahead_samples(self) -> float: ...
    @property
    def scratch_bytes(self) -> int: ...
    @property
    def state_bytes(self) -> int: ...
    @property
    def streams(self) -> int: ...

class Encoder:
    def __init__(
        self,
        layers: hopcodec._core.sessions.Layers,
        quantizer: hopcodec._core.sessions.Quantizer,
        *,
        channels: typing.SupportsInt | typing.SupportsIndex,
        hop_samples: typing.SupportsInt | typing.SupportsIndex,
        streams: typing.SupportsInt | typing.SupportsIndex = 1,
        max_frames: typing.SupportsInt | typing.SupportsIndex = 1,
        zero_start: bool = False,
        whole_hops: bool = False,
        device: typing.SupportsInt | typing.SupportsIndex = 0,
        codebooks: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [],
        graphs: bool = True,
        precision: str = "fp32",
    ) -> None: ...
    def analyse(
        self,
        audio: numpy.typing.NDArray[numpy.float32],
        codebooks: typing.SupportsInt | typing.SupportsIndex,
    ) -> tuple[numpy.typing.NDArray[numpy.uint16], numpy.typing.NDArray[numpy.float32]]: ...
    def flush(
        self, codebooks: typing.SupportsInt | typing.SupportsIndex
    ) -> numpy.typing.NDArray[numpy.uint16]: ...
    def latents(
        self, audio: numpy.typing.NDArray[numpy.float32], last: bool
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def push(
        self,
        audio: numpy.typing.NDArray[numpy.float32],
        codebooks: typing.SupportsInt | typing.SupportsIndex,
        out: typing.Any = None,
    ) -> numpy.typing.NDArray[numpy.uint16]: ...
    def push_many(
        self,
        streams: numpy.typing.NDArray[numpy.int32],
        audio: typing.Any,
        codebooks: typing.SupportsInt | typing.SupportsIndex,
    ) -> tuple[numpy.typing.NDArray[numpy.uint16], numpy.typing.NDArray[numpy.int64]]: ...
    def reset(self, stream: typing.SupportsInt | typing.SupportsIndex = 0) -> None: ...
    def restore(
        self, blob: bytes, stream: typing.SupportsInt | typing.SupportsIndex = 0
    ) -> None: ...
    def snapshot(self, stream: typing.SupportsInt | typing.SupportsIndex = 0) -> bytes: ...
    @property
    def device_bytes(self) -> int: ...
    @property
    def eager_steps(self) -> int: ...
    @property
    def graph_steps(self) -> int: ...
    @property
    def lookahead_samples(self) -> float: ...
    @property
    def scratch_bytes(self) -> int: ...
    @property
    def state_bytes(self) -> int: ...
    @property
    def streams(self) -> int: ...

def causal_conv1d(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(8)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(8)"
    ],
    activation: str,
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def causal_conv1d_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(8)"
    ],
) -> int: ...
def causal_conv_transpose1d(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(7)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(6)"
    ],
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def causal_conv_transpose1d_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(6)"
    ],
) -> int: ...
def check(device: typing.SupportsInt | typing.SupportsIndex = 0) -> None: ...
def dequantize(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    wide: bool,
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def group_norm(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(5)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    eps: typing.SupportsFloat | typing.SupportsIndex,
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def group_norm_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
) -> int: ...
def lstm(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(11)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def lstm_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
) -> int: ...
def pointwise(
    name: str,
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    count: typing.SupportsInt | typing.SupportsIndex,
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def quantize(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    normalised: bool,
    wide: bool,
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def quantize_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    normalised: bool,
) -> int: ...
def snake(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"
    ],
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def stand_in() -> bool: ...
