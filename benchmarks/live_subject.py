"""One cell of bench_live.py, as a process of its own: a loopback on the virtual card.

    live_subject.py KIND MODEL PRECISION BANDWIDTH SECONDS FOLDER PROGRAM

KIND is "hopcodec" (engine and C callback), "python" (the same codec inside a Python callback) or
"copy" (a Python callback without a codec: what the device itself takes). PROGRAM "busy" adds a
thread of Python that computes without pause, as the rest of a program may. Writes what it captured
to FOLDER/captured.npy and prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import hopcodec

Audio = npt.NDArray[np.float32]
CARD = "virtualcard"
SETTLE_S = 1.5  # JACK connects, PortAudio begins
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """What this process and its present children have used, all threads."""
    total = 0.0
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
    times = os.times()
    return total + times.user + times.system


def measured(seconds: float) -> dict[str, float]:
    """Let it run; the share of one core that was used meanwhile."""
    time.sleep(SETTLE_S)
    begin, used = time.monotonic(), cpu_seconds()
    time.sleep(seconds)
    return {"cpu_share": (cpu_seconds() - used) / (time.monotonic() - begin)}


def run_engine(codec: hopcodec.Codec, bandwidth: float, seconds: float, folder: Path) -> Any:
    import soundfile

    live = hopcodec.live.Loopback(
        codec, input=CARD, output=CARD, bandwidth=bandwidth, record=folder / "rec"
    )
    with live:
        result: dict[str, Any] = measured(seconds)
        stats = live.stats()
    captured, _ = soundfile.read(folder / "rec" / "captured.wav", dtype="float32")
    np.save(folder / "captured.npy", captured)
    return {
        **result,
        "hops": stats.hops,
        "late_hops": stats.late_hops,
        "underruns": stats.underruns,
        "compute_p50_ms": stats.compute.p50_ms,
        "compute_p99_ms": stats.compute.p99_ms,
        "compute_max_ms": stats.compute.max_ms,
        "computed_ms": stats.latency.total,
        "flags": stats.input_overflows + stats.output_underflows,
        "scheduling": stats.scheduling,
    }


def run_callback(make: Callable[[Audio], Audio], seconds: float, folder: Path) -> Any:
    """A Python callback, as one writes it with sounddevice."""
    import sounddevice

    room = np.zeros(round((seconds + 20) * 24000), np.float32)
    state = {"done": 0, "flags": 0, "late_hops": 0}
    times: list[float] = []

    def callback(indata: Audio, outdata: Audio, frames: int, _: object, status: object) -> None:
        begin = time.perf_counter()
        state["flags"] += bool(status)
        done = state["done"]
        room[done : done + frames] = indata[:, 0]
        state["done"] += frames
        outdata[:, 0] = make(indata[:, 0])
        times.append(time.perf_counter() - begin)
        state["late_hops"] += times[-1] > frames / 24000

    with sounddevice.Stream(24000, 0, (CARD, CARD), 1, "float32", callback=callback):
        result: dict[str, Any] = measured(seconds)
    np.save(folder / "captured.npy", room[: state["done"]])
    ms = 1000 * np.quantile(times, (0.5, 0.99, 1.0), method="higher")
    names = ("compute_p50_ms", "compute_p99_ms", "compute_max_ms")
    times_ms = dict(zip(names, map(float, ms), strict=True))
    return {**result, **times_ms, "flags": state["flags"], "late_hops": state["late_hops"]}


def codec_in_callback(codec: hopcodec.Codec, bandwidth: float) -> Callable[[Audio], Audio]:
    """Push what came, play what is ready; where a block is no whole hop, silence goes first."""
    encoder = codec.encoder(bandwidth, start="immediate", max_frames_per_push=1)
    decoder = codec.decoder(start="immediate", max_frames_per_push=1)
    queue = np.zeros(0, np.float32)

    def make(block: Audio) -> Audio:
        nonlocal queue
        audio = decoder.push(encoder.push(np.ascontiguousarray(block[None])))[0]
        missing = max(0, len(block) - len(queue) - len(audio))
        queue = np.concatenate([np.zeros(missing, np.float32), queue, audio])
        out, queue = queue[: len(block)], queue[len(block) :]
        return out

    return make


def compute() -> None:
    """Python that never waits: a table of words counted over and over."""
    while True:
        counts: dict[int, int] = {}
        for number in range(100_000):
            counts[number % 997] = counts.get(number % 997, 0) + 1


def load_model(model: str, precision: Any) -> hopcodec.Codec:
    """The default with its own weights, another with noise for them: a hop costs the same."""
    return hopcodec.load(model, precision=precision, seeded=model != "hopcodec_24khz")


def main(
    kind: str, model: str, precision: Any, bandwidth: float, seconds: float, folder: Path
) -> None:
    if kind == "copy":
        result = run_callback(lambda block: block, seconds, folder)
    else:
        codec = load_model(model, precision)
        if kind == "hopcodec":
            result = run_engine(codec, bandwidth, seconds, folder)
        else:
            make = codec_in_callback(codec, bandwidth)
            make(np.zeros(codec.hop_samples, np.float32))  # touch the weights before it is live
            result = run_callback(codec_in_callback(codec, bandwidth), seconds, folder)
    print(json.dumps(result))


if __name__ == "__main__":
    _, kind, model, precision, bandwidth, seconds, folder, program = sys.argv
    if program == "busy":
        threading.Thread(target=compute, daemon=True).start()
    main(kind, model, precision, float(bandwidth), float(seconds), Path(folder))
