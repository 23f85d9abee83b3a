"""A codec: a spec with weights, ready to encode, decode and stream."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._build import Precision, build_layers, build_quantizer
from hopcodec._check import Audio, Codes, check_audio, check_codes
from hopcodec.errors import DeviceError, WeightsError
from hopcodec.models.spec import CodecSpec, EuclideanRvq
from hopcodec.streaming import Start, StreamDecoder, StreamEncoder, Streams, zero_start

_USUAL_BANDWIDTH = 6.0
# 7.75 is what everybody calls 7.751953125 kbps.
_SAME_KBPS = 0.005
# Frames per step of a live session: one is all it ever has. Files go several at a time, so that
# each read of the weights serves more arithmetic; the bits are the same.
FRAMES_PER_STEP = 16


class _SessionOptions(TypedDict):
    channels: int
    hop_samples: int
    streams: int
    max_frames: int
    threads: int
    zero_start: bool
    isa: str


class Codec:
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
        weights: Mapping[str, npt.NDArray[np.float32]],
        *,
        threads: int = 1,
        precision: Precision = "fp32",
        seeded: bool = False,
        isa: str | None = None,
    ) -> None:
        self.spec = spec
        self.threads = threads
        self.precision: Precision = precision
        self.seeded = seeded
        self._isa = isa or ""
        self.fingerprint = _fingerprint(spec, weights)
        self._encoder_layers = build_layers(spec.encoder, weights, precision)
        self._decoder_layers = build_layers(spec.decoder, weights, precision)
        self._quantizer = build_quantizer(spec.quantizer, weights)

    def __repr__(self) -> str:
        return (
            f"<hopcodec.Codec {self.name}: {self.sample_rate} Hz, {self.channels} channel(s), "
            f"hop {self.hop_samples} samples, up to {max(self.bandwidths)} kbps>"
        )

    @property
    def name(self) -> str:
        """Name of the architecture, as `hopcodec.load` takes it."""
        return self.spec.name

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.spec.sample_rate

    @property
    def channels(self) -> int:
        """Audio channels."""
        return self.spec.channels

    @property
    def hop_samples(self) -> int:
        """Samples per frame of codes."""
        return self.spec.hop_samples

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.spec.frame_rate

    @property
    def codebooks(self) -> int:
        """Codebooks at the highest bandwidth."""
        return self.spec.quantizer.codebooks

    @property
    def codebook_size(self) -> int:
        """Entries per codebook; codes are below it."""
        return self.spec.quantizer.codebook_size

    @property
    def bandwidths(self) -> tuple[float, ...]:
        """Bandwidths on offer, kilobits per second."""
        return self.spec.bandwidths

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

    @cached_property
    def latency_samples(self) -> int:
        """Algorithmic latency, microphone to speaker: one hop and the look-ahead of both sides.

        What `start="exact"` holds back once, at the beginning, is not part of it.
        """
        encoder = self.encoder(max_frames_per_push=1)
        decoder = self.decoder(max_frames_per_push=1)
        return self.hop_samples + encoder.lookahead_samples + decoder.lookahead_samples

    @property
    def bits_per_code(self) -> int:
        """Bits that a code takes in a packed stream; 10 for 1024 entries."""
        return (self.codebook_size - 1).bit_length()

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
        core = self._encoder_session(1, start, max_frames_per_push)
        return StreamEncoder(self, core, self._books(bandwidth, codebooks), start)

    def decoder(
        self, *, start: Start = "exact", max_frames_per_push: int = FRAMES_PER_STEP
    ) -> StreamDecoder:
        """A new stream from codes to audio; the parameters are those of `encoder`."""
        core = self._decoder_session(1, start, max_frames_per_push)
        return StreamDecoder(self, core, start)

    def streams(
        self,
        n: int,
        *,
        bandwidth: float | None = None,
        codebooks: int | None = None,
        start: Start = "exact",
        max_frames_per_push: int = 1,
        device: str = "cpu",
    ) -> Streams:
        """`n` independent duplex streams that step together.

        `device` as for `hopcodec.load`, the rest as for `encoder`.
        """
        check_device(device)
        if not isinstance(n, int) or not 1 <= n <= 65536:
            raise ValueError(f"streams: expected 1 to 65536, got {n!r}")
        encoder = self._encoder_session(n, start, max_frames_per_push)
        decoder = self._decoder_session(n, start, max_frames_per_push)
        return Streams(self, encoder, decoder, self._books(bandwidth, codebooks))

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
            raise ValueError(
                f"samples: expected 0 to {audio.shape[1]}, as many as the codes hold, got {samples}"
            )
        return np.ascontiguousarray(audio[:, :samples])


def _fingerprint(spec: CodecSpec, weights: Mapping[str, npt.NDArray[np.float32]]) -> str:
    """8 hexadecimal digits of the weights' SHA-256: one for each model, the same anywhere."""
    digest = sha256()
    for name in spec.tensors():
        digest.update(weights[name].astype("<f4").tobytes())
    return digest.hexdigest()[:8]


def check_device(device: str) -> None:
    """DeviceError for a device that this build does not drive."""
    if device != "cpu":
        raise DeviceError(f'device: expected "cpu", got "{device}"; this build has no other')


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    device: str = "cpu",
    threads: int = 1,
    precision: Precision = "fp32",
    seeded: bool = False,
) -> Codec:
    """Load a codec.

    Parameters
    ----------
    model : str or path, optional
        `None`: "hopcodec_24khz", whose weights come with the package. Another name, such as
        "encodec_24khz": fetched once from the hub. A path: a Hugging Face folder, a
        `.safetensors` file (of a model trained here, any shape), or an original `.th`/`.pth`.
    device : str
        "cpu".
    threads : int
        Threads that share each step. The bits do not depend on it.
    precision : "fp32" or "bf16"
        How the matrices of both chains are kept. "bf16" rounds them (not the biases, not the
        codebooks) to bfloat16, which halves what a hop reads; the arithmetic stays float32, and
        the result is that of a model with rounded weights, exact as ever. Most codes stay as they
        are; see benchmarks/.
    seeded : bool
        Instead of trained weights, noise from a fixed seed: the shape and cost of the named codec
        without its file, for tests and benchmarks.

    Raises
    ------
    WeightsError
        The file is missing, malformed, or does not fit the codec.
    DeviceError
        The device is not available.
    """
    from hopcodec.models.registry import resolve

    if model is not None and not isinstance(model, (str, os.PathLike)):
        raise TypeError(f"model: expected a name or a path, got {type(model).__name__}")
    check_device(device)
    if not isinstance(threads, int) or isinstance(threads, bool):
        raise TypeError(f"threads: expected an int, got {type(threads).__name__}")
    if not 1 <= threads <= 256:
        raise ValueError(f"threads: expected 1 to 256, got {threads}")
    spec, weights = resolve(model, seeded=seeded)
    try:
        return Codec(spec, weights, threads=threads, precision=precision, seeded=seeded)
    except ValueError as error:  # a spec that came with a file, each field possible, not together
        raise WeightsError(f"{spec.name}: {error}") from error
