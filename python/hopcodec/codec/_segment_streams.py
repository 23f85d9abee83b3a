"""Streams of a codec with segments: pushed in any pieces, given segment by segment.

samples   0                    stride                 2 stride
segment 0 |------------ samples ----------|
segment 1                      |------------ samples ----------|
segment 2                                             |---- the rest ----|

The contract is that of `hopcodec.codec._streams`: any pieces and a flush give the bits of the whole
file. It holds because only whole segments are ever computed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeVar

import numpy as np

from hopcodec import _core
from hopcodec._checks import check_audio, check_samples, check_snapshot
from hopcodec._float_mode import default_float_mode
from hopcodec.codec._codes import AnyCodes, Codes, Segment
from hopcodec.codec._facts import SpecFacts
from hopcodec.codec._one_thread import OneThread
from hopcodec.codec._overlap import OverlapAdd
from hopcodec.codec._streams import Decoder, Encoder
from hopcodec.errors import StreamError
from hopcodec.specs._language import CodecSpec, Segments
from hopcodec.typing import Audio, CodeArray

T = TypeVar("T")

LEAST_SCALE: Final = 1e-8  # added to every loudness: silence can be divided (encodec/model.py)
# What a snapshot begins with: mark, CRC-32 of the rest, weights, flushed, three counts.
_SNAPSHOT: Final = struct.Struct("<8sI8s?qqq")


@dataclass(frozen=True)
class SegmentFacts(SpecFacts):
    """Properties of a codec with segments that its streams need."""

    spec: CodecSpec
    fingerprint: str

    @property
    def layout(self) -> Segments:
        """Length and distance of the segments."""
        assert self.spec.segments is not None
        return self.spec.segments

    @property
    def frames(self) -> int:
        """Frames of a whole segment."""
        return -(-self.layout.samples // self.hop_samples)

    @property
    def lookahead_samples(self) -> int:
        """Samples that a segment's first code depends on beyond its own hop: the whole rest."""
        return self.layout.samples - self.hop_samples

    def scale_of(self, segment: Audio) -> np.float32:
        """Return the divisor of a segment's audio: its loudness, or 1 without normalisation."""
        return loudness(segment) if self.layout.normalise else np.float32(1.0)


def loudness(audio: Audio) -> np.float32:
    """Return the scale of a segment: the root mean square of its mean channel, plus 1e-8.

    Computed in float64, channels and then samples added in order (a running sum; `np.sum` would
    add in an order that depends on the machine), and rounded once: the same bits everywhere. The
    original sums in float32, which differs by about 1e-7.
    """
    mono = np.zeros(audio.shape[1])
    for channel in audio:
        mono += channel
    mono /= audio.shape[0]
    energy = np.cumsum(mono * mono)[-1]
    return np.float32(LEAST_SCALE + np.sqrt(energy / audio.shape[1]))


def _pack(
    mark: bytes, facts: SegmentFacts, finished: bool, counts: Sequence[int], *arrays: bytes
) -> bytes:
    tail = _SNAPSHOT.pack(mark, 0, facts.fingerprint.encode(), finished, *counts)[12:]
    body = tail + b"".join(arrays)
    return mark + struct.pack("<I", zlib.crc32(body)) + body


def _unpack(
    mark: bytes, facts: SegmentFacts, blob: bytes
) -> tuple[bool, tuple[int, int, int], bytes]:
    if len(blob) < _SNAPSHOT.size or blob[:8] != mark:
        raise StreamError(f"snapshot: expected the mark {mark.decode()}, got something else")
    _, crc, weights, finished, *counts = _SNAPSHOT.unpack_from(blob)
    if crc != zlib.crc32(blob[12:]):
        raise StreamError("snapshot: the checksum does not match: the bytes are damaged")
    if weights != facts.fingerprint.encode():
        raise StreamError("snapshot: expected one of the same codec and weights, got another's")
    return finished, (counts[0], counts[1], counts[2]), blob[_SNAPSHOT.size :]


