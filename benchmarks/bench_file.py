"""Whole files: how many times faster than real time, each direction, on one pinned core.

    python benchmarks/bench_file.py                      # 10 s against the peers
    python benchmarks/bench_file.py --long-seconds 3600  # and an hour, streamed, hopcodec alone

transformers takes the file in one call. ONNX Runtime and OpenVINO get a second of audio per call
and carry their state, which suits them better than the whole file or single hops.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from environment import environment, interruptions, pin_to_one_core
from floors import measure_floors
from hopcodec.audio import shipped_speech
from material import materials
from peers import PEERS, Audio, Codes, Materials, Peer, make_peer
from report import RESULTS, print_environment, print_interruptions, progress, ratio, write_json

FILE_PEERS = (
    "hopcodec",
    "transformers",
    "ort-fp32",
    "ort-fp32-matmul",
    "ort-int8-matmul",
    "openvino-fp32",
    "openvino-bf16",
)
CALL_SECONDS = 1
LONG_PUSH_FRAMES = 16

Encode = Callable[[Audio], Codes]
Decode = Callable[[Codes], Audio]


@dataclass(frozen=True)
class Speed:
    """Median over the rounds; `times_real_time` is audio seconds per second."""

    audio_seconds: float
    encode_seconds: float
    decode_seconds: float
    encode_times_real_time: float
    decode_times_real_time: float


def speed(audio_seconds: float, encode: list[float], decode: list[float]) -> Speed:
    e, d = statistics.median(encode), statistics.median(decode)
    return Speed(audio_seconds, e, d, audio_seconds / e, audio_seconds / d)


def by_blocks(peer: Peer, samples: int, frames: int) -> tuple[Encode, Decode]:
    """A peer with state, called for `frames` frames at a time over the file."""

    def encode(audio: Audio) -> Codes:
        peer.reset()
        starts = range(0, audio.shape[1], samples)
        return np.concatenate(
            [peer.encode_hop(np.ascontiguousarray(audio[:, k : k + samples])) for k in starts],
            axis=1,
        )

    def decode(codes: Codes) -> Audio:
        peer.reset()
        starts = range(0, codes.shape[1], frames)
        blocks = [
            peer.decode_hop(np.ascontiguousarray(codes[:, k : k + frames])).copy() for k in starts
        ]
        return np.concatenate(blocks, axis=1)

    return encode, decode


def whole_file(name: str, m: Materials) -> tuple[Encode, Decode]:
    """How a user of each would encode and decode a file."""
    if name == "hopcodec":
        import hopcodec

        codec = hopcodec.load(m.model_file(), threads=1)
        return (lambda audio: codec.encode(audio, bandwidth=m.bandwidth)), codec.decode
    if name == "transformers":
        peer = make_peer(name, m)
        return peer.encode_hop, peer.decode_hop
    frames = round(CALL_SECONDS * m.spec.frame_rate)
    return by_blocks(make_peer(name, m, frames), frames * m.spec.hop_samples, frames)


def measure(
    calls: dict[str, tuple[Encode, Decode]], audio: Audio, rate_hz: int, rounds: int
) -> dict[str, Speed]:
    """Interleaved rounds, A B C A B C, after one that does not count."""
    encode_s: dict[str, list[float]] = {name: [] for name in calls}
    decode_s: dict[str, list[float]] = {name: [] for name in calls}
    for index in progress(range(-1, rounds), "whole file"):
        for name, (encode, decode) in calls.items():
            begin = time.perf_counter()
            codes = encode(audio)
            middle = time.perf_counter()
            decode(codes)
            end = time.perf_counter()
            if index >= 0:
                encode_s[name].append(middle - begin)
                decode_s[name].append(end - middle)
    seconds = audio.shape[1] / rate_hz
    return {name: speed(seconds, encode_s[name], decode_s[name]) for name in calls}


def resident_mb() -> float | None:
    """Memory this process holds now, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def parts(count: int) -> list[range]:
    """`range(count)` in at most a hundred parts, one per movement of the progress bar."""
    step = -(-count // 100)
    return [range(k, min(k + step, count)) for k in range(0, count, step)]


def long_stream(m: Materials, clip: Audio, seconds: int) -> dict[str, Any]:
    """hopcodec over a long recording, pushed block by block; only the codes are kept."""
    import hopcodec

    codec = hopcodec.load(m.model_file(), threads=1)
    encoder = codec.encoder(bandwidth=m.bandwidth, max_frames_per_push=LONG_PUSH_FRAMES)
    decoder = codec.decoder()
    block = LONG_PUSH_FRAMES * codec.hop_samples
    blocks = [
        np.ascontiguousarray(clip[:, k : k + block])
        for k in range(0, clip.shape[1] - block + 1, block)
    ]
    count = seconds * codec.sample_rate // block
    memory_before = resident_mb()
    codes: list[Codes] = []
    begin = time.perf_counter()
    for part in progress(parts(count), "long: encode"):
        codes.extend(encoder.push(blocks[k % len(blocks)]) for k in part)
    codes.append(encoder.flush())
    middle = time.perf_counter()
    samples = 0
    for part in progress(parts(len(codes)), "long: decode"):
        samples += sum(decoder.push(codes[k]).shape[1] for k in part)
    samples += decoder.flush().shape[1]
    end = time.perf_counter()
    if samples != count * block:
        raise RuntimeError(f"expected {count * block} samples back, got {samples}")
    measured = speed(samples / codec.sample_rate, [middle - begin], [end - middle])
    return {
        **asdict(measured),
        "resident_mb_before": memory_before,
        "resident_mb_after": resident_mb(),
        "codes_mb": sum(c.nbytes for c in codes) / 1e6,
    }


def file_table(title: str, speeds: dict[str, Speed]) -> Table:
    own = speeds.get("hopcodec")
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in ("encode\nms", "decode\nms", "encode\nx real time", "decode\nx real time"):
        table.add_column(column, justify="right")
    if own:
        table.add_column("hopcodec faster\nencode", justify="right")
        table.add_column("\ndecode", justify="right")
    for name, s in speeds.items():
        row = [
            name,
            f"{s.encode_seconds * 1e3:.0f}",
            f"{s.decode_seconds * 1e3:.0f}",
            f"{s.encode_times_real_time:.1f}",
            f"{s.decode_times_real_time:.1f}",
        ]
        if own:
            row.append(ratio(s.encode_seconds, own.encode_seconds))
            row.append(ratio(s.decode_seconds, own.decode_seconds))
        table.add_row(*row, style="bold" if name == "hopcodec" else None)
    return table


def shares(m: Materials, own: Speed) -> dict[str, Any]:
    """hopcodec's time per hop against this core's floors, measured now."""
    floors = measure_floors(m.spec, m.codebooks)
    hops = own.audio_seconds * m.spec.frame_rate
    per_hop = {
        "encode": own.encode_seconds * 1e3 / hops,
        "decode": own.decode_seconds * 1e3 / hops,
    }
    return {
        "fma_gflops": floors.fma_gflops,
        **{
            mode: {
                "ms_per_hop": ms,
                "arithmetic_ms": floors.arithmetic_ms[mode],
                "arithmetic_share": floors.arithmetic_ms[mode] / ms,
                "weight_read_gbps": floors.read_gbps[mode],
                "weight_read_ms": floors.read_ms[mode],
                "weight_read_share": floors.read_ms[mode] / ms,
            }
            for mode, ms in per_hop.items()
        },
    }


def main(
    seconds: Annotated[int, typer.Option(help="Length of the file.")] = 10,
    rounds: Annotated[int, typer.Option(help="Rounds that count.")] = 5,
    long_seconds: Annotated[int, typer.Option(help="Also stream this long; 0: do not.")] = 0,
    bandwidth: Annotated[float, typer.Option(help="kbps.")] = 6.0,
    peers: Annotated[str, typer.Option(help="Names with commas between.")] = ",".join(FILE_PEERS),
    weights: Annotated[Path | None, typer.Option(help="File or folder; default seeded.")] = None,
    core: Annotated[int | None, typer.Option(help="Core to pin to; default the last.")] = None,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "file.json",
) -> None:
    """Whole-file speed of hopcodec and its peers."""
    names = peers.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise typer.BadParameter(f"unknown peers {unknown}; there are {', '.join(PEERS)}")
    if seconds < 1 or rounds < 1:
        raise typer.BadParameter("--seconds and --rounds: expected at least 1")
    if seconds % CALL_SECONDS:
        raise typer.BadParameter(f"--seconds: expected a multiple of {CALL_SECONDS}")
    console = Console()
    env = environment(pin_to_one_core(core))
    print_environment(console, env)
    result: dict[str, Any] = {
        "benchmark": "file",
        "environment": env,
        "settings": {
            "bandwidth_kbps": bandwidth,
            "seconds": seconds,
            "rounds": rounds,
            "weights": "seeded" if weights is None else weights.name,
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        m = materials(bandwidth, weights, Path(folder))
        audio = shipped_speech(m.spec.sample_rate, m.spec.channels, float(seconds))
        if long_seconds > 0:  # first, while the process holds nothing else
            result["long"] = long_stream(m, audio, long_seconds)
            console.print(f"{long_seconds} s streamed:", result["long"])
        calls = {name: whole_file(name, m) for name in progress(names, "building")}
        before = interruptions()
        speeds = measure(calls, audio, m.spec.sample_rate, rounds)
        interrupted = interruptions() - before
        print_interruptions(
            console,
            interrupted,
            sum(s.encode_seconds + s.decode_seconds for s in speeds.values()) * rounds,
        )
        console.print(file_table(f"{m.spec.name}, {bandwidth:g} kbps, {seconds} s", speeds))
        result["interruptions"] = interrupted
        result["peers"] = {
            name: {"precision": PEERS[name].precision, **asdict(s)} for name, s in speeds.items()
        }
        if "hopcodec" in speeds:
            result["floors"] = shares(m, speeds["hopcodec"])
            console.print("hopcodec against this core's floors:", result["floors"])
    write_json(output, result)
    console.print(f"written: {output}")


if __name__ == "__main__":
    typer.run(main)
