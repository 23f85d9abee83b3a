"""`hopcodec roundtrip`: a file, or a folder of them, through encoder and decoder."""

from __future__ import annotations

import os
import time
from array import array
from dataclasses import asdict, dataclass
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hopcodec.cli import _options as options
from hopcodec.cli._console import (
    audio_progress,
    decibels,
    describe,
    fail,
    names_file,
    note,
    out,
    print_json,
    results_table,
)
from hopcodec.cli._encode import pieces
from hopcodec.cli._files import check_source, check_suffix, replacing
from hopcodec.errors import CommandError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.progress import Progress

    from hopcodec.audio import WavWriter
    from hopcodec.codec._codec import Codec
    from hopcodec.evaluation._speed import HopTimes


@dataclass(frozen=True)
class Settings:
    """How the files are run."""

    bandwidth: float
    start: options.Start
    rescale: bool
    force: bool


@dataclass(frozen=True)
class Result:
    """One file's figures. Times are of the codec's own calls, without file reading."""

    input: str
    output: str
    audio_samples: int
    audio_seconds: float
    frames: int
    bitrate_kbps: float
    si_snr_db: float
    encode_times_real_time: float
    decode_times_real_time: float
    encode_hop: HopTimes
    decode_hop: HopTimes
    clipped_samples: int


