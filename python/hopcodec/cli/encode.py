"""`hopcodec encode`: an audio file to `.ecdc`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopcodec.cli import options
from hopcodec.cli.console import audio_progress, names_file, out, print_json
from hopcodec.cli.files import check_source, check_suffix, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from hopcodec.codec import Codec

    Audio = npt.NDArray[np.float32]

BLOCK_HOPS = 16  # what an encoder takes at once; small enough for a smooth progress bar


def encode(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Audio file, of any kind.")],
    output: Annotated[Path, typer.Argument(metavar="OUT.ecdc", help="File to write.")],
    model: options.Model = None,
    bandwidth: options.Bandwidth = None,
    threads: options.Threads = 1,
    precision: options.PrecisionOption = options.Precision.fp32,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Encode an audio file; the original `encodec` command reads the result."""
    check_suffix(output, ".ecdc", "OUT.ecdc")
    check_source(source)
    with replacing(output, source=source, force=force) as temporary:
        codec = options.load_codec(model, threads, precision)
        kbps = options.chosen_bandwidth(codec, bandwidth)
        samples, seconds = encode_file(codec, source, temporary, kbps)
        size = temporary.stat().st_size
    length = samples / codec.sample_rate
    speed = length / seconds if seconds else 0.0
    if json:
        print_json(
            {
                "command": "encode",
                "input": source,
                "output": output,
                "model": codec.name,
                "seeded": codec.seeded,
                "bandwidth_kbps": kbps,
                "codebooks": codec.codebooks_for(kbps),
                "frames": -(-samples // codec.hop_samples),
                "audio_samples": samples,
                "audio_seconds": length,
                "bytes": size,
                "bitrate_kbps": 8e-3 * size / length,
                "codec_seconds": seconds,
                "times_real_time": speed,
            }
        )
        return
    out().print(
        f"{source} -> {output}: {length:.2f} s in {size} bytes "
        f"({8e-3 * size / length:.2f} kbps), {speed:.1f}x real time",
        markup=False,
        soft_wrap=True,
    )


def encode_file(codec: Codec, source: Path, output: Path, bandwidth: float) -> tuple[int, float]:
    """Stream `source` into an `.ecdc` file; returns its samples and the seconds spent encoding."""
    from hopcodec.audio import audio_info, iter_audio
    from hopcodec.bitstream import EcdcWriter

    length = audio_info(source).seconds
    encoder = codec.encoder(bandwidth=bandwidth, max_frames_per_push=BLOCK_HOPS)
    samples = nanoseconds = 0
    with (
        names_file(source),
        EcdcWriter(
            output,
            model=codec.name,
            codebooks=codec.codebooks_for(bandwidth),
            # The original command's own model keeps the original command's own bytes.
            weights="" if codec.name == "encodec_24khz" else codec.fingerprint,
        ) as writer,
        audio_progress() as progress,
    ):
        task = progress.add_task("encoding", total=length or None)
        for block in iter_audio(source, codec.sample_rate, codec.channels):
            for piece in pieces(block, BLOCK_HOPS * codec.hop_samples):
                begin = time.perf_counter_ns()
                codes = encoder.push(piece)
                nanoseconds += time.perf_counter_ns() - begin
                writer.push(codes)
                samples += piece.shape[1]
                progress.update(task, completed=samples / codec.sample_rate)
        begin = time.perf_counter_ns()
        codes = encoder.flush()
        nanoseconds += time.perf_counter_ns() - begin
        writer.push(codes)
        writer.finish(samples)
    return samples, nanoseconds / 1e9


def pieces(block: Audio, samples: int) -> Iterator[Audio]:
    """Cut `(channels, n)` into contiguous pieces of at most `samples`."""
    for first in range(0, block.shape[1], samples):
        yield block[:, first : first + samples].copy()
