"""Streams: an encoder or a decoder of one signal, fed piece by piece.

The contract: pushing a signal in any pieces and flushing gives, bit for bit, what one push of the
whole signal and a flush give. One stream belongs to one thread at a time; the GIL is released
while it computes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from hopcodec.codec._codes import AnyCodes
from hopcodec.codec._facts import SpecFacts
from hopcodec.typing import Audio, CodeArray, Start


class Encoder(ABC):
    """One stream from audio to codes. `Codec.encoder` makes it.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> encoder = hopcodec.load().encoder(bandwidth=6.0, start="immediate")
    >>> encoder.push(np.zeros((1, 320), np.float32)).shape
    (8, 1)
    """

    def __init__(self, facts: SpecFacts, codebooks: int, start: Start) -> None:
        self._facts = facts
        self._codebooks = codebooks
        self._start: Start = start

    @property
    def bandwidth(self) -> float:
        """Kilobits per second; may be set between pushes, the next frame or segment follows it."""
        return self._facts.bandwidth_for(self._codebooks)

    @bandwidth.setter
    def bandwidth(self, kbps: float) -> None:
        self._codebooks = self._facts.codebooks_for(kbps)

    @property
    def codebooks(self) -> int:
        """Codes per frame; may be set between pushes instead of the bandwidth."""
        return self._codebooks

    @codebooks.setter
    def codebooks(self, count: int) -> None:
        self._facts.bandwidth_for(count)  # refuses a number out of range
        self._codebooks = int(count)

    @property
    def start(self) -> Start:
        """The start policy, "exact" or "immediate"; always "exact" for segments."""
        return self._start

    @property
    @abstractmethod
    def lookahead_samples(self) -> int:
        """Samples a code depends on beyond its own hop, once the stream has started.

        With segments: the most, for the first code of a segment.
        """

    @abstractmethod
    def push(self, audio: Audio, *, out: CodeArray | None = None) -> AnyCodes:
        """Take any number of samples and return the codes they complete.

        Parameters
        ----------
        audio : float32 (channels, samples)
            Samples >= 0, finite, full scale at 1.
        out : uint16 (codebooks, room), optional
            Where to write, with room for every hop that is complete but not yet given. The result
            is then a view of its first columns. Not for segments.

        Returns
        -------
        uint16 (codebooks, frames)
            Frames >= 0. With segments, the `Codes` of those that are complete.

        Raises
        ------
        TypeError
            Another dtype, shape or layout. Nothing is converted.
        ValueError
            A sample is not finite or beyond +-1024. The stream is as it was before.
        StreamError
            The stream was flushed, or another thread is using it.
        """

    @abstractmethod
    def flush(self) -> AnyCodes:
        """End the stream and return the remaining codes.

        The last, partial hop is padded as the model pads; the last segments are shorter than the
        others, none to two of them. `reset` must follow before a new push.
        """

    @abstractmethod
    def latents(self, audio: Audio, *, last: bool = False) -> Audio:
        """Push (and flush, when `last`), but return the latents before quantisation.

        Returns float32 `(latent dim, frames)`. With segments, StreamError.
        """

    @abstractmethod
    def reset(self) -> None:
        """Begin anew: the same as a fresh encoder."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """Return the stream's whole state, to `restore` here or in another process.

        It takes tens of kilobytes; with segments, up to a segment of audio.
        """

    @abstractmethod
    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        """Continue from a snapshot of the same weights and start policy, else StreamError."""


class Decoder(ABC):
    """One stream from codes to audio. `Codec.decoder` makes it.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> decoder = hopcodec.load().decoder(start="immediate")
    >>> decoder.push(np.zeros((8, 2), np.uint16)).shape
    (1, 560)
    """

    def __init__(self, start: Start) -> None:
        self._start: Start = start

    @property
    def start(self) -> Start:
        """The start policy, "exact" or "immediate"; always "exact" for segments."""
        return self._start

    @property
    @abstractmethod
    def lookahead_samples(self) -> int:
        """Samples of codes that an output depends on beyond its own frame.

        With segments: the most, for the first sample of a segment.
        """

    @abstractmethod
    def push(self, codes: AnyCodes, *, out: Audio | None = None) -> Audio:
        """Take any number of frames or segments and return the audio they complete.

        Parameters
        ----------
        codes : uint16 (codebooks, frames), or `Codes` for a codec with segments
            Any number of codebooks from 1; it may change from push to push.
        out : float32 (channels, room), optional
            Where to write, with room for every hop that is complete but not yet given. The result
            is then a view of its first columns. Not for segments.

        Returns
        -------
        float32 (channels, samples)
            Not clipped: a decoder may overshoot full scale. With segments, all samples but those
            that overlap with what follows.

        Raises
        ------
        TypeError
            Another dtype, shape or layout, or codes of the other kind.
        ValueError
            A code is not below the codebook size, a segment is longer than the codec's, or one
            follows a shorter one. The stream is as it was before.
        StreamError
            The stream was flushed, or another thread is using it.
        """

    @abstractmethod
    def flush(self) -> Audio:
        """End the stream and return the remaining audio. `reset` must follow before a new push."""

    @abstractmethod
    def reset(self) -> None:
        """Begin anew: the same as a fresh decoder."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """Return the stream's whole state, to `restore` here or in another process."""

    @abstractmethod
    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        """Continue from a snapshot of the same weights and start policy, else StreamError."""
