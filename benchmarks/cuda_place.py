"""Where a GPU benchmark runs: on the GPU, or on the CPU in its place, to rehearse it without one.

A rehearsal goes through the same lines, with torch on the CPU, the smallest sizes and the fewest
steps: what differs is in this file. hopcodec runs the GPU's own kernels where the build is a
stand-in (HOPCODEC_CUDA=STANDIN), its CPU sessions otherwise. A rehearsal's figures mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Effort:
    """How much of everything."""

    rounds: int
    warm_up: int  # steps before those that count
    steps: tuple[int, int]  # of a round: at least, at most
    checked: tuple[int, ...]  # batches compared with the CPU
    speech_s: float  # on which precisions are compared
    most: tuple[int, int]  # streams, where a search for the most in real time begins and ends
    matrix: int  # rows and columns
    copied: int  # floats
    bursts: int  # of an operator, to be timed
    burst: int  # calls of it


class Gpu:
    """The first NVIDIA GPU, and torch's CUDA on it."""

    device = torch_device = "cuda"
    precisions: tuple[str, ...] = ("fp32", "tf32", "bf16")
    rehearsal = False
    effort = Effort(
        rounds=5,
        warm_up=12,
        steps=(5, 40),
        checked=(1, 5, 150),
        speech_s=4.0,
        most=(512, 32768),
        matrix=8192,
        copied=1 << 29,
        bursts=15,
        burst=20,
    )

    def name(self) -> str:
        import torch

        return str(torch.cuda.get_device_name())

    def seconds(self, run: Callable[[], object]) -> float:
        """What the device takes for what `run` puts into its queue."""
        import torch

        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        run()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1000

    def capture(self, run: Callable[[], object]) -> Callable[[], None]:
        """`run`'s work as a CUDA graph; results stand where those of the captured call do."""
        import torch

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        replay: Callable[[], None] = graph.replay
        return replay

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        return torch.compile(function, fullgraph=True, dynamic=False)

    def operator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """One of hopcodec.ops, on torch's tensors here."""
        return function

    def to_torch(self, array: Any) -> Any:
        """A numpy array on the device, through pinned memory, as a server would."""
        import torch

        return torch.from_numpy(array).pin_memory().to("cuda", non_blocking=True)


class Rehearsal:
    """The same on the CPU."""

    torch_device = "cpu"
    rehearsal = True
    effort = Effort(
        rounds=1,
        warm_up=1,
        steps=(1, 1),
        checked=(1, 2),
        speech_s=0.05,
        most=(1, 2),
        matrix=64,
        copied=1 << 10,
        bursts=1,
        burst=2,
    )

    def __init__(self, *, stand_in: bool) -> None:
        self.device = "cuda" if stand_in else "cpu"
        self.precisions = Gpu.precisions if stand_in else ("fp32", "bf16")

    def name(self) -> str:
        return "none: a rehearsal on the CPU"

    def seconds(self, run: Callable[[], object]) -> float:
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin

    def capture(self, run: Callable[[], object]) -> Callable[[], None]:
        def replay() -> None:
            run()

        return replay

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        return torch.compile(function, fullgraph=True, dynamic=False, backend="eager")

    def operator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """On the CPU they take numpy's arrays only."""
        import torch

        def run(*args: Any, **options: Any) -> Any:
            given = [x.numpy() if isinstance(x, torch.Tensor) else x for x in args]
            y = function(*given, **options)
            parts = tuple(map(torch.from_numpy, y)) if isinstance(y, tuple) else y
            return parts if isinstance(y, tuple) else torch.from_numpy(y)

        return run

    def to_torch(self, array: Any) -> Any:
        import torch

        return torch.from_numpy(array)


Place = Gpu | Rehearsal


def add_arguments(parser: argparse.ArgumentParser, output: str) -> None:
    """What every GPU benchmark takes."""
    parser.add_argument("--build", action="store_true", help="compile the extension first")
    parser.add_argument(
        "--rehearse", action="store_true", help="without a GPU, tiny: see cuda_place.py"
    )
    parser.add_argument("--output", type=Path, help=f"default: benchmarks/results/{output}")
    parser.set_defaults(result=output)


def place_for(options: argparse.Namespace) -> Place:
    """The place that the options mean; builds first if they say so."""
    if options.build:
        from build_cuda import build

        build("STANDIN" if options.rehearse else "ON")
    from hopcodec import DeviceError, _core

    if options.rehearse:
        return Rehearsal(stand_in=_core.cuda.stand_in())
    try:
        _core.cuda.check()
    except DeviceError as error:
        sys.exit(f"{error} (--rehearse does without)")
    if _core.cuda.stand_in():
        sys.exit("cuda: expected a build for a GPU, got the stand-in's (--rehearse does with it)")
    return Gpu()


def result_path(options: argparse.Namespace) -> Path:
    """Where the result goes; a rehearsal's never over a measurement's."""
    if options.output is not None:
        return Path(options.output)
    folder = ROOT / ("build/rehearsal" if options.rehearse else "benchmarks/results")
    return folder / str(options.result)
