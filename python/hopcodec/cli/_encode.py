"""`hopcodec encode`: an audio file to a file of codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopcodec._pieces import pieces
from hopcodec.cli import _options as options
from hopcodec.cli._coded import (
    Kind,
    Stopwatch,
    TimedEncoder,
    check_name,
    default_output,
    kind_for,
    writer_for,
)
from hopcodec.cli._console import audio_progress, incomplete_audio, names_file, out, print_json
from hopcodec.cli._files import check_source, replacing

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec
    from hopcodec.typing import Audio


BLOCK_HOPS = 16  # at once; small enough for a smooth progress bar


@dataclass(frozen=True)
class Encoded:
    """The result for one file. Samples and frames count per channel that is coded alone."""

    samples: int
    frames: int
    channels: int
    codec_seconds: float


def encode(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Audio file, of any kind.")],
    output: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OUT]",
            help="File to write: .hop (any codec), .ecdc (EnCodec) or .dac (DAC). "
            "Default: beside IN.",
            show_default=False,
        ),
    ] = None,
    model: options.Model = None,
    bandwidth: options.Bandwidth = None,
    threads: options.Threads = 1,
    device: options.Device = "cpu",
    precision: options.DevicePrecisionOption = options.DevicePrecision.fp32,
    seeded: options.Seeded = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Encode an audio file; the original `encodec` or `dac` command reads .ecdc or .dac."""
    if output is not None:
        check_name(output)
    check_source(source)
    codec = options.load_codec(model, threads, precision, device=device, seeded=seeded)
    kbps = options.chosen_bandwidth(codec, bandwidth)
    books = codec.codebooks_for(kbps)
    target = output or default_output(source, codec)
    kind = kind_for(target, codec)
    with incomplete_audio() as lacks, replacing(target, source=source, force=force) as temporary:
        encoded = encode_file(codec, source, temporary, books, kind)
        size = temporary.stat().st_size
    length = encoded.samples / codec.sample_rate
    speed = length / encoded.codec_seconds if encoded.codec_seconds else 0.0
    if json:
        print_json(
            {
                "command": "encode",
                "input": source,
                "output": target,
                "format": kind,
                "model": codec.name,
                "seeded": codec.seeded,
                "bandwidth_kbps": kbps,
                "codebooks": books,
                "channels": encoded.channels,
                "frames": encoded.frames,
                "audio_samples": encoded.samples,
                "audio_seconds": length,
                "bytes": size,
                "bitrate_kbps": 8e-3 * size / length,
                "codec_seconds": encoded.codec_seconds,
                "times_real_time": speed,
                "incomplete": lacks[0] if lacks else None,
            }
        )
        return
    out().print(
        f"{source} -> {target}: {length:.2f} s in {size} bytes "
        f"({8e-3 * size / length:.2f} kbps), {speed:.1f}x real time",
        markup=False,
        soft_wrap=True,
    )


def encode_file(codec: Codec, source: Path, output: Path, codebooks: int, kind: Kind) -> Encoded:
    """Stream `source` into a file of codes."""
    if kind == "dac":
        return _encode_dac(codec, source, output, codebooks)
    from hopcodec.audio import audio_info, iter_audio

    length = audio_info(source).seconds
    watch = Stopwatch()
    stream = codec.encoder(codebooks=codebooks)
    encoder = TimedEncoder(stream, watch)
    samples = frames = 0
    with (
        names_file(source),
        writer_for(codec, kind, output, codebooks) as writer,
        audio_progress() as progress,
    ):
        task = progress.add_task("encoding", total=length or None)
        for block in iter_audio(source, codec.sample_rate, codec.channels):
            for piece in pieces(block, BLOCK_HOPS * codec.hop_samples):
                codes = encoder.push(piece)
                writer.push(codes)
                frames += codes.shape[1]
                samples += piece.shape[1]
                progress.update(task, completed=samples / codec.sample_rate)
        codes = encoder.flush()
        writer.push(codes)
        writer.finish(samples)
    return Encoded(samples, frames + codes.shape[1], codec.channels, watch.seconds)


def _encode_dac(codec: Codec, source: Path, output: Path, codebooks: int) -> Encoded:
    """Encode every channel alone at one loudness, as the original command does."""
    from hopcodec.audio import audio_info, iter_audio
    from hopcodec.files import write_dac
    from hopcodec.files.dac._audio import encode_dac

    info = audio_info(source)
    watch = Stopwatch()
    samples = 0

    def encoder() -> TimedEncoder:
        stream = codec.encoder(codebooks=codebooks)
        return TimedEncoder(stream, watch)

    with names_file(source), audio_progress() as progress:

        def read() -> Iterator[Audio]:
            nonlocal samples
            samples = 0
            task = progress.add_task("encoding", total=info.seconds or None)
            for block in iter_audio(source, codec.sample_rate, info.channels):
                for piece in pieces(block, codec.sample_rate):
                    yield piece
                    samples += piece.shape[1]
                    progress.update(task, completed=samples / codec.sample_rate)
            progress.remove_task(task)

        content = encode_dac(
            codec,
            read,
            original_length=info.samples,
            sample_rate=info.sample_rate,
            encoder=encoder,
        )
    stated = info.samples * codec.sample_rate / info.sample_rate
    if abs(stated - samples) > 1:  # the file does not state its length, or states a wrong one
        content = replace(content, original_length=samples, sample_rate=codec.sample_rate)
    write_dac(output, content)
    return Encoded(samples, content.frames, content.channels, watch.seconds)
