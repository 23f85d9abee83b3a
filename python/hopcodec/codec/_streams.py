"""Streams: an encoder, a decoder, or many of each, that live from hop to hop.

The contract: pushing a signal in any pieces and flushing gives, bit for bit, what one push of the
whole signal and a flush give. One session belongs to one thread at a time; the GIL is released
while it computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from hopcodec import _core
from hopcodec._checks import Audio, Codes, check_audio, check_codes, check_snapshot

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

Start = Literal["exact", "immediate"]


def zero_start(start: Start) -> bool:
    """Whether a start policy pads with zeros; ValueError for an unknown one."""
    if start not in ("exact", "immediate"):
        raise ValueError(f'start: expected "exact" or "immediate", got {start!r}')
    return start == "immediate"


class StreamEncoder:
    """One stream from audio to codes. Made by `Codec.encoder`.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> encoder = hopcodec.load().encoder(bandwidth=6.0, start="immediate")
    >>> encoder.push(np.zeros((1, 320), np.float32)).shape
    (8, 1)
    """

    def __init__(
        self,
        codec: Codec,
        core: _core.Encoder | _core.CudaEncoder,
        codebooks: int,
        start: Start,
    ) -> None:
        self._codec = codec
        self._core = core
        self._start: Start = start
        self._codebooks = codebooks

    @property
    def bandwidth(self) -> float:
        """Kilobits per second; may be set between pushes, the next frame follows it."""
        return self._codec.bandwidth_for(self._codebooks)

    @bandwidth.setter
    def bandwidth(self, kbps: float) -> None:
        self._codebooks = self._codec.codebooks_for(kbps)

    @property
    def codebooks(self) -> int:
        """Codes per frame; may be set between pushes instead of the bandwidth."""
        return self._codebooks

    @codebooks.setter
    def codebooks(self, count: int) -> None:
        self._codec.bandwidth_for(count)  # refuses a number out of range
        self._codebooks = int(count)

    @property
    def start(self) -> Start:
        """The start policy, "exact" or "immediate"."""
        return self._start

    @property
    def lookahead_samples(self) -> int:
        """Samples a code depends on beyond its own hop, once the stream has started."""
        return round(self._core.lookahead_samples)

    def push(self, audio: Audio, *, out: Codes | None = None) -> Codes:
        """Take any number of samples, give the frames they complete.

        Parameters
        ----------
        audio : float32 (channels, samples)
            Samples >= 0, finite, full scale at 1.
        out : uint16 (codebooks, room), optional
            Where to write, with room for every hop that is complete but not yet given. The result
            is then a view of its first columns.

        Returns
        -------
        uint16 (codebooks, frames)
            Frames >= 0.

        Raises
        ------
        TypeError
            Another dtype, shape or layout. Nothing is converted.
        ValueError
            A sample is not finite or beyond +-1024. The stream is as it was before.
        StreamError
            The stream was flushed, or another thread is using it.
        """
        return self._core.push(check_audio(audio, self._codec.channels), self._codebooks, out)

    def flush(self) -> Codes:
        """End the stream: give the remaining frames, `(codebooks, frames)`.

        The last, partial hop is padded as the model pads. `reset` must follow before a new push.
        """
        return self._core.flush(self._codebooks)

    def latents(self, audio: Audio, *, last: bool = False) -> Audio:
        """As `push` (and `flush`, when `last`), but give the latents before quantisation.

        Returns float32 `(latent dim, frames)`.
        """
        return self._core.latents(check_audio(audio, self._codec.channels), last)

    def reset(self) -> None:
        """Begin anew: the same as a fresh encoder."""
        self._core.reset()

    def snapshot(self) -> bytes:
        """The stream's whole state (tens of kilobytes), to `restore` here or in another process."""
        return self._core.snapshot()

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        """Go on from a snapshot of the same weights and start policy, else StreamError."""
        self._core.restore(check_snapshot(blob))


class StreamDecoder:
    """One stream from codes to audio. Made by `Codec.decoder`.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> decoder = hopcodec.load().decoder(start="immediate")
    >>> decoder.push(np.zeros((8, 2), np.uint16)).shape
    (1, 560)
    """

    def __init__(self, codec: Codec, core: _core.Decoder | _core.CudaDecoder, start: Start) -> None:
        self._codec = codec
        self._core = core
        self._start: Start = start

    @property
    def start(self) -> Start:
        """The start policy, "exact" or "immediate"."""
        return self._start

    @property
    def lookahead_samples(self) -> int:
        """Samples of codes that an output depends on beyond its own frame."""
        return round(self._core.lookahead_samples)

    def push(self, codes: Codes, *, out: Audio | None = None) -> Audio:
        """Take any number of frames, give the audio they complete.

        Parameters
        ----------
        codes : uint16 (codebooks, frames)
            Any number of codebooks from 1; it may change from push to push.
        out : float32 (channels, room), optional
            Where to write, with room for every hop that is complete but not yet given. The result
            is then a view of its first columns.

        Returns
        -------
        float32 (channels, samples)
            Not clipped: a decoder may overshoot full scale.

        Raises
        ------
        TypeError
            Another dtype, shape or layout.
        ValueError
            A code is not below the codebook size. The stream is as it was before.
        StreamError
            The stream was flushed, or another thread is using it.
        """
        return self._core.push(check_codes(codes, self._codec.codebooks), out)

    def flush(self) -> Audio:
        """End the stream: give the remaining audio. `reset` must follow before a new push."""
        return self._core.flush()

    def reset(self) -> None:
        """Begin anew: the same as a fresh decoder."""
        self._core.reset()

    def snapshot(self) -> bytes:
        """The stream's whole state, to `restore` here or in another process."""
        return self._core.snapshot()

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        """Go on from a snapshot of the same weights and start policy, else StreamError."""
        self._core.restore(check_snapshot(blob))


