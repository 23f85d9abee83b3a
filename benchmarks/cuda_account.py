"""What a step of many streams must compute and move, by the codec's layers; and its rates.

FLOPs: two for each multiply-add of a matrix, among them the search through the codebooks. Biases,
activations and sums of two signals are not counted.

Bytes, at least, for a step of one hop in one direction:

  weights  every matrix and vector of the chain once, however many streams share it; a matrix has 2
           bytes an element in bf16, else 4. The codebooks whole for the search; to decode, the
           entries that can have been named: one per stream and codebook, or all of them.
  states   of every stream, read once and written once: what a convolution still needs of its input,
           an LSTM's hidden and cell rows, what a shortcut waits with.
  signals  audio (float32) and codes (uint16), in and out.

Rows between two layers are not among them: they could stay on the chip. So the rate in bytes is
what was unavoidable over the time, not the traffic there was. Both rates are floors of what the
device did: the time is the whole step's, with its launches and its copies from and to the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from floors import work
from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    EuclideanRvq,
    Layer,
    Lstm,
    Residual,
)

DIRECTIONS = ("encode", "decode", "duplex")
FLOAT, CODE = 4, 2  # bytes
# Which measured ceiling a precision's products have. In tf32 and bf16 the small ones are float32
# nevertheless, and so is the search.
CEILING = {"fp32": "float32_tflops", "tf32": "tf32_tflops", "bf16": "bf16_tflops"}


@dataclass(frozen=True)
class Account:
    """Of one step of all streams."""

    flops: int
    weight_bytes: int
    state_bytes: int
    signal_bytes: int

    @property
    def least_bytes(self) -> int:
        return self.weight_bytes + self.state_bytes + self.signal_bytes

    def __add__(self, other: Account) -> Account:
        return Account(
            self.flops + other.flops,
            self.weight_bytes + other.weight_bytes,
            self.state_bytes + other.state_bytes,
            self.signal_bytes + other.signal_bytes,
        )

    def as_dict(self) -> dict[str, int]:
        return {
            "flops": self.flops,
            "weight_bytes": self.weight_bytes,
            "state_bytes": self.state_bytes,
            "signal_bytes": self.signal_bytes,
            "least_bytes": self.least_bytes,
        }


def accounts(spec: CodecSpec, codebooks: int, streams: int, precision: str) -> dict[str, Account]:
    """For each of DIRECTIONS, one hop of `streams` streams; duplex is one step after the other."""
    rvq = spec.quantizer
    signals = streams * (FLOAT * spec.channels * spec.hop_samples + CODE * codebooks)
    works = work(spec, codebooks)
    entries = min(streams, rvq.codebook_size)

    def account(name: str, layers: Sequence[Layer], rvq_bytes: int) -> Account:
        return Account(
            flops=2 * streams * works[name].macs,
            weight_bytes=_chain_bytes(layers, precision) + rvq_bytes,
            state_bytes=2 * FLOAT * streams * state_floats(layers),
            signal_bytes=signals,
        )

    encode = account("encode", spec.encoder, _book_bytes(spec, codebooks, rvq.codebook_size, 2))
    decode = account("decode", spec.decoder, _book_bytes(spec, codebooks, entries, 1))
    return {"encode": encode, "decode": decode, "duplex": encode + decode}


def state_floats(layers: Sequence[Layer]) -> int:
    """What one stream of a chain must remember from one hop to the next."""
    total = 0
    for layer in layers:
        match layer:
            case Conv1d():
                total += layer.in_channels * max(0, _reach(layer) - layer.stride)
            case ConvTranspose1d():
                total += layer.in_channels * (-(-layer.kernel // layer.stride) - 1)
            case Lstm():
                total += 2 * layer.layers * layer.channels
            case Residual():
                total += state_floats(layer.branch) + state_floats(layer.shortcut)
                total += _waiting_floats(layer)
    return total


def _reach(layer: Conv1d) -> int:
    """Rows that one output row sees."""
    return (layer.kernel - 1) * layer.dilation + 1


def _waiting_floats(layer: Residual) -> int:
    """Rows that the shortcut has ahead of the branch, which looks ahead."""
    convs = [part for part in layer.branch if isinstance(part, Conv1d)]
    ahead = sum(max(0, _reach(c) - c.stride - c.padding.left) for c in convs)
    return ahead * convs[-1].out_channels if convs else 0


def _chain_bytes(layers: Sequence[Layer], precision: str) -> int:
    matrix = 2 if precision == "bf16" else FLOAT
    shapes = [shape for layer in layers for _, shape in layer.tensors()]
    return sum(prod(shape) * (matrix if len(shape) > 1 else FLOAT) for shape in shapes)


def _book_bytes(spec: CodecSpec, codebooks: int, entries: int, projections: int) -> int:
    """So many entries of each codebook, and so many of the projections that may be beside it."""
    rvq = spec.quantizer
    if isinstance(rvq, EuclideanRvq):
        return FLOAT * codebooks * entries * rvq.dim
    matrices = projections * rvq.codebook_dim * rvq.dim
    biases = rvq.dim + (rvq.codebook_dim if projections > 1 else 0)
    return FLOAT * codebooks * (entries * rvq.codebook_dim + matrices + biases)


def achieved(
    account: Account, ms: float, precision: str, ceilings: dict[str, float]
) -> dict[str, float]:
    """Rates of a step that took `ms`, and their shares of what this GPU can do at best."""
    tflops = account.flops / ms / 1e9
    tb_per_s = account.least_bytes / ms / 1e9
    return {
        "tflops": tflops,
        "tb_per_s": tb_per_s,
        "share_of_matmul": tflops / ceilings[CEILING[precision]],
        "share_of_copy": tb_per_s / ceilings["copy_tb_per_s"],
    }