def roundtrip(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Audio file, or a folder of them.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="16-bit WAV file to write, or a folder.")
    ],
    model: options.Model = None,
    bandwidth: options.Bandwidth = None,
    start: Annotated[
        options.Start,
        typer.Option(help="Begin as the released model does, or at once from silence."),
    ] = options.Start.exact,
    threads: options.Threads = 1,
    device: options.Device = "cpu",
    precision: options.DevicePrecisionOption = options.DevicePrecision.fp32,
    seeded: options.Seeded = False,
    rescale: options.Rescale = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Encode and decode hop by hop; print quality, bitrate and time per hop."""
    check_source(source)
    if not source.is_dir():
        check_suffix(output, ".wav", "OUT")
    codec = options.load_codec(model, threads, precision, device=device, seeded=seeded)
    kbps = options.chosen_bandwidth(codec, bandwidth)
    settings = Settings(kbps, start, rescale, force)
    head = {
        "command": "roundtrip",
        "model": codec.name,
        "seeded": codec.seeded,
        "bandwidth_kbps": kbps,
        "start": start.value,
    }
    if not source.is_dir():
        with audio_progress() as progress:
            result = roundtrip_file(codec, source, output, settings, progress)
        if json:
            print_json({**head, **asdict(result)})
        else:
            _print_one(result, by_hops=codec.spec.segments is None)
        return
    results, failures = _run_folder(codec, source, output, settings)
    if json:
        print_json({**head, "files": [asdict(result) for result in results], "failed": failures})
    else:
        _print_many(source, results)
    if failures:
        fail(f"{len(failures)} of {len(failures) + len(results)} files failed")
        raise typer.Exit(1)


def roundtrip_file(
    codec: Codec,
    source: Path,
    output: Path,
    settings: Settings,
    progress: Progress,
    label: str = "round trip",
) -> Result:
    """Stream one file through encoder and decoder, a hop at a time, into a WAV file."""
    from hopcodec.audio import WavWriter, audio_info, iter_audio

    length = audio_info(source).seconds
    task = progress.add_task(escape(label), total=length or None)
    with (
        names_file(source),
        replacing(output, source=source, force=settings.force) as temporary,
    ):
        run = _Run(codec, settings)
        with WavWriter(
            temporary, codec.sample_rate, codec.channels, rescale=settings.rescale
        ) as writer:
            carry = _Carry(codec.hop_samples)
            for block in iter_audio(source, codec.sample_rate, codec.channels):
                for hop in carry.hops(block):
                    run.push(hop, writer)
                progress.update(task, completed=run.samples / codec.sample_rate)
            if carry.rest is not None:
                run.push(carry.rest, writer)
            run.flush(writer)
    if writer.clipped:
        note(f"{source}: {writer.clipped} samples were clamped at 0.99 (--rescale avoids it)")
    return run.result(source, output, writer.clipped)


class _Carry:
    """Cuts ragged blocks into whole hops; `rest` is what is left over."""

    def __init__(self, hop_samples: int) -> None:
        self._hop_samples = hop_samples
        self.rest: npt.NDArray[np.float32] | None = None

    def hops(self, block: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        import numpy as np

        if self.rest is not None:
            block = np.concatenate((self.rest, block), axis=1)
        cut = list(pieces(block, self._hop_samples))
        self.rest = cut.pop() if cut[-1].shape[1] < self._hop_samples else None
        return cut


class _Run:
    """One stream through encoder and decoder, timed. Memory: 8 bytes per hop and direction."""

    def __init__(self, codec: Codec, settings: Settings) -> None:
        from hopcodec.audio import SiSnrMeter

        self._codec = codec
        self._encoder = codec.encoder(bandwidth=settings.bandwidth, start=settings.start.value)
        self._decoder = codec.decoder(start=settings.start.value)
        self._code_bits = codec.bits_per_code
        self._codebooks = codec.codebooks_for(settings.bandwidth)
        self._meter = SiSnrMeter(codec.channels)
        self._encode_ns, self._decode_ns = array("q"), array("q")
        self._tail_ns = [0, 0]
        self.samples = self._written = self._frames = 0

    def push(self, hop: npt.NDArray[np.float32], writer: WavWriter) -> None:
        self.samples += hop.shape[1]
        self._meter.push_reference(hop)
        begin = time.perf_counter_ns()
        codes = self._encoder.push(hop)
        middle = time.perf_counter_ns()
        self._encode_ns.append(middle - begin)
        if codes.shape[1]:
            audio = self._decoder.push(codes)
            self._decode_ns.append(time.perf_counter_ns() - middle)
            self._frames += codes.shape[1]
            self._write(audio, writer)

    def flush(self, writer: WavWriter) -> None:
        begin = time.perf_counter_ns()
        codes = self._encoder.flush()
        middle = time.perf_counter_ns()
        audio = [self._decoder.push(codes), self._decoder.flush()]
        self._tail_ns = [middle - begin, time.perf_counter_ns() - middle]
        self._frames += codes.shape[1]
        for part in audio:
            self._write(part, writer)

    def _write(self, audio: npt.NDArray[np.float32], writer: WavWriter) -> None:
        audio = audio[:, : self.samples - self._written]  # the last frame may reach past the end
        self._written += audio.shape[1]
        self._meter.push_estimate(audio)
        writer.write(audio)

    def result(self, source: Path, output: Path, clipped: int) -> Result:
        from hopcodec.evaluation._speed import hop_deadline_ms, hop_times

        seconds = self.samples / self._codec.sample_rate
        deadline = hop_deadline_ms(self._codec)
        spent = [
            (sum(ns) + tail) / 1e9
            for ns, tail in zip((self._encode_ns, self._decode_ns), self._tail_ns, strict=True)
        ]
        return Result(
            input=str(source),
            output=str(output),
            audio_samples=self.samples,
            audio_seconds=seconds,
            frames=self._frames,
            bitrate_kbps=1e-3 * self._frames * self._codebooks * self._code_bits / seconds,
            si_snr_db=self._meter.db(),
            encode_times_real_time=seconds / spent[0],
            decode_times_real_time=seconds / spent[1],
            encode_hop=hop_times(self._encode_ns or self._tail_ns[:1], deadline),
            decode_hop=hop_times(self._decode_ns or self._tail_ns[1:], deadline),
            clipped_samples=clipped,
        )


def _run_folder(
    codec: Codec, source: Path, output: Path, settings: Settings
) -> tuple[list[Result], list[dict[str, str]]]:
    jobs = _jobs(source, output)
    results: list[Result] = []
    failures: list[dict[str, str]] = []
    with audio_progress() as progress:
        for at, (path, target) in enumerate(jobs, 1):
            label = f"{at}/{len(jobs)} {path.name}"
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                results.append(roundtrip_file(codec, path, target, settings, progress, label))
            except Exception as error:  # one bad file does not stop the rest
                reason = describe(error)
                failures.append({"input": str(path), "error": reason})
                fail(reason if str(path) in reason else f"{path}: {reason}")
            for task in progress.task_ids:
                progress.remove_task(task)
    return results, failures


def _jobs(source: Path, output: Path) -> list[tuple[Path, Path]]:
    """Every audio file under `source` with its place under `output`, in order of names."""
    from hopcodec.audio import audio_files

    if output.exists() and not output.is_dir():
        raise CommandError(f"{output}: expected a folder, as the input is one")
    root, target = source.resolve(), output.resolve()
    if root == target:
        raise CommandError(f"{output}: input and output are the same folder")
    found = [path for path in audio_files(root) if target not in path.parents]
    if not found:
        raise CommandError(f"{source}: no audio files in this folder")
    stems = [path.with_suffix("") for path in found]
    jobs = []
    for path, stem in zip(found, stems, strict=True):
        # Where a.flac and a.wav lie side by side, both keep their whole names.
        name = path.name if stems.count(stem) > 1 else path.stem
        jobs.append(
            (
                source / path.relative_to(root),
                output / path.parent.relative_to(root) / f"{name}.wav",
            )
        )
    return jobs


def _print_one(result: Result, *, by_hops: bool) -> None:
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


def _print_many(source: Path, results: list[Result]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(
        title=escape(f"{source}: SI-SNR in dB, speed as times real time, p99 per hop in ms"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    table.add_column("file", overflow="fold")
    for name in ("s", "kbps", "SI-SNR", "enc x", "dec x", "enc p99", "dec p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        table.add_row(escape(os.path.relpath(result.input, source)), *_numbers(result))
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
    """Sums and means weighted by length; the worst p99."""
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