class Streams:
    """Many independent streams that step together and share every read of the weights.

    A stream is a slot, 0 to n - 1. Each keeps its own state: slots may start, reset and end at
    different times, and give the same bits as if each ran alone. Made by `Codec.streams`.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> streams = hopcodec.load().streams(4, start="immediate")
    >>> codes, frames = streams.encode(np.zeros((4, 1, 320), np.float32))
    >>> codes.shape, frames.tolist()
    ((4, 8, 1), [1, 1, 1, 1])
    """

    def __init__(
        self,
        codec: Codec,
        encoder: _core.Encoder | _core.CudaEncoder,
        decoder: _core.Decoder | _core.CudaDecoder,
        codebooks: int,
    ) -> None:
        self._codec = codec
        self._encoder = encoder
        self._decoder = decoder
        self._codebooks = codebooks

    def __len__(self) -> int:
        return self._encoder.streams

    @property
    def bandwidth(self) -> float:
        """Kilobits per second of `encode`."""
        return self._codec.bandwidth_for(self._codebooks)

    @property
    def codebooks(self) -> int:
        """Codes per frame of `encode`."""
        return self._codebooks

    def _slots(self, slots: object) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        if slots is None:
            return np.arange(len(self), dtype=np.int32)
        array = np.atleast_1d(np.asarray(slots))
        if array.dtype == np.bool_:
            if array.shape != (len(self),):
                raise TypeError(f"slots: expected a mask of {len(self)}, got {array.shape}")
            array = np.flatnonzero(array)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise TypeError("slots: expected a list of slot numbers or a boolean mask")
        for slot in array.tolist():
            if not 0 <= slot < len(self):
                raise IndexError(f"slots: expected 0 to {len(self) - 1}, got {slot}")
        return array.astype(np.int32)

    def encode(
        self, audio: Audio, slots: object = None
    ) -> tuple[Codes, np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """Push equally long audio into some slots (default: all).

        Parameters
        ----------
        audio : float32 (len(slots), channels, samples)
        slots : sequence of int, or boolean mask (n,)
            Which streams take part; the others stand still.

        Returns
        -------
        codes : uint16 (len(slots), codebooks, frames)
        frames : int64 (len(slots),)
            How many frames of each item are valid: streams that are just starting give fewer.
        """
        index = self._slots(slots)
        checked = check_audio(audio, self._codec.channels, batch=len(index))
        return self._encoder.push_many(index, checked, self._codebooks)

    def decode(
        self, codes: Codes, slots: object = None
    ) -> tuple[Audio, np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """Push equally many frames into some slots; the mirror image of `encode`."""
        index = self._slots(slots)
        checked = check_codes(codes, self._codec.codebooks, batch=len(index))
        return self._decoder.push_many(index, checked)

    def flush_encode(
        self, slots: object = None
    ) -> tuple[Codes, np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """End the encoder side of some slots; `reset` makes them free for a new stream."""
        return self._encoder.push_many(self._slots(slots), None, self._codebooks)

    def flush_decode(
        self, slots: object = None
    ) -> tuple[Audio, np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """End the decoder side of some slots."""
        return self._decoder.push_many(self._slots(slots), None)

    def reset(self, slots: object = None) -> None:
        """Begin some slots anew, both sides; the others do not notice."""
        for slot in self._slots(slots):
            self._encoder.reset(int(slot))
            self._decoder.reset(int(slot))

    def snapshot(self, slot: int) -> tuple[bytes, bytes]:
        """State of one slot: encoder side, decoder side. Fits single streams too."""
        return self._encoder.snapshot(slot), self._decoder.snapshot(slot)

    def restore(self, slot: int, blobs: tuple[bytes, bytes]) -> None:
        """Set one slot to a snapshot, both sides or neither."""
        before = self._encoder.snapshot(slot)
        self._encoder.restore(check_snapshot(blobs[0]), slot)
        try:
            self._decoder.restore(check_snapshot(blobs[1]), slot)
        except BaseException:
            self._encoder.restore(before, slot)
            raise
