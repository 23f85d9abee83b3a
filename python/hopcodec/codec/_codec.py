"""A codec: a spec with weights, ready to encode, decode and stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from pickle import PicklingError
from typing import Any

import numpy as np

from hopcodec._checks import whole
from hopcodec._float_mode import default_float_mode
from hopcodec.codec._by_segments import BySegments
from hopcodec.codec._codes import AnyCodes, join_codes
from hopcodec.codec._device import check_device, check_precision
from hopcodec.codec._facts import SpecFacts
from hopcodec.codec._hop_by_hop import HopByHop
from hopcodec.codec._pool import StreamPool
from hopcodec.codec._sessions import Sessions
from hopcodec.codec._strategy import Strategy
from hopcodec.codec._streams import Decoder, Encoder
from hopcodec.errors import WeightsError
from hopcodec.specs._dac import full_hop as with_full_hop
from hopcodec.specs._language import CodecSpec
from hopcodec.typing import Audio, Precision, Start, Weights


class Codec(SpecFacts):
    """A neural audio codec that runs on any chunk size with whole-file results.

    Audio is float32 `(channels, samples)` with full scale at 1; codes are uint16
    `(codebooks, frames)`. `hopcodec.load` makes it.

    A codec with `segments` (EnCodec 48 kHz) codes a segment once it is there as a whole: its codes
    are `hopcodec.Codes`, which hold the scale of each segment, and it has neither `streams` that
    step together nor live sessions.

    Attributes
    ----------
    sessions : Sessions
        Makes sessions of the compiled core from the packed weights.
    fingerprint : str
        8 hexadecimal digits of the weights' SHA-256.

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
        check_precision(precision, device)
        # Every frame of a segment is a whole hop anyway.
        spec = with_full_hop(spec) if full_hop and spec.segments is None else spec
        self.spec = spec
        self.full_hop = full_hop or spec.segments is not None
        self.low_latency = low_latency
        self.seeded = seeded
        self._origin = origin
        # Now, not when it is asked for: the packed layers keep the weights in their own order.
        self.fingerprint = _fingerprint(spec, weights)
        self.sessions = Sessions.build(
            spec,
            weights,
            device=device,
            threads=threads,
            precision=precision,
            low_latency=low_latency,
            isa=isa,
        )
        self._strategy: Strategy = (
            HopByHop(self.sessions)
            if spec.segments is None
            else BySegments(self.sessions, self.fingerprint)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle where the codec came from, not its weights: a worker reads them again."""
        if self._origin is None:
            raise PicklingError(f"{self.name}: expected a codec of hopcodec.load, to read it again")
        options = {
            "threads": self.threads,
            "precision": self.precision,
            "seeded": self.seeded,
            "full_hop": self.full_hop,
            "low_latency": self.low_latency,
            "device": self.device,
        }
        return _made_again, (self._origin, options, self.fingerprint)

    def __copy__(self) -> Codec:
        """Return the codec itself: nothing of it ever changes."""
        return self

    def __deepcopy__(self, memo: object) -> Codec:
        return self

    def __repr__(self) -> str:
        segments = "" if self.segments is None else f"segments of {self.segments.samples} samples, "
        return (
            f"<hopcodec.Codec {self.name}: {self.sample_rate} Hz, {self.channels} channel(s), "
            f"{segments}hop {self.hop_samples} samples, up to {max(self.bandwidths)} kbps, "
            f"{self.precision} on {self.device}>"
        )

    @property
    def device(self) -> str:
        """Where sessions run by default: "cpu", "cuda" or "cuda:1"."""
        return self.sessions.device

    @property
    def threads(self) -> int:
        """Threads that share each step."""
        return self.sessions.threads

    @property
    def precision(self) -> Precision:
        """How the matrices are kept and multiplied."""
        return self.sessions.precision

    @property
    def latency_samples(self) -> int:
        """Algorithmic latency, microphone to speaker: one hop and the look-ahead of both sides.

        An encoder works hop by hop: what it looks ahead counts in whole hops. What `start="exact"`
        holds back once, at the beginning, is not part of it. With segments: one segment.
        """
        return self._strategy.latency_samples

    @property
    def lookahead_samples(self) -> int:
        """Total look-ahead of encoder and decoder, in samples; with segments, the most there is."""
        return self._strategy.lookahead_samples

    def reload(self) -> tuple[CodecSpec, Weights]:
        """Read spec and weights again from where `hopcodec.load` found them.

        The codec keeps no copy of its weights.

        Raises
        ------
        WeightsError
            The codec was not made by `hopcodec.load`, or its file is not there any more.
        """
        if self._origin is None:
            raise WeightsError(f"{self.name}: expected a codec of hopcodec.load, to read it again")
        return self._origin()

    def samples_for(self, codes: AnyCodes | int) -> int:
        """Return the number of samples that `decode` makes of `codes`.

        Without segments, a number of frames will do instead of codes. `hop_samples` for each
        frame, but for a DAC at 16 or 24 kHz as published: 8 less in all.
        """
        return self._strategy.samples_for(codes)

    def encoder(
        self,
        bandwidth: float | None = None,
        *,
        codebooks: int | None = None,
        start: Start = "exact",
        max_frames_per_push: int | None = None,
    ) -> Encoder:
        """Make a new stream from audio to codes.

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
            zero padding, and differs audibly only in the first tenth of a second. With segments
            only "exact", as a segment is never begun before it is there.
        max_frames_per_push : int, optional
            Frames computed per step, by default 64. Larger chunks are cut into such steps: it
            bounds memory, never the size of a push, and changes no bit. With segments, it counts
            in whole ones and never below one; by default two.
        """
        books = self.chosen_codebooks(bandwidth, codebooks)
        return self._strategy.encoder(books, start, max_frames_per_push)

    def decoder(self, *, start: Start = "exact", max_frames_per_push: int | None = None) -> Decoder:
        """Make a new stream from codes to audio; the parameters are those of `encoder`."""
        return self._strategy.decoder(start, max_frames_per_push)

    def streams(
        self,
        n: int,
        *,
        bandwidth: float | None = None,
        codebooks: int | None = None,
        start: Start = "exact",
        max_frames_per_push: int = 1,
        device: str | None = None,
    ) -> StreamPool:
        """Make `n` (up to 65536, on a GPU 32768) independent duplex streams that step together.

        `device` as for `hopcodec.load`, by default the codec's own; the rest as for `encoder`. On
        a GPU the streams stand in its memory, and every shape of step is captured as a CUDA graph
        before this returns. The precision is the codec's; streams of a "tf32" codec on the CPU
        compute in float32. A codec with segments raises StreamError.
        """
        device = self.device if device is None else device
        check_device(device)
        n = whole("streams", n, 1, 65536)
        books = self.chosen_codebooks(bandwidth, codebooks)
        return self._strategy.pool(n, books, start, max_frames_per_push, device)

    def encode(
        self,
        audio: Audio,
        bandwidth: float | None = None,
        *,
        codebooks: int | None = None,
        start: Start = "exact",
    ) -> AnyCodes:
        """Encode a whole signal `(channels, samples)`: push, then flush.

        Parameters are those of `encoder`, errors those of `Encoder.push`.

        Returns
        -------
        uint16 (codebooks, frames), or Codes for a codec with segments
            `ceil(samples / hop_samples)` frames. A segment begins at every multiple of
            `segments.stride` below the length.
        """
        return self._strategy.encode(audio, self.chosen_codebooks(bandwidth, codebooks), start)

    def decode(
        self, codes: AnyCodes, samples: int | None = None, *, start: Start = "exact"
    ) -> Audio:
        """Decode whole codes to audio `(channels, samples)`: push, then flush.

        `samples` cuts the last, padded hop: give the length of what was encoded.
        """
        audio = self._strategy.decode(codes, start)
        if samples is None:
            return audio
        if not 0 <= samples <= audio.shape[1]:
            most = codes.shape[1] * self.hop_samples
            short = not self.full_hop and audio.shape[1] < samples <= most
            hint = "; load(..., full_hop=True) gives the last ones too" if short else ""
            raise ValueError(
                f"samples: expected 0 to {audio.shape[1]}, as many as the codes hold, "
                f"got {samples}{hint}"
            )
        return np.ascontiguousarray(audio[:, :samples])

    def join(self, parts: Iterable[AnyCodes]) -> AnyCodes:
        """Put together the codes that successive pushes and the flush gave; at least one part.

        Raises
        ------
        TypeError
            Parts of both kinds, or with different numbers of codebooks.
        ValueError
            There is no part.

        Examples
        --------
        >>> import hopcodec, numpy as np
        >>> codec = hopcodec.load()
        >>> encoder = codec.encoder(6.0)
        >>> codes = codec.join([encoder.push(np.zeros((1, 4800), np.float32)), encoder.flush()])
        >>> codes.shape
        (8, 15)
        """
        return join_codes(parts)


def _fingerprint(spec: CodecSpec, weights: Weights) -> str:
    """Return 8 hexadecimal digits of the weights' SHA-256, the same on every machine."""
    digest = sha256()
    for name in spec.tensors():
        digest.update(np.ascontiguousarray(weights[name], "<f4").data)
    return digest.hexdigest()[:8]


@default_float_mode()
def _made_again(
    origin: Callable[[], tuple[CodecSpec, Weights]], options: dict[str, Any], fingerprint: str
) -> Codec:
    """Make the codec that `Codec.__reduce__` described."""
    spec, weights = origin()
    codec = Codec(spec, weights, origin=origin, **options)
    if codec.fingerprint != fingerprint:
        raise WeightsError(
            f"{codec.name}: expected weights {fingerprint}, as where the codec was pickled, "
            f"got {codec.fingerprint}: the file has changed"
        )
    return codec
