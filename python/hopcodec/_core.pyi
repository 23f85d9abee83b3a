"""
The compiled core of hopcodec: kernels, layers and sessions. Private; see hopcodec.
"""

from __future__ import annotations

import collections.abc
import typing

import numpy
import numpy.typing
import typing_extensions

__all__: list[str] = [
    "CudaDecoder",
    "CudaEncoder",
    "Decoder",
    "Encoder",
    "Engine",
    "Layers",
    "PacedDevice",
    "Port",
    "Quantizer",
    "Resampler",
    "available_isas",
    "callback_address",
    "causal_conv1d",
    "causal_conv_transpose1d",
    "cuda_causal_conv1d",
    "cuda_causal_conv1d_workspace",
    "cuda_causal_conv_transpose1d",
    "cuda_causal_conv_transpose1d_workspace",
    "cuda_check",
    "cuda_dequantize",
    "cuda_group_norm",
    "cuda_group_norm_workspace",
    "cuda_lstm",
    "cuda_lstm_workspace",
    "cuda_pointwise",
    "cuda_quantize",
    "cuda_quantize_workspace",
    "cuda_snake",
    "cuda_stand_in",
    "elu",
    "fold_weight_norm",
    "group_norm",
    "isa",
    "look_at_dlpack",
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

class CudaEncoder:
    def __init__(
        self,
        layers: Layers,
        quantizer: Quantizer,
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

class CudaDecoder:
    def __init__(
        self,
        layers: Layers,
        quantizer: Quantizer,
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

class Port:
    @staticmethod
    def attach(fd: typing.SupportsInt | typing.SupportsIndex) -> Port: ...
    def __init__(
        self,
        *,
        channels: typing.SupportsInt | typing.SupportsIndex = 1,
        seconds: typing.SupportsFloat | typing.SupportsIndex = 2.0,
        monitor: bool = False,
    ) -> None: ...
    def beat(self) -> None: ...
    def callback(
        self,
        input: typing.Any,
        frames: typing.SupportsInt | typing.SupportsIndex,
        now_ns: typing.SupportsInt | typing.SupportsIndex = 0,
        flags: typing.SupportsInt | typing.SupportsIndex = 0,
        plays: bool = True,
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def captured(
        self, frames: typing.SupportsInt | typing.SupportsIndex
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def closed(self) -> None: ...
    def counters(self) -> dict[str, int]: ...
    def fail(self, text: str) -> None: ...
    def go(self) -> None: ...
    def heard(
        self, frames: typing.SupportsInt | typing.SupportsIndex
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def link(self) -> dict[str, typing.Any]: ...
    def open(
        self,
        *,
        input_rate: typing.SupportsInt | typing.SupportsIndex,
        output_rate: typing.SupportsInt | typing.SupportsIndex,
        input_channels: typing.SupportsInt | typing.SupportsIndex,
        output_channels: typing.SupportsInt | typing.SupportsIndex,
        input_period: typing.SupportsInt | typing.SupportsIndex,
        output_period: typing.SupportsInt | typing.SupportsIndex,
        one_clock: bool,
        input_latency: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        output_latency: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        latency_exact: bool = False,
        name: str = "",
    ) -> None: ...
    def play(
        self, frames: typing.SupportsInt | typing.SupportsIndex
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def read(
        self, frames: typing.SupportsInt | typing.SupportsIndex
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def reset(self) -> None: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...
    def write(self, audio: numpy.typing.NDArray[numpy.float32]) -> int: ...
    @property
    def address(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def error(self) -> str: ...
    @property
    def fd(self) -> int: ...
    @property
    def going(self) -> bool: ...
    @property
    def last_beat_ns(self) -> int: ...
    @property
    def last_callback_ns(self) -> int: ...
    @property
    def last_capture_ns(self) -> int: ...
    @property
    def last_playback_ns(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def stopping(self) -> bool: ...

class Resampler:
    def __init__(
        self,
        input_rate: typing.SupportsInt | typing.SupportsIndex,
        output_rate: typing.SupportsInt | typing.SupportsIndex,
        channels: typing.SupportsInt | typing.SupportsIndex = 1,
    ) -> None: ...
    def adjust(self, adjustment: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    def process(
        self, audio: numpy.typing.NDArray[numpy.float32]
    ) -> numpy.typing.NDArray[numpy.float32]: ...
    def reset(self) -> None: ...
    @property
    def delay_frames(self) -> float: ...

class Engine:
    bypass: bool
    def __init__(
        self,
        port: Port,
        *,
        priority: typing.SupportsInt | typing.SupportsIndex = 3,
        lock_memory: bool = True,
        backlog_ms: typing.SupportsFloat | typing.SupportsIndex = 200.0,
    ) -> None: ...
    def collect(self) -> int: ...
    def inject(self, audio: numpy.typing.NDArray[numpy.float32]) -> int: ...
    def latency(self) -> dict[str, float]: ...
    def reset_stats(self) -> None: ...
    def set_coder(
        self,
        encoder: typing.Any,
        decoder: typing.Any,
        *,
        codebooks: typing.SupportsInt | typing.SupportsIndex,
        sample_rate: typing.SupportsInt | typing.SupportsIndex,
        hop_samples: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...
    def start(
        self,
        *,
        input_rate: typing.SupportsInt | typing.SupportsIndex,
        output_rate: typing.SupportsInt | typing.SupportsIndex,
        input_period: typing.SupportsInt | typing.SupportsIndex,
        output_period: typing.SupportsInt | typing.SupportsIndex,
        one_clock: bool,
        queue_frames: typing.SupportsInt | typing.SupportsIndex | None = None,
        extra_frames: typing.SupportsInt | typing.SupportsIndex = 0,
        thread: bool = True,
    ) -> None: ...
    def stats(self) -> dict[str, typing.Any]: ...
    def step(self, now_ns: typing.SupportsInt | typing.SupportsIndex) -> int: ...
    def stop(self) -> None: ...
    @property
    def artificial_work(self) -> float: ...
    @artificial_work.setter
    def artificial_work(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def codebooks(self) -> int: ...
    @codebooks.setter
    def codebooks(self, arg1: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def input_gain(self) -> float: ...
    @input_gain.setter
    def input_gain(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def running(self) -> bool: ...
    @property
    def target_frames(self) -> int: ...

class PacedDevice:
    def __init__(
        self,
        port: Port,
        *,
        rate: typing.SupportsInt | typing.SupportsIndex,
        block: typing.SupportsInt | typing.SupportsIndex,
        input: typing.Any,
        output_frames: typing.SupportsInt | typing.SupportsIndex = 0,
        output_channels: typing.SupportsInt | typing.SupportsIndex = 1,
        ppm: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def wait(self, timeout: typing.SupportsFloat | typing.SupportsIndex) -> bool: ...
    @property
    def done(self) -> bool: ...
    @property
    def late_wakes(self) -> int: ...
    @property
    def output(self) -> numpy.typing.NDArray[numpy.float32]: ...
    @property
    def position(self) -> int: ...

def available_isas() -> list[str]: ...
def callback_address() -> int: ...
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
def cuda_causal_conv1d(
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
def cuda_causal_conv1d_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(8)"
    ],
) -> int: ...
def cuda_causal_conv_transpose1d(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(7)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(6)"
    ],
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def cuda_causal_conv_transpose1d_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(6)"
    ],
) -> int: ...
def cuda_check(device: typing.SupportsInt | typing.SupportsIndex = 0) -> None: ...
def cuda_dequantize(
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
def cuda_group_norm(
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
def cuda_group_norm_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
) -> int: ...
def cuda_lstm(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(11)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def cuda_lstm_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
) -> int: ...
def cuda_pointwise(
    name: str,
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"
    ],
    count: typing.SupportsInt | typing.SupportsIndex,
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def cuda_quantize(
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
def cuda_quantize_workspace(
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(4)"
    ],
    normalised: bool,
) -> int: ...
def cuda_snake(
    addresses: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"
    ],
    lengths: typing.Annotated[
        collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"
    ],
    device: typing.SupportsInt | typing.SupportsIndex,
    stream: typing.SupportsInt | typing.SupportsIndex,
) -> None: ...
def cuda_stand_in() -> bool: ...
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
