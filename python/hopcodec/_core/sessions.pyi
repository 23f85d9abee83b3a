"""
Layers, and sessions made of them on the CPU.
"""

from __future__ import annotations

import typing

import numpy
import numpy.typing

__all__: list[str] = ["Decoder", "Encoder", "Layers", "Quantizer"]

class Decoder:
    def __init__(
        self,
        layers: Layers,
        quantizer: Quantizer,
        *,
        channels: typing.SupportsInt | typing.SupportsIndex,
        hop_samples: typing.SupportsInt | typing.SupportsIndex,
        streams: typing.SupportsInt | typing.SupportsIndex = 1,
        max_frames: typing.SupportsInt | typing.SupportsIndex = 1,
        threads: typing.SupportsInt | typing.SupportsIndex = 1,
        zero_start: bool = False,
        whole_hops: bool = False,
        isa: str = "",
    ) -> None: ...
    def flush(self) -> numpy.typing.NDArray[numpy.float32]: ...
    def push(
        self, codes: numpy.typing.NDArray[numpy.uint16], out: typing.Any = None
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def push_latents(
        self, latents: numpy.typing.NDArray[numpy.float32]
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
        layers: Layers,
        quantizer: Quantizer,
        *,
        channels: typing.SupportsInt | typing.SupportsIndex,
        hop_samples: typing.SupportsInt | typing.SupportsIndex,
        streams: typing.SupportsInt | typing.SupportsIndex = 1,
        max_frames: typing.SupportsInt | typing.SupportsIndex = 1,
        threads: typing.SupportsInt | typing.SupportsIndex = 1,
        zero_start: bool = False,
        whole_hops: bool = False,
        isa: str = "",
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
    def lookahead_samples(self) -> float: ...
    @property
    def scratch_bytes(self) -> int: ...
    @property
    def state_bytes(self) -> int: ...
    @property
    def streams(self) -> int: ...

class Layers:
    def __init__(self, precision: str = "fp32") -> None: ...
    def __len__(self) -> int: ...
    def conv1d(
        self,
        weight: numpy.typing.NDArray[numpy.float32],
        bias: numpy.typing.NDArray[numpy.float32],
        *,
        stride: typing.SupportsInt | typing.SupportsIndex = 1,
        dilation: typing.SupportsInt | typing.SupportsIndex = 1,
        left: typing.SupportsInt | typing.SupportsIndex = 0,
        right: typing.SupportsInt | typing.SupportsIndex = 0,
        reflect: bool = False,
        full_window: bool = False,
        activation: str = "none",
        output_activation: str = "none",
        alpha: typing.Any = None,
    ) -> None: ...
    def conv_transpose1d(
        self,
        weight: numpy.typing.NDArray[numpy.float32],
        bias: numpy.typing.NDArray[numpy.float32],
        *,
        stride: typing.SupportsInt | typing.SupportsIndex,
        trim_left: typing.SupportsInt | typing.SupportsIndex = 0,
        trim_right: typing.SupportsInt | typing.SupportsIndex = 0,
        activation: str = "none",
        alpha: typing.Any = None,
    ) -> None: ...
    def group_norm(
        self,
        weight: numpy.typing.NDArray[numpy.float32],
        bias: numpy.typing.NDArray[numpy.float32],
        *,
        trim_left: typing.SupportsInt | typing.SupportsIndex = 0,
        trim_right: typing.SupportsInt | typing.SupportsIndex = 0,
        eps: typing.SupportsFloat | typing.SupportsIndex = 9.999999747378752e-06,
    ) -> None: ...
    def lstm(
        self,
        stages: list[
            tuple[
                numpy.typing.NDArray[numpy.float32],
                numpy.typing.NDArray[numpy.float32],
                numpy.typing.NDArray[numpy.float32],
                numpy.typing.NDArray[numpy.float32],
            ]
        ],
        *,
        skip: bool,
    ) -> None: ...
    def residual(self, branch: Layers, shortcut: Layers) -> None: ...
    def truncated(
        self,
        layers: Layers,
        *,
        step: typing.SupportsInt | typing.SupportsIndex,
        ahead: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...

class Quantizer:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def add(
        self,
        entries: numpy.typing.NDArray[numpy.float32],
        *,
        in_weight: typing.Any = None,
        in_bias: typing.Any = None,
        out_weight: typing.Any = None,
        out_bias: typing.Any = None,
    ) -> None: ...
