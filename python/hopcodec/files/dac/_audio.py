"""Convert audio to the content of a `.dac` file and back, as the original `dac` command does.

    encode   resample to the model's rate ─► set to -16 LUFS, peaks to 1 ─► code each channel
    decode   decode each channel ─► set to the loudness it had ─► resample back ─► cut to length

The file holds the loudness of the original, not a gain, so decoding measures again. Encoding
measures all channels together, and decoding measures each alone. We keep this, so that both
commands give the same sound, although the channels of a stereo file come out equally loud, and
together some 3 dB louder. soxr resamples, where the original has its own resampler.

Files are written as one chunk, which the original does with `--win_duration` as long as the audio.
Files of many chunks can be read (`_chunks`).
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np

from hopcodec._pieces import pieces
from hopcodec.audio._loudness import LoudnessMeter
from hopcodec.audio._resample import Resampler
from hopcodec.codec._codes import AnyCodes
from hopcodec.errors import BitstreamError
from hopcodec.files.dac._file import DacFile
from hopcodec.specs._language import ProjectedRvq
from hopcodec.typing import Audio, CodeArray

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

CODED_LUFS: Final = -16.0
_NEPERS: Final = math.log(10.0) / 20.0  # of a decibel
_BLOCK_FRAMES: Final = 16
_SPOOL_BYTES: Final = 1 << 20  # in memory; beyond, on disk
_BLOCK_SAMPLES: Final = 1 << 16


class Encodes(Protocol):
    """The methods of `hopcodec.Encoder` that coding a channel needs."""

    def push(self, audio: Audio, /) -> AnyCodes: ...
    def flush(self) -> AnyCodes: ...


class Decodes(Protocol):
    """The methods of `hopcodec.Decoder` that decoding a channel needs."""

    def push(self, codes: AnyCodes, /) -> Audio: ...
    def flush(self) -> Audio: ...
    def reset(self) -> None: ...


def encode_dac(
    codec: Codec,
    read: Callable[[], Iterable[Audio]],
    *,
    original_length: int,
    sample_rate: int,
    encoder: Callable[[], Encodes] | None = None,
) -> DacFile:
    """Encode audio to the file that the original command would write, as one chunk.

    Parameters
    ----------
    codec
        A DAC.
    read
        Yields the audio from its beginning, float32 `(channels, samples)` in blocks of any length
        at the codec's rate. It is called twice, because the loudness is measured first.
    original_length, sample_rate
        Samples per channel, and their rate, before resampling to the codec's rate.
    encoder
        Makes the stream that codes a channel, by default `codec.encoder()` with all codebooks.

    Raises
    ------
    ValueError
        The codec is not a DAC, there is no audio, or more than 5 channels, which have no loudness.
    """
    _check_codec(codec)
    loudness, peaks = _measured(read(), codec.sample_rate)
    gain = np.float32(math.exp(_NEPERS * (CODED_LUFS - loudness)))
    peaks = peaks * gain
    limits = np.where(peaks > 1.0, np.float32(1.0) / np.maximum(peaks, 1.0), np.float32(1.0))
    encoders = [(encoder or codec.encoder)() for _ in peaks]
    parts: list[list[AnyCodes]] = [[] for _ in peaks]
    for block in read():
        for channel, stream in enumerate(encoders):
            scaled = block[channel : channel + 1] * gain * np.float32(limits[channel])
            for piece in pieces(scaled, _BLOCK_FRAMES * codec.hop_samples):
                parts[channel].append(stream.push(piece))
    for stream, part in zip(encoders, parts, strict=True):
        part.append(stream.flush())
    codes = np.stack([np.concatenate(part, axis=1) for part in parts])
    return DacFile(codes, loudness, original_length, sample_rate, chunk_length=codes.shape[2])


def decode_dac(
    codec: Codec, content: DacFile, *, decoder: Callable[[Codec], Decodes] | None = None
) -> Iterator[Audio]:
    """Decode a `.dac` file to float32 `(channels, samples)`, in blocks at the file's own rate.

    The result has exactly `content.original_length` samples. A model of odd strides makes a few
    samples less (DAC 16 and 24 kHz: 8), on which the original command fails. Here zeros fill up.

    Parameters
    ----------
    codec
        The DAC that made the file, which does not name it. Files without padding read its weights
        again, so it must come from `hopcodec.load`.
    decoder
        Makes the stream that decodes, by default `codec.decoder()`.

    Raises
    ------
    BitstreamError
        The codec has fewer codebooks or codes, or its hop does not fit the number of frames.
    ValueError
        The codec is not a DAC.
    """
    _check_codec(codec)
    if content.codebooks > codec.codebooks or int(content.codes.max()) >= codec.codebook_size:
        raise BitstreamError(
            f"expected codes of {codec.name}, up to {codec.codebooks} codebooks of "
            f"{codec.codebook_size}, got {content.codebooks} with codes up to "
            f"{int(content.codes.max())}: of another model?"
        )
    _check_frames(codec, content)
    stream = (decoder or _decoder)(codec if content.padding else _unpadded(codec))
    with contextlib.ExitStack() as stack:
        channels = []
        for codes in content.codes:
            spool = stack.enter_context(tempfile.SpooledTemporaryFile(_SPOOL_BYTES))
            meter = LoudnessMeter(codec.sample_rate, 1)
            for audio in _chunks(stream, codes, content.chunk_length):
                meter.push(audio)
                spool.write(audio.tobytes())
            gain = math.exp(_NEPERS * (content.input_db - meter.lufs()))
            channels.append(_Decoded(spool, np.float32(gain)))
        yield from _levelled(content, codec, channels)


class _Decoded(NamedTuple):
    """A decoded channel, float32, and the gain to its loudness."""

    spool: IO[bytes]
    gain: np.float32


def _decoder(codec: Codec) -> Decodes:
    return codec.decoder()


def _check_codec(codec: Codec) -> None:
    if not isinstance(codec.spec.quantizer, ProjectedRvq) or codec.channels != 1:
        raise ValueError(f".dac files hold codes of a DAC: expected one, got {codec.name}")


def _check_frames(codec: Codec, content: DacFile) -> None:
    """Refuse a codec whose hop does not fit the number of frames, as the file names no model.

    For one padded chunk that number is known, except that resamplers may differ by a sample.
    """
    if not content.padding or content.chunk_length != content.frames:
        return
    samples = -(-content.original_length * codec.sample_rate // content.sample_rate)
    expected = -(-samples // codec.hop_samples)
    if abs(content.frames - expected) > 1:
        raise BitstreamError(
            f"frames: expected {expected}, what {codec.name} makes of {content.original_length} "
            f"samples at {content.sample_rate} Hz, got {content.frames}: of another model?"
        )


def _unpadded(codec: Codec) -> Codec:
    from hopcodec.files.dac._chunks import unpadded

    return unpadded(codec)


def _measured(blocks: Iterable[Audio], sample_rate: int) -> tuple[float, Audio]:
    """Measure the loudness of all channels together, and the peak of each."""
    meter: LoudnessMeter | None = None
    peaks = np.zeros(0, np.float32)
    samples = 0
    for block in blocks:
        samples += block.shape[1]
        if meter is None:
            meter = LoudnessMeter(sample_rate, block.shape[0])
            peaks = np.zeros(block.shape[0], np.float32)
        meter.push(block)
        peaks = np.maximum(peaks, np.abs(block).max(axis=1, initial=0.0))
    if meter is None or not samples:
        raise ValueError("audio: expected samples, got none")
    return meter.lufs(), peaks


def _chunks(stream: Decodes, codes: CodeArray, chunk_length: int) -> Iterator[Audio]:
    """Yield one channel's codes `(codebooks, frames)`, in chunks that are decoded alone."""
    for first in range(0, codes.shape[1], chunk_length):
        stream.reset()
        for piece in pieces(codes[:, first : first + chunk_length], _BLOCK_FRAMES):
            yield stream.push(piece)
        yield stream.flush()


def _levelled(content: DacFile, codec: Codec, channels: list[_Decoded]) -> Iterator[Audio]:
    """Yield decoded audio at its loudness and rate, exactly as long as the original."""
    length = channels[0].spool.tell() // 4
    for channel in channels:
        channel.spool.seek(0)
    resampler = Resampler(codec.sample_rate, content.sample_rate, content.channels)
    left = content.original_length
    for first in range(0, length, _BLOCK_SAMPLES):
        count = min(_BLOCK_SAMPLES, length - first)
        rows = [np.frombuffer(c.spool.read(4 * count), np.float32) * c.gain for c in channels]
        block = np.stack(rows, axis=1)
        audio = resampler.push(block)[:left]
        left -= len(audio)
        yield np.ascontiguousarray(audio.T)
    audio = resampler.flush()[:left]
    left -= len(audio)
    yield np.ascontiguousarray(audio.T)
    hop = -(-codec.hop_samples * content.sample_rate // codec.sample_rate)
    if left > hop:
        raise BitstreamError(
            f"expected codes for {content.original_length} samples, {left} are missing"
        )
    if left:
        yield np.zeros((content.channels, left), np.float32)
