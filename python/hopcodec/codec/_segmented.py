"""A codec that codes its signal in overlapping segments, each on its own (EnCodec 48 kHz)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np

from hopcodec import _core
from hopcodec._checks import Audio
from hopcodec.codec._build import Precision
from hopcodec.codec._codec import Codec, Weights
from hopcodec.codec._device import decoder_on, encoder_on
from hopcodec.codec._facts import SpecFacts
from hopcodec.codec._segmented_streams import SegmentedDecoder, SegmentedEncoder
from hopcodec.codec._segments import SegmentedCodes, loudness
from hopcodec.codec._streams import Start, Streams
from hopcodec.errors import StreamError
from hopcodec.specs._language import CodecSpec

T = TypeVar("T")

# Segments that are computed together: an LSTM's weights are read once for all of them. Each takes
# 30 MB; a third and a fourth gain little.
SEGMENTS_PER_STEP = 2


@contextmanager
def _borrowed(spare: list[T], make: Callable[[], T]) -> Iterator[T]:
    """The spare session, or a new one; left as the spare unless an error came between."""
    try:
        core = spare.pop()
    except IndexError:
        core = make()
    yield core
    spare[:] = [core]


class SegmentedCodec(SpecFacts):
    """A neural audio codec of segments, with the methods of `Codec`. Made by `hopcodec.load`.

    Audio is float32 `(channels, samples)` with full scale at 1. A segment is normalised to its own
    loudness and over its own length, so nothing comes out before it is there as a whole: a stream
    gives a segment's codes when its last sample came, and no live session can run on it.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> codec = hopcodec.load("encodec_48khz", seeded=True)
    >>> codes = codec.encode(np.zeros((2, 60000), np.float32), bandwidth=6.0)
    >>> [segment.codes.shape for segment in codes]
    [(4, 150), (4, 39)]
    >>> codec.decode(codes, samples=60000).shape
    (2, 60000)
    """

    def __init__(
        self,
        spec: CodecSpec,
        weights: Weights,
        *,
        threads: int = 1,
        precision: Precision = "fp32",
        seeded: bool = False,
        isa: str | None = None,
        origin: Callable[[], tuple[CodecSpec, Weights]] | None = None,
        device: str = "cpu",
    ) -> None:
        if spec.segments is None:
            raise ValueError(f"{spec.name}: expected a spec with segments, got one without")
        self.spec = spec
        self._segments = spec.segments
        # A session's memory takes as long to prepare as a second of audio to code: `encode` and
        # `decode` leave one for their next call.
        self._spare_encoders: list[_core.Encoder | _core.CudaEncoder] = []
        self._spare_decoders: list[_core.Decoder | _core.CudaDecoder] = []
        # What codes one segment: a stream that begins and ends with it.
        self._inner = Codec(
            replace(spec, segments=None),
            weights,
            threads=threads,
            precision=precision,
            seeded=seeded,
            isa=isa,
            origin=origin,
            device=device,
        )

    def __repr__(self) -> str:
        return (
            f"<hopcodec.SegmentedCodec {self.name}: {self.sample_rate} Hz, "
            f"{self.channels} channel(s), segments of {self.segment_samples} samples, "
            f"hop {self.hop_samples}, up to {max(self.bandwidths)} kbps>"
        )

    @property
    def segment_samples(self) -> int:
        """Samples of a whole segment; 48000 for EnCodec 48 kHz."""
        return self._segments.samples

    @property
    def segment_stride(self) -> int:
        """Samples from the beginning of a segment to that of the next; 47520."""
        return self._segments.stride

    @property
    def segment_frames(self) -> int:
        """Frames of a whole segment; 150."""
        return -(-self.segment_samples // self.hop_samples)

    @property
    def default_bandwidth(self) -> float:
        """Kilobits per second where none are asked for."""
        return self._inner.default_bandwidth

    @property
    def latency_samples(self) -> int:
        """Samples from one going in to its coming out, at most: a whole segment."""
        return self.segment_samples

    @property
    def lookahead_samples(self) -> int:
        """Samples that what comes out depends on beyond its own hop, at most: a segment's rest."""
        return self.segment_samples - self.hop_samples

    @property
    def full_hop(self) -> bool:
        """Always: every frame is decoded to `hop_samples`."""
        return True

    @property
    def low_latency(self) -> None:
        """Always None: a segment is coded with all of its look-ahead."""
        return None

    @property
    def device(self) -> str:
        """Where segments are computed."""
        return self._inner.device

    @property
    def threads(self) -> int:
        """Threads that share each step."""
        return self._inner.threads

    @property
    def precision(self) -> Precision:
        """How the matrices are kept."""
        return self._inner.precision

    @property
    def seeded(self) -> bool:
        """Whether the weights are noise."""
        return self._inner.seeded

    @property
    def fingerprint(self) -> str:
        """8 hexadecimal digits of the weights' SHA-256."""
        return self._inner.fingerprint

    def codebooks_for(self, bandwidth: float) -> int:
        """Codes per frame at `bandwidth` kbps; ValueError for one that is not on offer."""
        return self._inner.codebooks_for(bandwidth)

    def bandwidth_for(self, codebooks: int) -> float:
        """Kilobits per second of `codebooks` codes per frame."""
        return self._inner.bandwidth_for(codebooks)

    def reload(self) -> tuple[CodecSpec, Weights]:
        """Spec and weights anew, as `Codec.reload`."""
        return self._inner.reload()

    def samples_for(self, codes: SegmentedCodes) -> int:
        """Samples that `decode` makes of `codes`.

        Of the codes, not of a number of frames as with `Codec`: as many frames may be of one whole
        segment or of two, overlapping.
        """
        if not isinstance(codes, SegmentedCodes):
            raise TypeError(f"codes: expected SegmentedCodes, got {type(codes).__name__}")
        ends = (
            at * self.segment_stride + segment.codes.shape[1] * self.hop_samples
            for at, segment in enumerate(codes)
        )
        return max(ends, default=0)

    def scale_of(self, segment: Audio) -> np.float32:
        """What a segment's audio is divided by: its `loudness`, or 1 without normalisation."""
        return loudness(segment) if self._segments.normalise else np.float32(1.0)

    def _slots(self, start: Start, max_frames_per_push: int | None) -> int:
        """Segments that a session computes together."""
        if start != "exact":
            raise ValueError(
                f'start: expected "exact", got {start!r}: {self.name} is given whole segments'
            )
        if max_frames_per_push is None:
            return SEGMENTS_PER_STEP
        return max(1, min(max_frames_per_push // self.segment_frames, SEGMENTS_PER_STEP))

    def encoder(
        self,
        bandwidth: float | None = None,
        *,
        codebooks: int | None = None,
        start: Start = "exact",
        max_frames_per_push: int | None = None,
    ) -> SegmentedEncoder:
        """A new stream from audio to segments of codes.

        Parameters
        ----------
        bandwidth : float, optional
            Kilobits per second, one of `bandwidths`; without it `default_bandwidth`.
        codebooks : int, optional
            Codes per frame instead, 1 to `codebooks`.
        start : "exact"
            There is no other: a segment is never begun before it is there.
        max_frames_per_push : int, optional
            Bounds memory, in whole segments and never below one; changes no bit.
        """
        books = self._inner._books(bandwidth, codebooks)
        slots = self._slots(start, max_frames_per_push)
        core = encoder_on(self._inner, self.device, slots, start, self.segment_frames)
        return SegmentedEncoder(self, core, books)

    def decoder(
        self, *, start: Start = "exact", max_frames_per_push: int | None = None
    ) -> SegmentedDecoder:
        """A new stream from segments of codes to audio; the parameters are those of `encoder`."""
        slots = self._slots(start, max_frames_per_push)
        core = decoder_on(self._inner, self.device, slots, start, self.segment_frames)
        return SegmentedDecoder(self, core)

    def streams(self, n: int, **_: object) -> Streams:
        """Refused: streams step together hop by hop, and here nothing is given hop by hop.

        An `encoder()` and a `decoder()` for each stream do the same work.
        """
        raise StreamError(
            f"{self.name} codes whole segments of {self.segment_samples} samples and has no "
            "streams that step hop by hop: expected an encoder() and a decoder() for each stream"
        )

    def encode(
        self,
        audio: Audio,
        bandwidth: float | None = None,
        *,
        codebooks: int | None = None,
        start: Start = "exact",
    ) -> SegmentedCodes:
        """Codes and scales of a whole signal `(channels, samples)`: push, then flush.

        A segment begins at every multiple of `segment_stride` below the length. Errors are those
        of `SegmentedEncoder.push`.
        """
        books = self._inner._books(bandwidth, codebooks)
        slots = self._slots(start, None)
        with _borrowed(
            self._spare_encoders,
            lambda: encoder_on(self._inner, self.device, slots, start, self.segment_frames),
        ) as core:
            encoder = SegmentedEncoder(self, core, books)
            head = encoder.push(audio)
            return SegmentedCodes.join((head, encoder.flush()))

    def decode(
        self, codes: SegmentedCodes, samples: int | None = None, *, start: Start = "exact"
    ) -> Audio:
        """Audio `(channels, samples)` of whole codes: push, then flush.

        `samples` cuts the last, padded hop: give the length of what was encoded.
        """
        slots = self._slots(start, None)
        with _borrowed(
            self._spare_decoders,
            lambda: decoder_on(self._inner, self.device, slots, start, self.segment_frames),
        ) as core:
            decoder = SegmentedDecoder(self, core)
            head = decoder.push(codes)
            audio = np.concatenate([head, decoder.flush()], axis=1)
        if samples is None:
            return audio
        if not 0 <= samples <= audio.shape[1]:
            raise ValueError(
                f"samples: expected 0 to {audio.shape[1]}, as many as the codes hold, got {samples}"
            )
        return np.ascontiguousarray(audio[:, :samples])
