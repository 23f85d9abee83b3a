"""EnCodec 48 kHz, stereo files: hopcodec beside transformers, on one pinned core.

    python benchmarks/bench_segmented.py            # 10 s; results/segmented.json

Both run the same seeded weights over the same file in interleaved rounds, encode and decode, each
in its own segments of a second. Before anything is timed, their codes and their audio are compared.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from environment import environment, interruptions, pin_to_one_core
from report import RESULTS, print_environment, print_interruptions, progress, ratio, write_json

LEAST_EQUAL_CODES = 0.98  # float32 near-ties, and what follows each in its frame
LEAST_SNR_DB = 80.0


@dataclass(frozen=True)
class Speed:
    """Medians over the rounds; `times_real_time` is audio seconds per second."""

    encode_seconds: float
    decode_seconds: float
    encode_times_real_time: float
    decode_times_real_time: float


class Subject(Protocol):
    """Encodes audio `(2, samples)` to segments of its own kind, and decodes those."""

    def encode(self, audio: Any) -> Any: ...

    def decode(self, codes: Any) -> Any: ...

    def plain(self, codes: Any) -> list[Any]:
        """Codes `(codebooks, frames)` of each segment."""
        ...


class Hopcodec:
    """`Codec.encode` and `.decode`."""

    def __init__(self, bandwidth: float, precision: str) -> None:
        import hopcodec

        self._codec = hopcodec.load("encodec_48khz", seeded=True, precision=precision)
        self._bandwidth = bandwidth

    def encode(self, audio: Any) -> Any:
        return self._codec.encode(audio, self._bandwidth)

    def decode(self, codes: Any) -> Any:
        return self._codec.decode(codes)

    def plain(self, codes: Any) -> list[Any]:
        return [segment.codes for segment in codes]


class Transformers:
    """`transformers.EncodecModel` in the 48 kHz configuration, eager, the file in one call."""

    def __init__(self, bandwidth: float) -> None:
        from transformers import EncodecConfig, EncodecModel

        import torch
        from hopcodec.specs._encodec import encodec_48khz
        from hopcodec.weights._seeded import seeded_weights
        from hopcodec.weights.config._encodec import hf_fields

        torch.set_num_threads(1)
        self._torch, self._bandwidth = torch, bandwidth
        spec = encodec_48khz()
        self._model = EncodecModel(EncodecConfig(**hf_fields(spec))).train(False)
        state = {name: torch.from_numpy(a) for name, a in seeded_weights(spec).items()}
        unexpected = self._model.load_state_dict(state, strict=False).unexpected_keys
        if unexpected:
            raise ValueError(f"transformers: no place for {unexpected}")

    def encode(self, audio: Any) -> Any:
        with self._torch.inference_mode():
            return self._model.encode(
                self._torch.from_numpy(audio)[None], bandwidth=self._bandwidth
            )

    def decode(self, codes: Any) -> Any:
        with self._torch.inference_mode():
            decoded = self._model.decode(
                codes.audio_codes,
                codes.audio_scales,
                last_frame_pad_length=codes.last_frame_pad_length,
            )
        return decoded.audio_values[0].numpy()

    def plain(self, codes: Any) -> list[Any]:
        frames = [codes.audio_codes.shape[-1]] * len(codes.audio_codes)
        frames[-1] -= codes.last_frame_pad_length
        return [c[0, :, :n].numpy() for c, n in zip(codes.audio_codes, frames, strict=True)]


def stereo_speech(seconds: float) -> Any:
    """The shipped recording, quieter and 2 ms later on the right."""
    from hopcodec.audio import shipped_speech

    mono = shipped_speech(48000, 1, seconds + 0.1)[0]
    count = round(seconds * 48000)
    return np.stack([mono[96 : 96 + count], np.float32(0.7) * mono[:count]])


def compare(subjects: dict[str, Subject], audio: Any) -> dict[str, Any]:
    """Codes and audio of the second subject against the first; RuntimeError if they differ."""
    ours, theirs = list(subjects.values())[:2]
    coded = [ours.encode(audio), theirs.encode(audio)]
    pairs = zip(ours.plain(coded[0]), theirs.plain(coded[1]), strict=True)
    equal = float(np.mean(np.concatenate([(a == b).ravel() for a, b in pairs])))
    heard, expected = ours.decode(coded[0]), theirs.decode(coded[1])
    same = [
        a.shape == b.shape and bool((a == b).all())
        for a, b in zip(ours.plain(coded[0]), theirs.plain(coded[1]), strict=True)
    ]
    # Audio is compared where the codes are the same: a segment, less what overlaps its neighbours.
    error = signal = 0.0
    for k in np.flatnonzero(same):
        place = slice(47520 * int(k) + 480, 47520 * (int(k) + 1))
        error += float(np.square(heard[:, place] - expected[:, place]).sum())
        signal += float(np.square(expected[:, place]).sum())
    snr = 10 * float(np.log10(signal / error)) if error else float("inf")
    if heard.shape != expected.shape or equal < LEAST_EQUAL_CODES or snr < LEAST_SNR_DB:
        raise RuntimeError(f"not the same codec: {equal:.4f} of the codes, {snr:.0f} dB")
    return {"codes_equal": equal, "segments_equal": sum(same), "snr_db": snr}


def measure(
    subjects: dict[str, Subject], audio: Any, rounds: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Interleaved rounds, A B A B, after one that does not count."""
    spent: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in subjects}
    for index in progress(range(-1, rounds), "segments"):
        for name, subject in subjects.items():
            begin = time.perf_counter()
            codes = subject.encode(audio)
            middle = time.perf_counter()
            subject.decode(codes)
            end = time.perf_counter()
            if index >= 0:
                spent[name][0].append(middle - begin)
                spent[name][1].append(end - middle)
    return spent


