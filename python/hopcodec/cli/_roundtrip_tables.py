"""The tables that `hopcodec roundtrip` prints for a file and for a folder."""

from __future__ import annotations

import os
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING

from hopcodec.cli._console import decibels, out, results_table, shown

if TYPE_CHECKING:
    from hopcodec.cli._roundtrip_run import Result


def print_one(result: Result, *, by_hops: bool) -> None:
    """Print one file's figures. `by_hops` adds the time per hop."""
    table = results_table(f"{result.input} -> {result.output}")
    table.add_row("audio", f"{result.audio_seconds:.2f} s, {result.frames} frames")
    table.add_row("bitrate", f"{result.bitrate_kbps:.2f} kbps")
    table.add_row("SI-SNR", decibels(result.si_snr_db))
    for name, hop, speed in (
        ("encode", result.encode_hop, result.encode_times_real_time),
        ("decode", result.decode_hop, result.decode_times_real_time),
    ):
        table.add_row(f"{name} speed", f"{speed:.1f}x real time")
        if by_hops:
            table.add_row(
                f"{name} per hop",
                f"p50 {hop.p50_ms:.2f} ms, p99 {hop.p99_ms:.2f} ms, max {hop.max_ms:.2f} ms "
                f"of {hop.deadline_ms:.2f} ms",
            )
    out().print(table)


def print_many(source: Path, results: list[Result]) -> None:
    """Print a row for each file of the folder `source`, and one for all."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=shown(f"{source}: SI-SNR in dB, speed as times real time, p99 per hop in ms"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    table.add_column("file", overflow="fold")
    for name in ("s", "kbps", "SI-SNR", "enc x", "dec x", "enc p99", "dec p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        table.add_row(shown(os.path.relpath(result.input, source)), *_numbers(result))
    if results:
        table.add_section()
        table.add_row(f"all {len(results)}", *_totals(results))
    out().print(table)


def _numbers(result: Result) -> list[str]:
    return [
        f"{result.audio_seconds:.2f}",
        f"{result.bitrate_kbps:.2f}",
        _decibels(result.si_snr_db),
        f"{result.encode_times_real_time:.1f}",
        f"{result.decode_times_real_time:.1f}",
        f"{result.encode_hop.p99_ms:.2f}",
        f"{result.decode_hop.p99_ms:.2f}",
    ]


def _decibels(value: float) -> str:
    return f"{value:.2f}" if isfinite(value) else "-"


def _totals(results: list[Result]) -> list[str]:
    """Return sums, means weighted by length, and the worst p99."""
    seconds = sum(result.audio_seconds for result in results)

    def mean(values: list[float]) -> float:
        weights = [result.audio_seconds for result in results]
        return sum(w * v for w, v in zip(weights, values, strict=True)) / seconds

    def mean_known(values: list[float]) -> float:
        known = [(r.audio_seconds, v) for r, v in zip(results, values, strict=True) if isfinite(v)]
        total = sum(weight for weight, _ in known)
        return sum(w * v for w, v in known) / total if known else nan

    def speed(values: list[float]) -> float:
        pairs = zip(results, values, strict=True)
        return seconds / sum(result.audio_seconds / value for result, value in pairs)

    return [
        f"{seconds:.2f}",
        f"{mean([r.bitrate_kbps for r in results]):.2f}",
        _decibels(mean_known([r.si_snr_db for r in results])),
        f"{speed([r.encode_times_real_time for r in results]):.1f}",
        f"{speed([r.decode_times_real_time for r in results]):.1f}",
        f"{max(r.encode_hop.p99_ms for r in results):.2f}",
        f"{max(r.decode_hop.p99_ms for r in results):.2f}",
    ]
