"""`hopcodec decode`: an `.ecdc` file to 16-bit WAV."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopcodec.cli import options
from hopcodec.cli.console import CommandError, audio_progress, names_file, note, out, print_json
from hopcodec.cli.files import check_source, check_suffix, replacing

if TYPE_CHECKING:
    from hopcodec.bitstream import EcdcHeader
    from hopcodec.codec import Codec

BLOCK_FRAMES = 16


def decode(
    source: Annotated[Path, typer.Argument(metavar="IN.ecdc", help="File to decode.")],
    output: Annotated[Path, typer.Argument(metavar="OUT.wav", help="16-bit WAV file to write.")],
    model: options.Model = None,
    threads: options.Threads = 1,
    precision: options.PrecisionOption = options.Precision.fp32,
    rescale: options.Rescale = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Decode an .ecdc file, also one the original `encodec` command wrote (without --lm)."""
    check_suffix(output, ".wav", "OUT.wav")
    check_source(source)
    with replacing(output, source=source, force=force) as temporary:
        codec = options.load_codec(model, threads, precision)
        header, seconds, clipped = decode_file(codec, source, temporary, rescale)
    if clipped:
        note(f"{clipped} samples were louder than 0.99 and were clamped (--rescale avoids it)")
    speed = header.seconds / seconds if seconds else 0.0
    if json:
        print_json(
            {
                "command": "decode",
                "input": source,
                "output": output,
                "model": codec.name,
                "seeded": codec.seeded,
                "codebooks": header.codebooks,
                "frames": header.frames,
                "audio_samples": header.audio_length,
                "audio_seconds": header.seconds,
                "clipped_samples": clipped,
                "codec_seconds": seconds,
                "times_real_time": speed,
            }
        )
        return
    out().print(
        f"{source} -> {output}: {header.seconds:.2f} s, {header.codebooks} codebooks, "
        f"{speed:.1f}x real time",
        markup=False,
        soft_wrap=True,
    )


def decode_file(
    codec: Codec, source: Path, output: Path, rescale: bool
) -> tuple[EcdcHeader, float, int]:
    """Stream `source` to a WAV file: its header, seconds spent decoding, samples clamped."""
    from hopcodec.audio import WavWriter
    from hopcodec.bitstream import EcdcReader

    nanoseconds = 0
    with names_file(source), EcdcReader(source) as reader:
        header = reader.header
        if header.model != codec.name:
            raise CommandError(
                f"{source}: was made with {header.model}, but {codec.name} is loaded "
                f"(--model {header.model})"
            )
        if header.weights not in ("", codec.fingerprint):
            raise CommandError(
                f"{source}: was made with other weights of {header.model} ({header.weights}) than "
                f"those loaded ({codec.fingerprint}): name their file with --model"
            )
        decoder = codec.decoder()
        with (
            WavWriter(output, codec.sample_rate, codec.channels, rescale=rescale) as writer,
            audio_progress() as progress,
        ):
            task = progress.add_task("decoding", total=header.seconds)
            for codes in reader.blocks(BLOCK_FRAMES):
                begin = time.perf_counter_ns()
                audio = decoder.push(codes)
                nanoseconds += time.perf_counter_ns() - begin
                writer.write(audio[:, : header.audio_length - writer.samples])
                progress.update(task, completed=writer.samples / codec.sample_rate)
            begin = time.perf_counter_ns()
            audio = decoder.flush()
            nanoseconds += time.perf_counter_ns() - begin
            writer.write(audio[:, : header.audio_length - writer.samples])
        return header, nanoseconds / 1e9, writer.clipped
