"""Streams of a segmented codec: pushed in any pieces, given segment by segment.

The contract is that of `hopcodec.codec._streams`: any pieces and a flush give the bits of the whole
file. Here that is plain, as nothing but whole segments is ever computed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from hopcodec import _core
from hopcodec._checks import Audio, check_audio, check_snapshot
from hopcodec.codec._overlap import OverlapAdd
from hopcodec.codec._segments import Segment, SegmentedCodes
from hopcodec.codec._streams import Start
from hopcodec.errors import StreamError

if TYPE_CHECKING:
    from hopcodec.codec._segmented import SegmentedCodec

T = TypeVar("T")

_LOUDEST: Final = 1024.0  # as every encoder takes
# What a snapshot begins with: mark, CRC-32 of the rest, weights, flushed, three counts.
_SNAPSHOT: Final = struct.Struct("<8sI8s?qqq")


def _pack(
    mark: bytes, codec: SegmentedCodec, finished: bool, counts: Sequence[int], *arrays: bytes
) -> bytes:
    tail = _SNAPSHOT.pack(mark, 0, codec.fingerprint.encode(), finished, *counts)[12:]
    body = tail + b"".join(arrays)
    return mark + struct.pack("<I", zlib.crc32(body)) + body


def _unpack(
    mark: bytes, codec: SegmentedCodec, blob: bytes
) -> tuple[bool, tuple[int, int, int], bytes]:
    if len(blob) < _SNAPSHOT.size or blob[:8] != mark:
        raise StreamError(f"snapshot: expected the mark {mark.decode()}, got something else")
    _, crc, weights, finished, *counts = _SNAPSHOT.unpack_from(blob)
    if crc != zlib.crc32(blob[12:]):
        raise StreamError("snapshot: the checksum does not match: the bytes are damaged")
    if weights != codec.fingerprint.encode():
        raise StreamError("snapshot: expected one of the same codec and weights, got another's")
    return finished, (counts[0], counts[1], counts[2]), blob[_SNAPSHOT.size :]


def _batches(items: Iterable[T], most: int, length: Callable[[T], int]) -> Iterator[list[T]]:
    """Neighbours of one length, at most `most` at a time."""
    for _, equal in groupby(items, length):
        rest = list(equal)
        for first in range(0, len(rest), most):
            yield rest[first : first + most]


def _ordinary(audio: Audio) -> bool:
    return bool(np.abs(audio).max(initial=0.0) <= _LOUDEST)  # NaN is not


def _check_samples(audio: Audio) -> None:
    if _ordinary(audio):
        return
    channel, sample = np.argwhere(~(np.abs(audio) <= _LOUDEST))[0]
    raise ValueError(
        f"audio: expected finite samples within +-{_LOUDEST:g} (full scale is 1), "
        f"got {audio[channel, sample]:g} at sample {sample}"
    )


def _refuse_flushed(finished: bool) -> None:
    if finished:
        raise StreamError("the stream was flushed: expected reset() before the next push or flush")


class SegmentedEncoder:
    """One stream from audio to segments of codes. Made by `SegmentedCodec.encoder`."""

    def __init__(
        self, codec: SegmentedCodec, core: _core.Encoder | _core.CudaEncoder, codebooks: int
    ) -> None:
        self._codec = codec
        self._core = core
        self._codebooks = codebooks
        self._held = np.zeros((codec.channels, codec.segment_samples), np.float32)
        self._count = 0  # samples held, of a segment that has begun
        self._finished = False

    @property
    def bandwidth(self) -> float:
        """Kilobits per second; may be set between pushes, the next segment follows it."""
        return self._codec.bandwidth_for(self._codebooks)

    @bandwidth.setter
    def bandwidth(self, kbps: float) -> None:
        self._codebooks = self._codec.codebooks_for(kbps)

    @property
    def codebooks(self) -> int:
        """Codes per frame at the present bandwidth."""
        return self._codebooks

    @property
    def start(self) -> Start:
        """Always "exact": a segment is there as a whole before its first code."""
        return "exact"

    @property
    def lookahead_samples(self) -> int:
        """Samples a segment's first code depends on beyond its own hop: the rest of the segment."""
        return self._codec.segment_samples - self._codec.hop_samples

    def push(self, audio: Audio) -> SegmentedCodes:
        """Take float32 `(channels, samples)`, any number; give the segments they complete.

        Raises
        ------
        TypeError
            Another dtype, shape or layout. Nothing is converted.
        ValueError
            A sample is not finite or beyond +-1024. The stream is as it was before.
        StreamError
            The stream was flushed.
        """
        check_audio(audio, self._codec.channels)
        _refuse_flushed(self._finished)
        _check_samples(audio)
        count = self._count + audio.shape[1]
        if count < self._codec.segment_samples:
            self._held[:, self._count : count] = audio
            self._count = count
            return SegmentedCodes((), self._codebooks)
        signal = np.concatenate((self._held[:, : self._count], audio), axis=1)
        last = count - self._codec.segment_samples
        starts = range(0, last + 1, self._codec.segment_stride)
        codes = self._encode(signal, starts)
        rest = signal[:, starts[-1] + self._codec.segment_stride :]
        self._held[:, : rest.shape[1]] = rest
        self._count = rest.shape[1]
        return codes

    def flush(self) -> SegmentedCodes:
        """End the stream: give the segments that remain, shorter than the others: none to two.

        `reset` must follow before a new push.
        """
        _refuse_flushed(self._finished)
        signal = self._held[:, : self._count]
        codes = self._encode(signal, range(0, self._count, self._codec.segment_stride))
        self._finished = True
        return codes

    def _encode(self, signal: Audio, starts: Sequence[int]) -> SegmentedCodes:
        """The segments of `signal` that begin at `starts`, as many at once as there are slots."""
        length = self._codec.segment_samples
        pieces = [signal[:, start : start + length] for start in starts]
        segments: list[Segment] = []
        for equal in _batches(pieces, self._core.streams, lambda piece: piece.shape[1]):
            scales = [self._codec.scale_of(piece) for piece in equal]
            batch = np.stack([piece / scale for piece, scale in zip(equal, scales, strict=True)])
            slots = np.arange(len(equal), dtype=np.int32)
            whole, begun = self._core.push_many(slots, batch, self._codebooks)
            rest, ended = self._core.push_many(slots, None, self._codebooks)
            for i, scale in enumerate(scales):
                parts = (whole[i, :, : begun[i]], rest[i, :, : ended[i]])
                segments.append(Segment(np.concatenate(parts, axis=1), scale))
                self._core.reset(i)
        return SegmentedCodes(segments, self._codebooks)

    def reset(self) -> None:
        """Begin anew: the same as a fresh encoder."""
        self._count, self._finished = 0, False

    def snapshot(self) -> bytes:
        """The stream's whole state, at most a segment of audio, to `restore` anywhere."""
        held = np.ascontiguousarray(self._held[:, : self._count], "<f4").tobytes()
        return _pack(b"HOPSEGE1", self._codec, self._finished, (self._count, 0, 0), held)

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        """Go on from a snapshot of the same weights, else StreamError."""
        finished, (count, _, _), data = _unpack(b"HOPSEGE1", self._codec, check_snapshot(blob))
        channels = self._codec.channels
        if not 0 <= count < self._codec.segment_samples or len(data) != 4 * channels * count:
            raise StreamError("snapshot: expected part of a segment, got another size")
        held = np.frombuffer(data, "<f4").reshape(channels, count).astype(np.float32)
        if not _ordinary(held):
            raise StreamError("snapshot: expected finite samples within +-1024, got others")
        self._held[:, :count] = held
        self._count, self._finished = count, finished


