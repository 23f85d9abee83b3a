"""One file of `hopcodec roundtrip`: streamed through encoder and decoder, and timed."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hopcodec._pieces import pieces
from hopcodec.cli import _options as options
from hopcodec.cli._console import names_file, note, shown
from hopcodec.cli._files import replacing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.progress import Progress

    from hopcodec.audio import WavWriter
    from hopcodec.codec._codec import Codec
    from hopcodec.evaluation._speed import HopTimes


@dataclass(frozen=True)
class Settings:
    """Settings of the round trip."""

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


def roundtrip_file(
    codec: Codec,
    source: Path,
    output: Path,
    settings: Settings,
    progress: Progress,
    label: str = "round trip",
) -> Result:
    """Stream one file through encoder and decoder, a hop at a time, into a WAV file.

    Parameters
    ----------
    codec
        The codec to run.
    source, output
        The audio file, and the WAV file to write.
    settings
        Of the command.
    progress
        The display, to which a bar is added.
    label
        Name of that bar.
    """
    from hopcodec.audio import WavWriter, audio_info, iter_audio

    length = audio_info(source).seconds
    task = progress.add_task(shown(label), total=length or None)
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
    """Cut blocks of any length into whole hops. `rest` holds the samples left over."""

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
