"""`hopcodec decode`: a file of codes to 16-bit WAV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopcodec.cli import _options as options
from hopcodec.cli._coded import (
    Kind,
    Stopwatch,
    TimedDecoder,
    check_maker,
    kind_of,
    model_for,
)
from hopcodec.cli._console import audio_progress, names_file, note, out, print_json
from hopcodec.cli._files import check_source, check_suffix, replacing
from hopcodec.errors import BitstreamError, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hopcodec.codec._codec import Codec
    from hopcodec.codec._codes import AnyCodes
    from hopcodec.files import EcdcReader, HopReader

BLOCK_FRAMES = 16


@dataclass(frozen=True)
class Decoded:
    """The result for one file."""

    codebooks: int
    frames: int
    samples: int
    sample_rate: int
    channels: int
    clipped: int
    codec_seconds: float

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate


def decode(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="File to decode: .hop, .ecdc or .dac.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT.wav", help="16-bit WAV file to write.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Codec. Default: the one that the file names; of a .dac file, dac_44khz.",
            show_default=False,
        ),
    ] = None,
    threads: options.Threads = 1,
    device: options.Device = "cpu",
    precision: options.DevicePrecisionOption = options.DevicePrecision.fp32,
    seeded: options.Seeded = False,
    rescale: options.Rescale = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Of a damaged .hop file, decode what comes before.")
    ] = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Decode a file of codes, also one the original `encodec` (without --lm) or `dac` wrote."""
    check_suffix(output, ".wav", "OUT.wav")
    check_source(source)
    kind = kind_of(source)
    if kind is None:
        raise CommandError(f"{source}: expected a .hop, .ecdc or .dac file, got another")
    with replacing(output, source=source, force=force) as temporary:
        chosen = model_for(source, kind, model)
        # The original `dac` gives a few samples less for some models, and so do we.
        codec = options.load_codec(
            chosen, threads, precision, device=device, seeded=seeded, full_hop=kind != "dac"
        )
        decoded = decode_file(codec, source, temporary, kind, rescale=rescale, partial=partial)
    if decoded.clipped:
        note(f"{decoded.clipped} samples were too loud and were clamped (--rescale avoids it)")
    speed = decoded.seconds / decoded.codec_seconds if decoded.codec_seconds else 0.0
    if json:
        print_json(
            {
                "command": "decode",
                "input": source,
                "output": output,
                "format": kind,
                "model": codec.name,
                "seeded": codec.seeded,
                "codebooks": decoded.codebooks,
                "channels": decoded.channels,
                "frames": decoded.frames,
                "audio_samples": decoded.samples,
                "audio_seconds": decoded.seconds,
                "clipped_samples": decoded.clipped,
                "codec_seconds": decoded.codec_seconds,
                "times_real_time": speed,
            }
        )
        return
    out().print(
        f"{source} -> {output}: {decoded.seconds:.2f} s, {decoded.codebooks} codebooks, "
        f"{speed:.1f}x real time",
        markup=False,
        soft_wrap=True,
    )


def decode_file(
    codec: Codec, source: Path, output: Path, kind: Kind, *, rescale: bool, partial: bool
) -> Decoded:
    """Stream a file of codes to a WAV file."""
    from hopcodec.files import EcdcReader, HopReader

    with names_file(source):
        if kind == "dac":
            return _decode_dac(codec, source, output, rescale)
        reader = HopReader(source) if kind == "hop" else EcdcReader(source)
        with reader:
            check_maker(source, reader.header.model, reader.header.weights, codec)
            if isinstance(reader, HopReader):
                reader.header.check_codec(codec)
            return _decode_stream(codec, reader, output, rescale, partial)


def _decode_stream(
    codec: Codec, reader: EcdcReader | HopReader, output: Path, rescale: bool, partial: bool
) -> Decoded:
    from hopcodec.audio import WavWriter

    length = _length(reader)
    watch = Stopwatch()
    decoder = TimedDecoder(codec.decoder(), watch)
    frames = 0
    with (
        WavWriter(output, codec.sample_rate, codec.channels, rescale=rescale) as writer,
        audio_progress() as progress,
    ):
        task = progress.add_task("decoding", total=length and length / codec.sample_rate)
        try:
            for codes in _cut(reader):
                audio = decoder.push(codes)
                frames += codes.shape[1]
                writer.write(audio[:, : None if length is None else length - writer.samples])
                progress.update(task, completed=writer.samples / codec.sample_rate)
        except BitstreamError as error:
            if not partial:
                raise
            note(f"{error}; decoded what comes before")
        if not frames:
            raise BitstreamError("no whole block of codes is left to decode")
        length = _length(reader)
        audio = decoder.flush()
        writer.write(audio[:, : None if length is None else length - writer.samples])
    return Decoded(
        codebooks=reader.header.codebooks,
        frames=frames,
        samples=writer.samples,
        sample_rate=codec.sample_rate,
        channels=codec.channels,
        clipped=writer.clipped,
        codec_seconds=watch.seconds,
    )


def _length(reader: EcdcReader | HopReader) -> int | None:
    """Return the samples of the audio; None for a truncated file, whose end would say it."""
    from hopcodec.files import EcdcReader

    return reader.header.audio_length if isinstance(reader, EcdcReader) else reader.audio_length


def _cut(reader: EcdcReader | HopReader) -> Iterator[AnyCodes]:
    """Yield codes in blocks small enough for a smooth progress bar; segments as they are."""
    from hopcodec.codec._codes import cut_codes

    for block in reader.blocks():
        yield from cut_codes(block, BLOCK_FRAMES)


def _decode_dac(codec: Codec, source: Path, output: Path, rescale: bool) -> Decoded:
    """Decode to the original's loudness, rate and channels, as the original command does."""
    from hopcodec.audio import WavWriter
    from hopcodec.files import read_dac
    from hopcodec.files.dac._audio import Decodes, decode_dac

    content = read_dac(source)
    watch = Stopwatch()

    def decoder(chosen: Codec) -> Decodes:
        return TimedDecoder(chosen.decoder(), watch)

    with (
        WavWriter(
            output, content.sample_rate, content.channels, rescale=rescale, limit=1.0
        ) as writer,
        audio_progress() as progress,
    ):
        task = progress.add_task("decoding", total=content.seconds)
        for audio in decode_dac(codec, content, decoder=decoder):
            writer.write(audio)
            progress.update(task, completed=writer.samples / content.sample_rate)
    return Decoded(
        codebooks=content.codebooks,
        frames=content.frames,
        samples=writer.samples,
        sample_rate=content.sample_rate,
        channels=content.channels,
        clipped=writer.clipped,
        codec_seconds=watch.seconds,
    )