def _batches(items: Iterable[T], most: int, length: Callable[[T], int]) -> Iterator[list[T]]:
    """Neighbours of one length, at most `most` at a time."""
    for _, equal in groupby(items, length):
        rest = list(equal)
        for first in range(0, len(rest), most):
            yield rest[first : first + most]


def _refuse_flushed(finished: bool) -> None:
    if finished:
        raise StreamError("the stream was flushed: expected reset() before the next push or flush")


def _refuse(out: object) -> None:
    if out is not None:
        raise TypeError(f"out: expected None with segments, got {type(out).__name__}")


class SegmentEncoder(Encoder):
    """One stream from audio to segments of codes."""

    _facts: SegmentFacts

    def __init__(
        self, facts: SegmentFacts, core: _core.sessions.Encoder | _core.cuda.Encoder, codebooks: int
    ) -> None:
        super().__init__(facts, codebooks, "exact")
        self._core = core
        self._held = np.zeros((facts.channels, facts.layout.samples), np.float32)
        self._count = 0  # samples held, of a segment that has begun
        self._finished = False
        self._alone = OneThread()

    @property
    def lookahead_samples(self) -> int:
        return self._facts.lookahead_samples

    def push(self, audio: Audio, *, out: CodeArray | None = None) -> Codes:
        check_audio(audio, self._facts.channels)
        _refuse(out)
        with self._alone:
            _refuse_flushed(self._finished)
            check_samples(audio)
            return self._push(audio)

    def _push(self, audio: Audio) -> Codes:
        length, stride = self._facts.layout.samples, self._facts.layout.stride
        count = self._count + audio.shape[1]
        if count < length:
            self._held[:, self._count : count] = audio
            self._count = count
            return Codes((), self._codebooks)
        signal = np.concatenate((self._held[:, : self._count], audio), axis=1)
        starts = range(0, count - length + 1, stride)
        codes = self._encode(signal, starts)
        rest = signal[:, starts[-1] + stride :]
        self._held[:, : rest.shape[1]] = rest
        self._count = rest.shape[1]
        return codes

    def flush(self) -> Codes:
        with self._alone:
            _refuse_flushed(self._finished)
            signal = self._held[:, : self._count]
            codes = self._encode(signal, range(0, self._count, self._facts.layout.stride))
            self._finished = True
            return codes

    def latents(self, audio: Audio, *, last: bool = False) -> Audio:
        raise StreamError(
            f"{self._facts.name} codes whole segments: expected push(), as latents() goes hop by "
            "hop"
        )

    @default_float_mode()
    def _encode(self, signal: Audio, starts: Sequence[int]) -> Codes:
        """Encode the segments of `signal` that begin at `starts`, as many at once as slots."""
        length = self._facts.layout.samples
        pieces = [signal[:, start : start + length] for start in starts]
        segments: list[Segment] = []
        for equal in _batches(pieces, self._core.streams, lambda piece: piece.shape[1]):
            scales = [self._facts.scale_of(piece) for piece in equal]
            batch = np.stack([piece / scale for piece, scale in zip(equal, scales, strict=True)])
            slots = np.arange(len(equal), dtype=np.int32)
            whole, begun = self._core.push_many(slots, batch, self._codebooks)
            rest, ended = self._core.push_many(slots, None, self._codebooks)
            for i, scale in enumerate(scales):
                parts = (whole[i, :, : begun[i]], rest[i, :, : ended[i]])
                segments.append(Segment(np.concatenate(parts, axis=1), scale))
                self._core.reset(i)
        return Codes(segments, self._codebooks)

    def reset(self) -> None:
        with self._alone:
            self._count, self._finished = 0, False

    def snapshot(self) -> bytes:
        with self._alone:
            held = np.ascontiguousarray(self._held[:, : self._count], "<f4").tobytes()
            return _pack(b"HOPSEGE1", self._facts, self._finished, (self._count, 0, 0), held)

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        finished, (count, _, _), data = _unpack(b"HOPSEGE1", self._facts, check_snapshot(blob))
        channels = self._facts.channels
        if not 0 <= count < self._facts.layout.samples or len(data) != 4 * channels * count:
            raise StreamError("snapshot: expected part of a segment, got another size")
        held = np.frombuffer(data, "<f4").reshape(channels, count).astype(np.float32)
        try:
            check_samples(held)
        except ValueError as error:
            raise StreamError(f"snapshot: {error}") from error
        with self._alone:
            self._held[:, :count] = held
            self._count, self._finished = count, finished


