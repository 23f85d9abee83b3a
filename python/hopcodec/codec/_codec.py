"""A codec: a spec with weights, ready to encode, decode and stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import sha256
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._checks import Audio, Codes, check_audio, check_codes
from hopcodec.codec._build import Precision, build_layers, build_quantizer
from hopcodec.codec._device import check_device, check_precision, decoder_on, encoder_on
from hopcodec.codec._facts import SpecFacts
from hopcodec.codec._streams import Start, StreamDecoder, StreamEncoder, Streams, zero_start
from hopcodec.errors import WeightsError
from hopcodec.specs._dac import full_hop as with_full_hop
from hopcodec.specs._language import CodecSpec, EuclideanRvq
from hopcodec.specs._lookahead import decoded_samples, truncations

Weights = Mapping[str, npt.NDArray[np.float32]]

_USUAL_BANDWIDTH = 6.0
# 7.75 is what everybody calls 7.751953125 kbps.
_SAME_KBPS = 0.005
# Frames per step of a live session: one is all it ever has. Files go several at a time, so that
# each read of the weights serves more arithmetic; the bits are the same.
FRAMES_PER_STEP = 64


class _SessionOptions(TypedDict):
    channels: int
    hop_samples: int
    streams: int
    max_frames: int
    threads: int
    zero_start: bool
    whole_hops: bool
    isa: str


class Codec(SpecFacts):
    """A neural audio codec that runs on any chunk size with whole-file results.

    Audio is float32 `(channels, samples)` with full scale at 1; codes are uint16
    `(codebooks, frames)`. Made by `hopcodec.load`.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> codec = hopcodec.load()
    >>> codes = codec.encode(np.zeros((1, 24000), np.float32), bandwidth=6.0)
    >>> codes.shape
    (8, 75)
    >>> codec.decode(codes).shape
    (1, 24000)
    """

    def __init__(
        self,
        spec: CodecSpec,
        weights: Weights,
        *,
        threads: int = 1,
        precision: Precision = "fp32",
        seeded: bool = False,
        full_hop: bool = False,
        low_latency: int | None = None,
        isa: str | None = None,
        origin: Callable[[], tuple[CodecSpec, Weights]] | None = None,
        device: str = "cpu",
    ) -> None:
        if spec.segments is not None:
            raise ValueError(f"{spec.name}: expected a spec without segments: see SegmentedCodec")
        check_precision(precision, device)
        spec = with_full_hop(spec) if full_hop else spec
        self.spec = spec
        self.full_hop = full_hop
        self.low_latency = low_latency
        self.device = device
        self.threads = threads
        self.precision: Precision = precision
        self.seeded = seeded
        self._isa = isa or ""
        self._origin = origin
        # Now, not when it is asked for: the packed layers keep the weights in their own order.
        self.fingerprint = _fingerprint(spec, weights)
        cuts = (None, None) if low_latency is None else truncations(spec, low_latency)
        self._encoder_layers = build_layers(spec.encoder, weights, precision, cuts[0])
        self._decoder_layers = build_layers(spec.decoder, weights, precision, cuts[1])
        self._quantizer = build_quantizer(spec.quantizer, weights)

    def __repr__(self) -> str:
        return (
            f"<hopcodec.Codec {self.name}: {self.sample_rate} Hz, {self.channels} channel(s), "
            f"hop {self.hop_samples} samples, up to {max(self.bandwidths)} kbps, "
            f"{self.precision} on {self.device}>"
        )

    @property
    def default_bandwidth(self) -> float:
        """Kilobits per second where none are asked for.

        6.0 where that is on offer, else the highest; always the highest for DAC, whose every
        implementation codes with all codebooks unless told otherwise.
        """
        usual = (
            isinstance(self.spec.quantizer, EuclideanRvq) and _USUAL_BANDWIDTH in self.bandwidths
        )
        return _USUAL_BANDWIDTH if usual else max(self.bandwidths)

    def reload(self) -> tuple[CodecSpec, Weights]:
        """Spec and weights anew from where `hopcodec.load` found them; the codec keeps no copy.

        Raises
        ------
        WeightsError
            The codec was not made by `hopcodec.load`, or its file is not there any more.
        """
        if self._origin is None:
            raise WeightsError(f"{self.name}: expected a codec of hopcodec.load, to read it again")
        return self._origin()

    @cached_property
    def latency_samples(self) -> int:
        """Algorithmic latency, microphone to speaker: one hop and the look-ahead of both sides.

        An encoder works hop by hop: what it looks ahead counts in whole hops. What `start="exact"`
        holds back once, at the beginning, is not part of it.
        """
        encoder = self._encoder_session(1, "exact", 1)
        decoder = self._decoder_session(1, "exact", 1)
        hops = 1 + -(-round(encoder.lookahead_samples) // self.hop_samples)
        return hops * self.hop_samples + round(decoder.lookahead_samples)

    @cached_property
    def lookahead_samples(self) -> int:
        """Samples that what comes out depends on beyond its own hop, both sides together."""
        encoder = self._encoder_session(1, "exact", 1)
        decoder = self._decoder_session(1, "exact", 1)
        return round(encoder.lookahead_samples) + round(decoder.lookahead_samples)

    def codebooks_for(self, bandwidth: float) -> int:
        """Codes per frame at `bandwidth` kbps; ValueError for one that is not on offer.

        Within 0.005 kbps of one on offer is that one: 7.75 for the 7.751953125 of DAC 44.1 kHz.
        """
        near = [
            b
            for b in self.bandwidths
            if isinstance(bandwidth, (int, float)) and abs(b - bandwidth) <= _SAME_KBPS
        ]
        if not near:
            offer = ", ".join(f"{b:g}" for b in self.bandwidths)
            raise ValueError(f"bandwidth: expected one of {offer} kbps, got {bandwidth!r}")
        offered = min(near, key=lambda b: abs(b - bandwidth))
        # The millionth makes up for a rate that no float holds.
        books = math.floor(offered * 1000 / (self.frame_rate * self.bits_per_code) + 1e-6)
        return max(1, min(books, self.codebooks))

    def bandwidth_for(self, codebooks: int) -> float:
        """Kilobits per second of `codebooks` codes per frame."""
        if not isinstance(codebooks, (int, np.integer)) or isinstance(codebooks, bool):
            raise TypeError(f"codebooks: expected an int, got {type(codebooks).__name__}")
        if not 1 <= codebooks <= self.codebooks:
            raise ValueError(f"codebooks: expected 1 to {self.codebooks}, got {codebooks}")
        kbps = int(codebooks) * self.bits_per_code * self.frame_rate / 1000
        # The number on offer rather than one a rounding away from it.
        return next((b for b in self.bandwidths if abs(b - kbps) < 1e-6), kbps)

    def _books(self, bandwidth: float | None, codebooks: int | None) -> int:
        """Codes per frame, from either way of saying so."""
        if codebooks is None:
            return self.codebooks_for(self.default_bandwidth if bandwidth is None else bandwidth)
        if bandwidth is not None:
            raise ValueError(
                f"expected bandwidth or codebooks, got both: {bandwidth!r} and {codebooks!r}"
            )
        self.bandwidth_for(codebooks)  # refuses a number out of range
        return int(codebooks)

    def samples_for(self, frames: int) -> int:
        """Samples that `decode` makes of `frames`.

        `hop_samples` for each, but 8 less in all for a DAC at 16 or 24 kHz without `full_hop`.
        """
        if frames < 0:
            raise ValueError(f"frames: expected at least 0, got {frames}")
        return decoded_samples(self.spec, frames)

    def _encoder_session(self, streams: int, start: Start, max_frames: int) -> _core.Encoder:
        return _core.Encoder(
            self._encoder_layers, self._quantizer, **self._options(streams, start, max_frames)
        )

    def _decoder_session(self, streams: int, start: Start, max_frames: int) -> _core.Decoder:
        return _core.Decoder(
            self._decoder_layers, self._quantizer, **self._options(streams, start, max_frames)
        )

    def _options(self, streams: int, start: Start, max_frames: int) -> _SessionOptions:
        return {
            "channels": self.channels,
            "hop_samples": self.hop_samples,
            "streams": streams,
            "max_frames": max_frames,
            "threads": self.threads,
            "zero_start": zero_start(start),
            "whole_hops": self.spec.whole_hops,
            "isa": self._isa,
        }

    def encoder(
        self,
        bandwidth: float | None = None,
        *,
        codebooks: int | None = None,
        start: Start = "exact",
        max_frames_per_push: int = FRAMES_PER_STEP,
    ) -> StreamEncoder:
        """A new stream from audio to codes.

        Parameters
        ----------
        bandwidth : float, optional
            Kilobits per second, one of `bandwidths`; without it `default_bandwidth`.
        codebooks : int, optional
            Codes per frame instead, 1 to `codebooks`, on offer as a bandwidth or not.
        start : "exact" or "immediate"
            "exact" holds the first frames until the model's start padding is known (for EnCodec
            24 kHz 7 hops, 93 ms, once) and equals the released model. "immediate" pads with
            zeros instead and gives the first frame after one hop; it equals the same model with
            zero padding, and differs audibly only in the first tenth of a second.
        max_frames_per_push : int
            Frames computed per step. Larger chunks are cut into such steps: it bounds memory,
            never the size of a push, and changes no bit.
        """
        core = encoder_on(self, self.device, 1, start, max_frames_per_push)
        return StreamEncoder(self, core, self._books(bandwidth, codebooks), start)

    def decoder(
        self, *, start: Start = "exact", max_frames_per_push: int = FRAMES_PER_STEP
    ) -> StreamDecoder:
        """A new stream from codes to audio; the parameters are those of `encoder`."""
        core = decoder_on(self, self.device, 1, start, max_frames_per_push)
        return StreamDecoder(self, core, start)

    def streams(
        self,
        n: int,
        *,
        bandwidth: float | None = None,
        codebooks: int | None = None,
        start: Start = "exact",
        max_frames_per_push: int = 1,
        device: str | None = None,
    ) -> Streams:
        """`n` (up to 65536, on a GPU 32768) independent duplex streams that step together.

        `device` as for `hopcodec.load`, by default the codec's own; the rest as for `encoder`. On
        a GPU the streams stand in its memory, and every shape of step is captured as a CUDA graph
        before this returns. The precision is the codec's; streams of a "tf32" codec on the CPU
        compute in float32.
        """
        device = self.device if device is None else device
        check_device(device)
        if not isinstance(n, int) or not 1 <= n <= 65536:
            raise ValueError(f"streams: expected 1 to 65536, got {n!r}")
        books = self._books(bandwidth, codebooks)
        encoder = encoder_on(self, device, n, start, max_frames_per_push, books)
        decoder = decoder_on(self, device, n, start, max_frames_per_push)
        return Streams(self, encoder, decoder, books)

    def encode(
        self,
        audio: Audio,
        bandwidth: float | None = None,
        *,
        codebooks: int | None = None,
        start: Start = "exact",
    ) -> Codes:
        """Codes `(codebooks, frames)` of a whole signal `(channels, samples)`: push, then flush.

        `frames` is `ceil(samples / hop_samples)`. Parameters are those of `encoder`, errors those
        of `StreamEncoder.push`.
        """
        encoder = self.encoder(bandwidth, codebooks=codebooks, start=start)
        head = encoder.push(check_audio(audio, self.channels))
        return np.concatenate([head, encoder.flush()], axis=1)

    def decode(self, codes: Codes, samples: int | None = None, *, start: Start = "exact") -> Audio:
        """Audio `(channels, samples)` of whole codes: push, then flush.

        `samples` cuts the last, padded hop: give the length of what was encoded.
        """
        decoder = self.decoder(start=start)
        head = decoder.push(check_codes(codes, self.codebooks))
        audio = np.concatenate([head, decoder.flush()], axis=1)
        if samples is None:
            return audio
        if not 0 <= samples <= audio.shape[1]:
            short = audio.shape[1] < samples <= codes.shape[1] * self.hop_samples
            hint = "; load(..., full_hop=True) gives the last ones too" if short else ""
            raise ValueError(
                f"samples: expected 0 to {audio.shape[1]}, as many as the codes hold, "
                f"got {samples}{hint}"
            )
        return np.ascontiguousarray(audio[:, :samples])


def _fingerprint(spec: CodecSpec, weights: Weights) -> str:
    """8 hexadecimal digits of the weights' SHA-256: one for each model, the same anywhere."""
    digest = sha256()
    for name in spec.tensors():
        digest.update(np.ascontiguousarray(weights[name], "<f4").data)
    return digest.hexdigest()[:8]