class SegmentedDecoder:
    """One stream from segments of codes to audio. Made by `SegmentedCodec.decoder`."""

    def __init__(self, codec: SegmentedCodec, core: _core.Decoder | _core.CudaDecoder) -> None:
        self._codec = codec
        self._core = core
        self._overlap = OverlapAdd(codec.channels, codec.segment_stride)
        self._finished = False

    @property
    def start(self) -> Start:
        """Always "exact", as of the encoder."""
        return "exact"

    @property
    def lookahead_samples(self) -> int:
        """Samples of codes that an output depends on beyond its own frame: those of a segment."""
        return self._codec.segment_samples - self._codec.hop_samples

    def push(self, codes: SegmentedCodes) -> Audio:
        """Take any number of segments, give the audio they complete.

        Returns float32 `(channels, samples)`, not clipped: all but the overlap with what follows.

        Raises
        ------
        TypeError
            Not `SegmentedCodes`, or more codebooks than the codec has.
        ValueError
            A code is not below the codebook size, a segment is longer than the codec's, or one
            follows a shorter one. The stream is as it was before.
        StreamError
            The stream was flushed.
        """
        _refuse_flushed(self._finished)
        if not isinstance(codes, SegmentedCodes):
            raise TypeError(f"codes: expected SegmentedCodes, got {type(codes).__name__}")
        self._check(codes)
        audio = [np.zeros((self._codec.channels, 0), np.float32)]
        for equal in _batches(codes, self._core.streams, lambda s: s.codes.shape[1]):
            slots = np.arange(len(equal), dtype=np.int32)
            batch = np.stack([segment.codes for segment in equal])
            begun, whole = self._core.push_many(slots, batch)
            ended, rest = self._core.push_many(slots, None)
            for i, segment in enumerate(equal):
                parts = (begun[i, :, : whole[i]], ended[i, :, : rest[i]])
                decoded = np.concatenate(parts, axis=1) * segment.scale
                audio.append(self._overlap.push(decoded))
                self._core.reset(i)
        return np.concatenate(audio, axis=1)

    def _check(self, codes: SegmentedCodes) -> None:
        """Refuse what does not fit before anything changes."""
        if codes.codebooks > self._codec.codebooks:
            raise TypeError(
                f"codes: expected at most {self._codec.codebooks} codebooks, got {codes.codebooks}"
            )
        hop, stride = self._codec.hop_samples, self._codec.segment_stride
        longest = self._overlap.first // hop if self._overlap.taken else self._codec.segment_frames
        ended = self._overlap.taken > 0 and not self._overlap.weights.size
        for at, segment in enumerate(codes, self._overlap.taken):
            frames = segment.codes.shape[1]
            if ended:
                raise ValueError(
                    f"segment {at}: expected none behind one shorter than {stride} samples, "
                    "which is the last"
                )
            if frames > longest:
                raise ValueError(f"segment {at}: expected at most {longest} frames, got {frames}")
            if int(segment.codes.max()) >= self._codec.codebook_size:
                raise ValueError(
                    f"segment {at}: expected codes below {self._codec.codebook_size}, "
                    f"got {segment.codes.max()}"
                )
            longest = frames if at == 0 else longest
            ended = frames * hop <= stride

    def flush(self) -> Audio:
        """End the stream: give the remaining audio. `reset` must follow before a new push."""
        _refuse_flushed(self._finished)
        self._finished = True
        return self._overlap.flush()

    def reset(self) -> None:
        """Begin anew: the same as a fresh decoder."""
        self._overlap.reset()
        self._finished = False

    def snapshot(self) -> bytes:
        """The stream's whole state, at most a segment of sums, to `restore` anywhere."""
        held = self._overlap
        counts = (held.taken, held.first, held.weights.size)
        rows = np.concatenate((held.sums, held.weights[None])).astype("<f8")
        return _pack(b"HOPSEGD1", self._codec, self._finished, counts, rows.tobytes())

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        """Go on from a snapshot of the same weights, else StreamError."""
        finished, (taken, first, size), data = _unpack(
            b"HOPSEGD1", self._codec, check_snapshot(blob)
        )
        channels = self._codec.channels
        longest = self._codec.segment_frames * self._codec.hop_samples
        fits = taken >= 0 and 0 <= first <= longest and 0 <= size <= longest
        if not fits or len(data) != 8 * (channels + 1) * size:
            raise StreamError("snapshot: expected the overlap of a segment, got another size")
        rows = np.frombuffer(data, "<f8").reshape(channels + 1, size).astype(np.float64)
        if not (np.isfinite(rows).all() and (rows[channels] > 0).all()):
            raise StreamError("snapshot: expected finite sums over positive weights, got others")
        held = self._overlap
        held.taken, held.first = taken, first
        held.sums, held.weights = rows[:channels].copy(), rows[channels].copy()
        self._finished = finished
