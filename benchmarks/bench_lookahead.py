"""What a truncated look-ahead costs: in dB against all of it, and in computing.

    python benchmarks/bench_lookahead.py                 # DAC 44.1 kHz, seeded weights
    python benchmarks/bench_lookahead.py --model path/to/weights.pth

With seeded weights every tap of every layer matters as much as any other, which no training would
leave so: the dB are for untrained weights and say how the price falls, not what a listener pays.
The cost is that of the trained model.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

import hopcodec
from environment import environment, pin_to_one_core
from hopcodec.audio import shipped_speech
from report import RESULTS, print_environment, progress, write_json

Array = npt.NDArray[np.float32]


def db(reference: Array, other: Array) -> float:
    error = np.square((reference - other).astype(np.float64)).sum()
    return float(10 * np.log10(np.square(reference.astype(np.float64)).sum() / error))


def seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def price(full: hopcodec.Codec, brief: hopcodec.Codec, audio: Array) -> dict[str, float]:
    """The two sides apart, and both together, in dB; and how many codes stay as they are."""
    codes, early = full.encode(audio), brief.encode(audio)
    latents = full.encoder().latents(audio, last=True)
    heard = full.decode(codes)
    return {
        "latents_db": db(latents, brief.encoder().latents(audio, last=True)),
        "first_codes_equal": float((codes[0] == early[0]).mean()),
        "codes_equal": float((codes == early).mean()),
        "decoder_db": db(heard, brief.decode(codes)),
        "both_db": db(heard, brief.decode(early)),
    }


def cost(
    full: hopcodec.Codec, brief: hopcodec.Codec, audio: Array, rounds: int
) -> dict[str, float]:
    """CPU seconds over those of all the look-ahead, hop by hop, in interleaved rounds."""
    codes = full.encode(audio)
    pieces = [
        audio[:, k : k + full.hop_samples].copy()
        for k in range(0, audio.shape[1], full.hop_samples)
    ]
    frames = [codes[:, f : f + 1].copy() for f in range(codes.shape[1])]

    def stream(session: Any, parts: list[Any]) -> Callable[[], None]:
        def run() -> None:
            session.reset()
            for part in parts:
                session.push(part)

        return run

    encode, decode = [], []
    sessions = [
        (c.encoder(max_frames_per_push=1), c.decoder(max_frames_per_push=1)) for c in (full, brief)
    ]
    for _ in range(rounds):
        times = [(seconds(stream(e, pieces)), seconds(stream(d, frames))) for e, d in sessions]
        encode.append(times[1][0] / times[0][0])
        decode.append(times[1][1] / times[0][1])
    return {
        "encode_times": statistics.median(encode),
        "decode_times": statistics.median(decode),
    }


def main(
    model: Annotated[
        str, typer.Option(help="Name (seeded weights) or path of a DAC.")
    ] = "dac_44khz",
    frames: Annotated[str, typer.Option(help="Look-aheads to try.")] = "1,3,5,8,11,14,16",
    length: Annotated[float, typer.Option(help="Seconds of speech for the dB.")] = 2.0,
    timed: Annotated[float, typer.Option(help="Seconds of speech for the cost.")] = 0.3,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.")] = 3,
    output: Annotated[Path, typer.Option(help="JSON.")] = RESULTS / "lookahead.json",
) -> None:
    console = Console()
    core = pin_to_one_core()
    seeded = not Path(model).exists()
    full = hopcodec.load(model, seeded=seeded)
    speech = shipped_speech(full.sample_rate, full.channels, length)
    short = speech[:, : int(timed * full.sample_rate)].copy()
    rows = []
    for k in progress([int(k) for k in frames.split(",")], "truncating"):
        brief = hopcodec.load(model, seeded=seeded, low_latency=k)
        rows.append(
            {
                "low_latency": k,
                "lookahead_ms": 1e3 * brief.lookahead_samples / full.sample_rate,
                "latency_ms": 1e3 * brief.latency_samples / full.sample_rate,
                **price(full, brief, speech),
                **cost(full, brief, short, rounds),
            }
        )
    result = {
        "model": full.name,
        "seeded": seeded,
        "full_lookahead_ms": 1e3 * full.lookahead_samples / full.sample_rate,
        "full_latency_ms": 1e3 * full.latency_samples / full.sample_rate,
        "speech_seconds": length,
        "timed_seconds": timed,
        "rounds": rounds,
        "environment": environment(core),
        "rows": rows,
    }
    write_json(output, result)
    print_environment(console, result["environment"])
    show(console, result)


def show(console: Console, result: dict[str, Any]) -> None:
    table = Table(title=f"{result['model']}, {'seeded' if result['seeded'] else 'trained'} weights")
    columns = (
        "frames",
        "latency ms",
        "latents dB",
        "codes equal",
        "decoder dB",
        "both dB",
        "cost e/d",
    )
    for name in columns:
        table.add_column(name, justify="right")
    for row in result["rows"]:
        table.add_row(
            str(row["low_latency"]),
            f"{row['latency_ms']:.0f}",
            f"{row['latents_db']:.1f}",
            f"{row['codes_equal']:.0%}",
            f"{row['decoder_db']:.1f}",
            f"{row['both_db']:.1f}",
            f"{row['encode_times']:.2f} / {row['decode_times']:.2f}",
        )
    table.add_row("all", f"{result['full_latency_ms']:.0f}", *["-"] * 4, "1 / 1")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
