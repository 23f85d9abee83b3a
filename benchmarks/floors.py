"""What the machine cannot go below: multiply-adds and weight bytes of a hop, at measured speeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    Layer,
    Lstm,
    ProjectedRvq,
    Residual,
)


@dataclass(frozen=True)
class Work:
    """Of one hop in one direction."""

    macs: int
    weight_bytes: int  # float32


@dataclass(frozen=True)
class Floors:
    """Speeds of one core of this machine, and milliseconds per hop at these speeds."""

    fma_gflops: float
    read_gbps: dict[str, float]  # by mode; duplex cycles through both directions' weights
    arithmetic_ms: dict[str, float]
    read_ms: dict[str, float]


def _macs(layers: Sequence[Layer], rows: int) -> tuple[int, int]:
    """Multiply-adds of a chain given `rows` input rows, and its output rows."""
    total = 0
    for layer in layers:
        if isinstance(layer, Conv1d):
            rows //= layer.stride
            total += rows * layer.in_channels * layer.out_channels * layer.kernel
        elif isinstance(layer, ConvTranspose1d):
            total += rows * layer.in_channels * layer.out_channels * layer.kernel
            rows *= layer.stride
        elif isinstance(layer, Lstm):
            total += rows * layer.layers * 8 * layer.channels**2
        elif isinstance(layer, Residual):
            total += _macs(layer.branch, rows)[0] + _macs(layer.shortcut, rows)[0]
    return total, rows


def _weight_bytes(layers: Sequence[Layer]) -> int:
    total = 0
    for layer in layers:
        for _, shape in layer.tensors():
            count = 1
            for n in shape:
                count *= n
            total += 4 * count
    return total


def _search_macs(spec: CodecSpec, codebooks: int) -> int:
    """Of one frame: every codebook is compared whole, between two projections if it has them."""
    rvq = spec.quantizer
    if not isinstance(rvq, ProjectedRvq):
        return codebooks * rvq.codebook_size * rvq.dim
    return codebooks * rvq.codebook_dim * (rvq.codebook_size + 2 * rvq.dim)


def _lookup_macs(spec: CodecSpec, codebooks: int) -> int:
    """Of one frame: entries are added up, behind a projection each if they have one."""
    rvq = spec.quantizer
    return codebooks * rvq.codebook_dim * rvq.dim if isinstance(rvq, ProjectedRvq) else 0


def work(spec: CodecSpec, codebooks: int) -> dict[str, Work]:
    """For "encode" (with the search through `codebooks`), "decode", and "duplex", their sum."""
    search = _search_macs(spec, codebooks)
    encode = Work(
        _macs(spec.encoder, spec.hop_samples)[0] + search,
        _weight_bytes(spec.encoder) + 4 * search,
    )
    lookup = _lookup_macs(spec, codebooks)
    decode = Work(_macs(spec.decoder, 1)[0] + lookup, _weight_bytes(spec.decoder) + 4 * lookup)
    duplex = Work(encode.macs + decode.macs, encode.weight_bytes + decode.weight_bytes)
    return {"encode": encode, "decode": decode, "duplex": duplex}


def measure_floors(spec: CodecSpec, codebooks: int) -> Floors:
    """Measures this core's peak now; call it in the run whose figures it is held against."""
    from hopcodec import _core

    works = work(spec, codebooks)
    gflops = float(_core.measure_fma_gflops())
    gbps = {mode: float(_core.measure_read_gbps(w.weight_bytes)) for mode, w in works.items()}
    return Floors(
        fma_gflops=gflops,
        read_gbps=gbps,
        arithmetic_ms={mode: 2 * w.macs / gflops / 1e6 for mode, w in works.items()},
        read_ms={mode: w.weight_bytes / gbps[mode] / 1e6 for mode, w in works.items()},
    )
