"""DAC 44.1 kHz: whole files and streams, beside `transformers`, on one core and on two.

    python benchmarks/bench_dac.py                           # ten minutes; results/dac.json
    python benchmarks/bench_dac.py --seconds 2 --rounds 1    # a look

Everything holds the same weights and runs in this process. A round does each job once, ours and
theirs in turn, so that a drifting machine drifts for all; the medians over the rounds count.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from environment import environment, interruptions, pin_to_one_core
from floors import work
from hopcodec.audio import shipped_speech
from hopcodec.specs._dac import dac_44khz
from material import load_weights
from peers.base import Audio, Codes, Weights
from report import RESULTS, print_environment, print_interruptions, progress, write_json

SPEC = dac_44khz()
STREAM_FRAMES = 8  # per push; 93 ms
WHOLE, PUSHES, HOPS, TWO = "file", f"{STREAM_FRAMES} frames a push", "hop by hop", "2 threads"
SECOND, HALF, DOUBLE = "1 s", "half the file", "twice the file"

Encode = Callable[[Audio], Codes]
Decode = Callable[[Codes], Audio]


@dataclass(frozen=True)
class Job:
    """One thing that is timed: `seconds` of audio there and back."""

    name: str
    who: str  # "hopcodec" or "transformers"
    seconds: int
    threads: int
    encode: Encode
    decode: Decode


@dataclass(frozen=True)
class Cost:
    """Medians over the rounds, and how much of the multiply-add peak of that round was used."""

    audio_seconds: int
    threads: int
    encode_seconds: float
    decode_seconds: float
    encode_times_real_time: float
    decode_times_real_time: float
    encode_peak_share: float
    decode_peak_share: float


@dataclass(frozen=True)
class Agreement:
    """Ours against theirs over a second of speech."""

    codes_equal: float
    decoded_max_error: float


@dataclass(frozen=True)
class Cores:
    """The cores that the process may use, as it was started."""

    allowed: tuple[int, ...]

    @staticmethod
    def here() -> Cores:
        if not hasattr(os, "sched_getaffinity"):
            return Cores(())
        return Cores(tuple(sorted(os.sched_getaffinity(0))))

    def use(self, threads: int) -> None:
        """Lets this thread, and those it starts from now on, use the last `threads` of them."""
        if self.allowed:
            os.sched_setaffinity(0, self.allowed[-threads:])


def speech(seconds: int) -> Audio:
    """The shipped recording, so many seconds and the rest of the last hop."""
    hops = -(-seconds * SPEC.sample_rate // SPEC.hop_samples)
    return shipped_speech(
        SPEC.sample_rate, SPEC.channels, hops * SPEC.hop_samples / SPEC.sample_rate
    )


def hopcodec_jobs(weights: Weights, seconds: int) -> list[Job]:
    from hopcodec.codec._codec import Codec

    one = Codec(SPEC, weights, threads=1)
    two = Codec(SPEC, weights, threads=2)
    best = one.bandwidths[-1]

    def streamed(frames: int) -> tuple[Encode, Decode]:
        """The same file in pushes of so many frames; the session is made within."""

        def encode(audio: Audio) -> Codes:
            encoder = one.encoder(best, max_frames_per_push=frames)
            step = frames * one.hop_samples
            parts = [
                encoder.push(np.ascontiguousarray(audio[:, k : k + step]))
                for k in range(0, audio.shape[1], step)
            ]
            return np.concatenate([*parts, encoder.flush()], axis=1)

        def decode(codes: Codes) -> Audio:
            decoder = one.decoder(max_frames_per_push=frames)
            parts = [
                decoder.push(np.ascontiguousarray(codes[:, k : k + frames]))
                for k in range(0, codes.shape[1], frames)
            ]
            return np.concatenate([*parts, decoder.flush()], axis=1)

        return encode, decode

    def whole(codec: Codec) -> tuple[Encode, Decode]:
        return (lambda audio: codec.encode(audio, best)), codec.decode

    us = "hopcodec"
    return [
        Job(SECOND, us, 1, 1, *whole(one)),
        Job(HALF, us, max(1, seconds // 2), 1, *whole(one)),
        Job(WHOLE, us, seconds, 1, *whole(one)),
        Job(DOUBLE, us, 2 * seconds, 1, *whole(one)),
        Job(PUSHES, us, seconds, 1, *streamed(STREAM_FRAMES)),
        Job(HOPS, us, min(3, seconds), 1, *streamed(1)),
        Job(TWO, us, seconds, 2, *whole(two)),
    ]


def transformers_jobs(weights: Weights, seconds: int) -> list[Job]:
    from peers.transformers_dac import TransformersDac

    peer = TransformersDac(SPEC, weights)

    def on(threads: int) -> tuple[Encode, Decode]:
        def encode(audio: Audio) -> Codes:
            peer.set_threads(threads)
            return peer.encode_hop(audio)

        def decode(codes: Codes) -> Audio:
            peer.set_threads(threads)
            return peer.decode_hop(codes)

        return encode, decode

    them = "transformers"
    return [
        Job(SECOND, them, 1, 1, *on(1)),
        Job(WHOLE, them, seconds, 1, *on(1)),
        Job(TWO, them, seconds, 2, *on(2)),
    ]


def agreement(ours: Job, theirs: Job) -> Agreement:
    """Codes of speech, and the audio of the same codes. Raises if the audio is not the same."""
    audio = speech(ours.seconds)
    codes = theirs.encode(audio)
    own = ours.encode(audio)
    if own.shape != codes.shape:
        raise RuntimeError(f"codes: expected shape {codes.shape}, got {own.shape}")
    expected, got = theirs.decode(codes), ours.decode(codes.astype(np.uint16))
    if got.shape != expected.shape:
        raise RuntimeError(f"audio: expected shape {expected.shape}, got {got.shape}")
    error = float(np.max(np.abs(got - expected)))
    if not error < 1e-3:
        raise RuntimeError(f"decoded audio: expected that of transformers, got {error:g} off")
    return Agreement(float(np.mean(own == codes)), error)


def measure(jobs: list[Job], rounds: int, cores: Cores) -> dict[tuple[str, str], Cost]:
    """Interleaved rounds after one short job each that does not count."""
    from hopcodec import _core

    audio = {seconds: speech(seconds) for seconds in {job.seconds for job in jobs}}
    for job in jobs:
        cores.use(2)  # theirs starts its threads at the first call on two
        job.decode(job.encode(speech(1)))
    times: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for _ in progress(range(rounds), "rounds"):
        for job in jobs:
            cores.use(job.threads)
            peak = float(_core.measure_fma_gflops())
            begin = time.perf_counter()
            codes = job.encode(audio[job.seconds])
            middle = time.perf_counter()
            job.decode(codes)
            end = time.perf_counter()
            times.setdefault((job.name, job.who), []).append((middle - begin, end - middle, peak))
    return {(job.name, job.who): cost(job, times[job.name, job.who]) for job in jobs}


def cost(job: Job, times: list[tuple[float, float, float]]) -> Cost:
    encode = statistics.median(t[0] for t in times)
    decode = statistics.median(t[1] for t in times)
    frames = -(-job.seconds * SPEC.sample_rate // SPEC.hop_samples)
    macs = {mode: w.macs * frames for mode, w in work(SPEC, SPEC.quantizer.codebooks).items()}
    return Cost(
        job.seconds,
        job.threads,
        encode,
        decode,
        job.seconds / encode,
        job.seconds / decode,
        statistics.median(2e-9 * macs["encode"] / t[0] / t[2] for t in times) / job.threads,
        statistics.median(2e-9 * macs["decode"] / t[1] / t[2] for t in times) / job.threads,
    )


def cost_table(costs: dict[tuple[str, str], Cost]) -> Table:
    table = Table(title=f"{SPEC.name}, {SPEC.quantizer.codebooks} codebooks", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    for direction in ("encode", "decode"):
        for column in ("s", "x real", "peak"):
            table.add_column(f"{direction}\n{column}", justify="right")
    for (name, who), c in costs.items():
        row = [
            f"{c.encode_seconds:.3f}",
            f"{c.encode_times_real_time:.2f}",
            f"{c.encode_peak_share:.0%}",
            f"{c.decode_seconds:.3f}",
            f"{c.decode_times_real_time:.2f}",
            f"{c.decode_peak_share:.0%}",
        ]
        table.add_row(name, who, *row, style="bold" if who == "hopcodec" else None)
    return table


def ratios(costs: dict[tuple[str, str], Cost]) -> dict[str, dict[str, float]]:
    """What is promised: against transformers, streamed against whole, long against short."""
    own = {name: c for (name, who), c in costs.items() if who == "hopcodec"}
    theirs = {name: c for (name, who), c in costs.items() if who != "hopcodec"}
    found: dict[str, dict[str, float]] = {}
    for mode in ("encode", "decode"):
        took = {name: getattr(c, f"{mode}_seconds") / c.audio_seconds for name, c in own.items()}
        found[mode] = {
            **{
                f"transformers / hopcodec, {name}": getattr(c, f"{mode}_seconds")
                / getattr(own[name], f"{mode}_seconds")
                for name, c in theirs.items()
            },
            **{
                f"{name} / file, per second": took[name] / took[WHOLE]
                for name in (SECOND, HALF, DOUBLE, PUSHES, HOPS)
            },
            "1 thread / 2 threads": took[WHOLE] / took[TWO],
        }
    return found


def main(
    seconds: Annotated[int, typer.Option(help="Length of the file.")] = 10,
    rounds: Annotated[int, typer.Option(help="Rounds that count.")] = 5,
    weights: Annotated[Path | None, typer.Option(help="File or folder; default seeded.")] = None,
    peers: Annotated[bool, typer.Option(help="Measure transformers too.")] = True,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "dac.json",
) -> None:
    """Speed of DAC 44.1 kHz."""
    if seconds < 1 or rounds < 1:
        raise typer.BadParameter("--seconds and --rounds: expected at least 1")
    console = Console()
    cores = Cores.here()
    env = environment(pin_to_one_core())
    print_environment(console, env)
    tensors = load_weights(SPEC, weights)
    jobs = hopcodec_jobs(tensors, seconds)
    found: Agreement | None = None
    if peers:
        theirs = transformers_jobs(tensors, seconds)
        found = agreement(jobs[0], theirs[0])
        console.print("against transformers, 1 s of speech:", asdict(found))
        by_name = {job.name: job for job in theirs}
        jobs = [j for job in jobs for j in (job, by_name.get(job.name)) if j is not None]
    before = interruptions()
    begin = time.perf_counter()
    costs = measure(jobs, rounds, cores)
    interrupted = interruptions() - before
    print_interruptions(console, interrupted, time.perf_counter() - begin)
    console.print(cost_table(costs))
    console.print(ratios(costs))
    write_json(
        output,
        {
            "benchmark": "dac",
            "environment": env,
            "settings": {
                "model": SPEC.name,
                "codebooks": SPEC.quantizer.codebooks,
                "seconds": seconds,
                "rounds": rounds,
                "weights": "seeded" if weights is None else weights.name,
            },
            "agreement": None if found is None else asdict(found),
            "interruptions": interrupted,
            "costs": [{"job": name, "who": who, **asdict(c)} for (name, who), c in costs.items()],
            "ratios": ratios(costs),
        },
    )
    console.print(f"written: {output}")


if __name__ == "__main__":
    typer.run(main)