def fma_share(seconds: float, bandwidth: float, speed: Speed) -> dict[str, float]:
    """Multiply-adds of the convolutions, LSTMs and searches against this core's peak."""
    from floors import measure_floors
    from hopcodec.specs._encodec import encodec_48khz

    spec = encodec_48khz()
    books = int(bandwidth * 1000 // (10 * spec.frame_rate))
    floors = measure_floors(spec, books)
    hops = seconds * spec.frame_rate
    return {
        "fma_gflops": floors.fma_gflops,
        "encode": floors.arithmetic_ms["encode"] * hops / (1e3 * speed.encode_seconds),
        "decode": floors.arithmetic_ms["decode"] * hops / (1e3 * speed.decode_seconds),
    }


def main(
    seconds: Annotated[float, typer.Option(help="Length of the file.")] = 10.0,
    rounds: Annotated[int, typer.Option(help="Rounds that count.")] = 7,
    bandwidth: Annotated[float, typer.Option(help="kbps.")] = 6.0,
    core: Annotated[int | None, typer.Option(help="Core to pin to; default the last.")] = None,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "segmented.json",
) -> None:
    """Whole-file speed of EnCodec 48 kHz."""
    if seconds <= 0 or rounds < 1:
        raise typer.BadParameter("--seconds and --rounds: expected more than nothing")
    console = Console()
    env = environment(pin_to_one_core(core))
    print_environment(console, env)
    audio = stereo_speech(seconds)
    subjects: dict[str, Subject] = {
        "hopcodec": Hopcodec(bandwidth, "fp32"),
        "transformers": Transformers(bandwidth),
        "hopcodec-bf16": Hopcodec(bandwidth, "bf16"),
    }
    agreement = compare(subjects, audio)
    console.print("hopcodec against transformers:", agreement)
    before = interruptions()
    spent = measure(subjects, audio, rounds)
    interrupted = interruptions() - before
    print_interruptions(console, interrupted, sum(sum(e) + sum(d) for e, d in spent.values()))
    speeds = {}
    for name, (encode, decode) in spent.items():
        e, d = statistics.median(encode), statistics.median(decode)
        speeds[name] = Speed(e, d, seconds / e, seconds / d)
    own = speeds["hopcodec"]
    table = Table(title=f"encodec_48khz, {bandwidth:g} kbps, {seconds:g} s", title_justify="left")
    table.add_column("")
    for column in ("encode ms", "decode ms", "x real time", "x real time", "slower", "slower"):
        table.add_column(column, justify="right")
    for name, s in speeds.items():
        table.add_row(
            name,
            f"{s.encode_seconds * 1e3:.0f}",
            f"{s.decode_seconds * 1e3:.0f}",
            f"{s.encode_times_real_time:.1f}",
            f"{s.decode_times_real_time:.1f}",
            ratio(s.encode_seconds, own.encode_seconds),
            ratio(s.decode_seconds, own.decode_seconds),
        )
    console.print(table)
    shares = fma_share(seconds, bandwidth, own)
    console.print("share of this core's multiply-adds:", shares)
    write_json(
        output,
        {
            "benchmark": "segmented",
            "environment": env,
            "settings": {"bandwidth_kbps": bandwidth, "seconds": seconds, "rounds": rounds},
            "agreement": agreement,
            "interruptions": interrupted,
            "peers": {name: asdict(s) for name, s in speeds.items()},
            "fma_share": shares,
        },
    )
    console.print(f"written: {output}")


if __name__ == "__main__":
    typer.run(main)
