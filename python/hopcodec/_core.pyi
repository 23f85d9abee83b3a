"""
The compiled core of hopcodec: kernels, layers and sessions. Private; see hopcodec.
"""

from __future__ import annotations

import typing

import numpy
import numpy.typing

__all__: list[str] = [
    "Decoder",
    "Encoder",
    "Layers",
    "Quantizer",
    "available_isas",
    "causal_conv1d",
    "causal_conv_transpose1d",
    "elu",
    "fold_weight_norm",
    "group_norm",
    "isa",
    "lstm",
    "measure_fma_gflops",
    "measure_read_gbps",
    "nearest_normalised",
    "rvq_decode",
    "rvq_encode",
    "sigmoid",
    "snake",
    "tanh",
]

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
        isa: str = "",
    ) -> None: ...
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
        isa: str = "",
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
    def lookahead_samples(self) -> float: ...
    @property
    def scratch_bytes(self) -> int: ...
    @property
    def state_bytes(self) -> int: ...
    @property
    def streams(self) -> int: ...

def available_isas() -> list[str]: ...
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
def isa() -> str:
    """
    The instruction set in use: HOPCODEC_ISA if set, else the fastest available.
    """

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
def measure_fma_gflops() -> float: ...
def measure_read_gbps(bytes: typing.SupportsInt | typing.SupportsIndex) -> float: ...
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
