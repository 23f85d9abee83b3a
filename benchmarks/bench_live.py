"""Microphone to speaker on JACK's dummy driver: latency, xruns, late hops and CPU, cell by cell.

    python benchmarks/bench_live.py --seconds 60

A virtual card plays noise as the microphone and records the speaker on the same clock. Each cell is
a fresh server, card and program. Latency is measured by correlation: what the codec must have made
of the captured samples is computed again and looked for in the speaker's signal. A process that
never sleeps keeps one core busy all the while.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from environment import environment
from hopcodec.live._latency import find_offset
from live_subject import load_model
from report import RESULTS, write_json

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from live_servers import jack_server, virtual_card

Audio = npt.NDArray[np.float32]
RATE = 24000
HOP = 320
ENCODEC, OURS = "encodec_24khz", "hopcodec_24khz"


@dataclass(frozen=True)
class Cell:
    """What runs, and in blocks of how many frames."""

    kind: str
    block: int
    model: str = ENCODEC
    precision: str = "fp32"
    bandwidth: float = 6.0
    program: str = "idle"

    @property
    def label(self) -> str:
        if self.kind == "copy":
            return "no codec, Python callback"
        how = "" if self.kind == "hopcodec" else ", Python callback"
        busy = ", busy program" if self.program == "busy" else ""
        return f"{self.model} {self.precision} {self.bandwidth:g} kbps{how}{busy}"


def cells() -> list[Cell]:
    """Both models at every block size; bandwidths, precisions and peers at one."""
    found = [Cell("copy", HOP), Cell("hopcodec", HOP), Cell("hopcodec", HOP, precision="bf16")]
    found += [Cell("hopcodec", HOP, bandwidth=kbps) for kbps in (1.5, 24.0)]
    found += [Cell("hopcodec", HOP, OURS, bandwidth=kbps) for kbps in (6.0, 1.5)]
    found += [Cell("python", HOP)]
    found += [Cell(kind, HOP, program="busy") for kind in ("hopcodec", "python")]
    for block in (160, 640):
        found += [Cell("copy", block), Cell("hopcodec", block), Cell("hopcodec", block, OURS)]
    return found


def _never_sleep(core: int) -> None:
    os.sched_setaffinity(0, {core})
    while True:
        pass


@contextlib.contextmanager
def busy_core(core: int) -> Iterator[None]:
    """A process that keeps `core` busy."""
    process = multiprocessing.get_context("spawn").Process(target=_never_sleep, args=(core,))
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def measure(cell: Cell, seconds: float) -> dict[str, Any]:
    """Run one cell; its figures, latency in milliseconds."""
    subject = str(Path(__file__).with_name("live_subject.py"))
    arguments = [cell.kind, cell.model, cell.precision, str(cell.bandwidth), str(seconds)]
    noise = 0.1 * np.random.default_rng(0).standard_normal(round((seconds + 30) * RATE))
    with tempfile.TemporaryDirectory() as name, jack_server(RATE, cell.block):
        folder = Path(name)
        with virtual_card(noise.astype(np.float32), folder) as card:
            done = subprocess.run(
                [sys.executable, subject, *arguments, name, cell.program],
                capture_output=True,
                text=True,
            )
            mic, speaker, xruns = card.stop()
        if done.returncode != 0:
            raise RuntimeError(f"{cell}: {done.stderr}")
        captured = np.load(folder / "captured.npy")
    result = json.loads(done.stdout)
    result.update(latency(cell, captured, mic, speaker))
    begin, end = (result.pop(name) for name in ("begin", "end"))
    result["xruns"] = sum(begin <= at < end for at in xruns)
    result["xruns_connecting"] = len(xruns) - result["xruns"]
    return {**asdict(cell), "label": cell.label, **result}


def latency(cell: Cell, captured: Audio, mic: Audio, speaker: Audio) -> dict[str, Any]:
    """Window by window: where a second of input was said, where its answer was heard.

    Where no window is whole, all cut up by xruns, there is no latency to tell: None.
    """
    answer = captured
    if cell.kind != "copy":
        codec = load_model(cell.model, cell.precision)
        encoder = codec.encoder(cell.bandwidth, start="immediate")
        decoder = codec.decoder(start="immediate")
        whole = np.ascontiguousarray(captured[None, : len(captured) // HOP * HOP])
        answer = decoder.push(encoder.push(whole))[0]
    lags, lost = [], 0
    near = find_offset(captured[RATE : 3 * RATE], mic)[0] - RATE
    begin = near + RATE
    for first in range(RATE, min(len(captured), len(answer)) - 2 * RATE, RATE):
        around = slice(max(0, near + first - RATE), near + first + 3 * RATE)
        said, sure_said = find_offset(captured[first : first + RATE], mic[around])
        heard, sure_heard = find_offset(answer[first : first + RATE], speaker[around])
        if min(sure_said, sure_heard) < 0.5:
            lost += 1
            continue
        lags.append(1000.0 * (heard - said) / RATE)
        near = around.start + said - first
    found = [float(np.quantile(lags, q, method="nearest")) if lags else None for q in (0.5, 0, 1)]
    return {
        **dict(zip(("measured_ms", "measured_min_ms", "measured_max_ms"), found, strict=True)),
        "windows": len(lags) + lost,
        "lost_windows": lost,
        "begin": begin,
        "end": near + len(captured) - RATE,
    }


def added(results: list[dict[str, Any]]) -> None:
    """Beside each cell, what it adds to the copying callback at the same block."""
    base = {r["block"]: r for r in results if r["kind"] == "copy"}
    for result in results:
        if result["block"] in base and result["measured_ms"] is not None:
            result["added_ms"] = result["measured_ms"] - base[result["block"]]["measured_ms"]


def print_results(results: list[dict[str, Any]]) -> None:
    table = Table(title="microphone to speaker, 24 kHz, JACK dummy", title_justify="left")
    names = (
        "block",
        "what",
        "measured ms",
        "added",
        "computed",
        "xruns",
        "late",
        "broken s",
        "CPU",
    )
    for name in names:
        table.add_column(name, justify="left" if name == "what" else "right")
    for r in results:
        computed = f"{r['computed_ms']:.2f}" if "computed_ms" in r else ""
        table.add_row(
            str(r["block"]),
            r["label"],
            f"{r['measured_ms']:.2f}" if r["measured_ms"] is not None else "cut up",
            f"{r['added_ms']:.2f}" if "added_ms" in r else "",
            computed,
            f"{r['xruns']} / {r['flags']}",
            str(r["late_hops"]),
            f"{r['lost_windows']} of {r['windows']}",
            f"{100 * r['cpu_share']:.0f} %",
        )
    Console().print(table)


def main(
    seconds: Annotated[float, typer.Option(min=4.0, help="Length of a cell.")] = 60.0,
    only: Annotated[str, typer.Option(help="Part of the labels of the cells to run.")] = "",
    block: Annotated[int | None, typer.Option(help="Run the cells of this block only.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Leave the other core idle.")] = False,
    output: Annotated[Path, typer.Option(help="JSON.")] = RESULTS / "live.json",
) -> None:
    """Measure every cell and write the figures; plot_live.py draws them."""
    chosen = [c for c in cells() if only in c.label and block in (None, c.block)]
    results: list[dict[str, Any]] = []
    settings = {"seconds": seconds, "busy_core": None if quiet else 0, "server": "jackd dummy, RT"}
    with busy_core(0) if not quiet else contextlib.nullcontext():
        for at, cell in enumerate(chosen, 1):
            Console(stderr=True).print(f"{at}/{len(chosen)}: {cell.label}, blocks of {cell.block}")
            results.append({**measure(cell, seconds), "load_average": os.getloadavg()[0]})
            added(results)
            document = {"settings": settings, "environment": environment(None), "cells": results}
            write_json(output, document)  # after each: an hour's work is not lost to one failure
    print_results(results)


if __name__ == "__main__":
    typer.run(main)
