"""Code a signal in overlapping segments, each on its own (EnCodec 48 kHz).

A segment is normalised to its own loudness and over its own length, so nothing comes out before it
is there as a whole: a stream gives a segment's codes when its last sample came, and no live session
can run on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from hopcodec import _core
from hopcodec.codec._codes import AnyCodes, Codes
from hopcodec.codec._pool import StreamPool
from hopcodec.codec._segment_streams import SegmentDecoder, SegmentEncoder, SegmentFacts
from hopcodec.codec._sessions import Sessions
from hopcodec.errors import StreamError
from hopcodec.typing import Audio, Start

T = TypeVar("T")

# Segments that are computed together: an LSTM's weights are read once for all of them. Each takes
# 30 MB; a third and a fourth gain little.
SEGMENTS_PER_STEP = 2


@contextmanager
def _borrowed(spare: list[T], make: Callable[[], T]) -> Iterator[T]:
    """Borrow the cached session, or create one. It returns to the cache unless an error occurs."""
    try:
        core = spare.pop()
    except IndexError:
        core = make()
    yield core
    spare[:] = [core]


class BySegments:
    """Encode and decode each segment as a stream that begins and ends with it."""

    def __init__(self, sessions: Sessions, fingerprint: str) -> None:
        self._sessions = sessions
        self._facts = SegmentFacts(sessions.spec, fingerprint)
        # A session's memory takes as long to prepare as a second of audio to code: `encode` and
        # `decode` leave one for their next call.
        self._spare_encoders: list[_core.sessions.Encoder | _core.cuda.Encoder] = []
        self._spare_decoders: list[_core.sessions.Decoder | _core.cuda.Decoder] = []

    @property
    def latency_samples(self) -> int:
        """Worst-case delay from input to output: one segment."""
        return self._facts.layout.samples

    @property
    def lookahead_samples(self) -> int:
        """The most that an output depends on beyond its own hop: the rest of a segment."""
        return self._facts.lookahead_samples

    def samples_for(self, codes: AnyCodes | int) -> int:
        """Return the samples that `codes` hold.

        A number of frames does not say: as many frames may be of one whole segment or of two,
        overlapping.
        """
        if not isinstance(codes, Codes):
            raise TypeError(f"codes: expected Codes, got {type(codes).__name__}")
        hop, stride = self._facts.hop_samples, self._facts.layout.stride
        ends = (at * stride + part.shape[1] * hop for at, part in enumerate(codes.arrays))
        return max(ends, default=0)

    def encoder(self, codebooks: int, start: Start, max_frames: int | None) -> SegmentEncoder:
        """Make a stream from audio to segments of codes."""
        core = self._encoder_session(self._slots(start, max_frames))
        return SegmentEncoder(self._facts, core, codebooks)

    def decoder(self, start: Start, max_frames: int | None) -> SegmentDecoder:
        """Make a stream from segments of codes to audio."""
        core = self._decoder_session(self._slots(start, max_frames))
        return SegmentDecoder(self._facts, core)

    def pool(
        self, n: int, codebooks: int, start: Start, max_frames: int, device: str
    ) -> StreamPool:
        """Refuse: streams step together hop by hop, and segments are not given hop by hop."""
        raise StreamError(
            f"{self._facts.name} codes whole segments of {self._facts.layout.samples} samples and "
            "has no streams that step hop by hop: expected an encoder() and a decoder() for each "
            "stream"
        )

    def encode(self, audio: Audio, codebooks: int, start: Start) -> Codes:
        """Encode a whole signal: push, then flush."""
        slots = self._slots(start, None)
        with _borrowed(self._spare_encoders, lambda: self._encoder_session(slots)) as core:
            encoder = SegmentEncoder(self._facts, core, codebooks)
            return encoder.push(audio) + encoder.flush()

    def decode(self, codes: AnyCodes, start: Start) -> Audio:
        """Decode whole codes: push, then flush."""
        slots = self._slots(start, None)
        with _borrowed(self._spare_decoders, lambda: self._decoder_session(slots)) as core:
            decoder = SegmentDecoder(self._facts, core)
            head = decoder.push(codes)
            return np.concatenate([head, decoder.flush()], axis=1)

    def _slots(self, start: Start, max_frames: int | None) -> int:
        """Return how many segments a session computes together."""
        if start != "exact":
            raise ValueError(
                f'start: expected "exact", got {start!r}: {self._facts.name} is given whole '
                "segments"
            )
        if max_frames is None:
            return SEGMENTS_PER_STEP
        return max(1, min(max_frames // self._facts.frames, SEGMENTS_PER_STEP))

    def _encoder_session(self, slots: int) -> _core.sessions.Encoder | _core.cuda.Encoder:
        return self._sessions.encoder(slots, "exact", self._facts.frames)

    def _decoder_session(self, slots: int) -> _core.sessions.Decoder | _core.cuda.Decoder:
        return self._sessions.decoder(slots, "exact", self._facts.frames)
