"""Many streams in one session: slots that step together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._checks import check_audio, check_codes, check_snapshot
from hopcodec.codec._facts import SpecFacts
from hopcodec.typing import Audio, CodeArray

Counts = npt.NDArray[np.int64]


class StreamPool:
    """Many independent streams that step together and share every read of the weights.

    A stream is a slot, 0 to n - 1. Each keeps its own state: slots may start, reset and end at
    different times, and give the same bits as if each ran alone. `Codec.streams` makes a pool.

    Examples
    --------
    >>> import hopcodec, numpy as np
    >>> pool = hopcodec.load().streams(4, start="immediate")
    >>> codes, frames = pool.encode(np.zeros((4, 1, 320), np.float32))
    >>> codes.shape, frames.tolist()
    ((4, 8, 1), [1, 1, 1, 1])
    """

    def __init__(
        self,
        facts: SpecFacts,
        encoder: _core.sessions.Encoder | _core.cuda.Encoder,
        decoder: _core.sessions.Decoder | _core.cuda.Decoder,
        codebooks: int,
    ) -> None:
        self._facts = facts
        self._encoder = encoder
        self._decoder = decoder
        self._codebooks = codebooks

    def __len__(self) -> int:
        return self._encoder.streams

    @property
    def bandwidth(self) -> float:
        """Kilobits per second of `encode`."""
        return self._facts.bandwidth_for(self._codebooks)

    @property
    def codebooks(self) -> int:
        """Codes per frame of `encode`."""
        return self._codebooks

    def _slots(self, slots: object) -> npt.NDArray[np.int32]:
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

    def encode(self, audio: Audio, slots: object = None) -> tuple[CodeArray, Counts]:
        """Push equally long audio into some slots (default: all).

        Parameters
        ----------
        audio : float32 (len(slots), channels, samples)
        slots : sequence of int, or boolean mask (n,)
            The streams that take part; the others do not move.

        Returns
        -------
        codes : uint16 (len(slots), codebooks, frames)
        frames : int64 (len(slots),)
            Valid frames of each item: streams that are just starting give fewer.
        """
        index = self._slots(slots)
        checked = check_audio(audio, self._facts.channels, batch=len(index))
        return self._encoder.push_many(index, checked, self._codebooks)

    def decode(self, codes: CodeArray, slots: object = None) -> tuple[Audio, Counts]:
        """Push equally many frames into some slots; parameters and results mirror `encode`."""
        index = self._slots(slots)
        checked = check_codes(codes, self._facts.codebooks, batch=len(index))
        return self._decoder.push_many(index, checked)

    def flush_encode(self, slots: object = None) -> tuple[CodeArray, Counts]:
        """End the encoder side of some slots; `reset` frees them for new streams."""
        return self._encoder.push_many(self._slots(slots), None, self._codebooks)

    def flush_decode(self, slots: object = None) -> tuple[Audio, Counts]:
        """End the decoder side of some slots."""
        return self._decoder.push_many(self._slots(slots), None)

    def reset(self, slots: object = None) -> None:
        """Begin some slots anew, both sides; the others are not affected."""
        for slot in self._slots(slots):
            self._encoder.reset(int(slot))
            self._decoder.reset(int(slot))

    def snapshot(self, slot: int) -> tuple[bytes, bytes]:
        """Return the state of one slot, encoder and decoder; a single stream can restore it too."""
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