class SegmentDecoder(Decoder):
    """One stream from segments of codes to audio."""

    def __init__(
        self, facts: SegmentFacts, core: _core.sessions.Decoder | _core.cuda.Decoder
    ) -> None:
        super().__init__("exact")
        self._facts = facts
        self._core = core
        self._overlap = OverlapAdd(facts.channels, facts.layout.stride)
        self._finished = False
        self._alone = OneThread()

    @property
    def lookahead_samples(self) -> int:
        return self._facts.lookahead_samples

    def push(self, codes: AnyCodes, *, out: Audio | None = None) -> Audio:
        _refuse(out)
        with self._alone:
            _refuse_flushed(self._finished)
            if not isinstance(codes, Codes):
                raise TypeError(f"codes: expected Codes, got {type(codes).__name__}")
            self._check(codes)
            return self._push(codes)

    @default_float_mode()
    def _push(self, codes: Codes) -> Audio:
        audio = [np.zeros((self._facts.channels, 0), np.float32)]
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

    def _check(self, codes: Codes) -> None:
        """Refuse codes that do not fit before anything changes."""
        facts = self._facts
        if codes.codebooks > facts.codebooks:
            raise TypeError(
                f"codes: expected at most {facts.codebooks} codebooks, got {codes.codebooks}"
            )
        hop, stride = facts.hop_samples, facts.layout.stride
        longest = self._overlap.first // hop if self._overlap.taken else facts.frames
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
            if int(segment.codes.max()) >= facts.codebook_size:
                raise ValueError(
                    f"segment {at}: expected codes below {facts.codebook_size}, "
                    f"got {segment.codes.max()}"
                )
            longest = frames if at == 0 else longest
            ended = frames * hop <= stride

    def flush(self) -> Audio:
        with self._alone:
            _refuse_flushed(self._finished)
            self._finished = True
            with default_float_mode():
                return self._overlap.flush()

    def reset(self) -> None:
        with self._alone:
            self._overlap.reset()
            self._finished = False

    def snapshot(self) -> bytes:
        with self._alone:
            held = self._overlap
            counts = (held.taken, held.first, held.weights.size)
            rows = np.concatenate((held.sums, held.weights[None])).astype("<f8")
            return _pack(b"HOPSEGD1", self._facts, self._finished, counts, rows.tobytes())

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        finished, (taken, first, size), data = _unpack(
            b"HOPSEGD1", self._facts, check_snapshot(blob)
        )
        channels = self._facts.channels
        longest = self._facts.frames * self._facts.hop_samples
        fits = taken >= 0 and 0 <= first <= longest and 0 <= size <= longest
        if not fits or len(data) != 8 * (channels + 1) * size:
            raise StreamError("snapshot: expected the overlap of a segment, got another size")
        rows = np.frombuffer(data, "<f8").reshape(channels + 1, size).astype(np.float64)
        if not (np.isfinite(rows).all() and (rows[channels] > 0).all()):
            raise StreamError("snapshot: expected finite sums over positive weights, got others")
        with self._alone:
            held = self._overlap
            held.taken, held.first = taken, first
            held.sums, held.weights = rows[:channels].copy(), rows[channels].copy()
            self._finished = finished
