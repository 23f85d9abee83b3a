"""Codes of a signal: a plain array, or segments of codes with their scales."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, overload

import numpy as np
import numpy.typing as npt

from hopcodec._checks import check_codes
from hopcodec.typing import Audio, CodeArray

MOST_SCALE = 2048.0  # no loudness of samples within +-1024 comes near


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment's codes, uint16 `(codebooks, frames)`, and the scale its audio is multiplied by.

    The scale is a float32; 1 for a codec that does not normalise.
    """

    codes: CodeArray
    scale: np.float32

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segment):
            return NotImplemented
        return self.scale == other.scale and np.array_equal(self.codes, other.codes)

    __hash__ = None  # type: ignore[assignment]  # arrays have none


class Codes(Sequence[Segment]):
    """Codes with scales: segments in order, all with the same number of codebooks.

    `Codec.encode` gives them for a codec with segments (EnCodec 48 kHz); the codes of every other
    codec are a plain array. `codes[i]` is a segment and `codes[i:j]` the `Codes` of some of them;
    `a + b` puts the segments of `b` behind those of `a`.

    Parameters
    ----------
    segments
        In the order of time. Their codes are C-contiguous uint16, their scales 0 to 2048.
    codebooks
        Codebooks per segment. Given separately because the list may be empty.

    Examples
    --------
    >>> import numpy as np
    >>> codes = Codes([Segment(np.zeros((4, 150), np.uint16), np.float32(0.1))], 4)
    >>> len(codes), codes.frames, codes.scales
    (1, 150, array([0.1], dtype=float32))
    >>> np.asarray(codes).shape
    (4, 150)
    """

    def __init__(self, segments: Iterable[Segment], codebooks: int) -> None:
        self._segments = tuple(segments)
        self._codebooks = codebooks
        for at, segment in enumerate(self._segments):
            check_codes(segment.codes, codebooks)
            if segment.codes.shape[0] != codebooks or segment.codes.shape[1] == 0:
                raise TypeError(
                    f"segment {at}: expected codes of shape ({codebooks}, at least 1), "
                    f"got {segment.codes.shape}"
                )
            if not isinstance(segment.scale, np.float32):
                got = type(segment.scale).__name__
                raise TypeError(f"segment {at}: expected a float32 scale, got {got}")
            if not 0 <= segment.scale <= MOST_SCALE:  # NaN is refused too
                raise ValueError(
                    f"segment {at}: expected a scale from 0 to {MOST_SCALE:g}, got {segment.scale}"
                )

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments, in the order of time."""
        return self._segments

    @property
    def codebooks(self) -> int:
        """Codes per frame."""
        return self._codebooks

    @property
    def frames(self) -> int:
        """Frames of all segments together; those of an overlap count in both."""
        return sum(segment.codes.shape[1] for segment in self._segments)

    @property
    def shape(self) -> tuple[int, int]:
        """`(codebooks, frames)`, as of one array of all the codes."""
        return self.codebooks, self.frames

    @property
    def arrays(self) -> list[CodeArray]:
        """The segments' codes, each uint16 `(codebooks, frames)`."""
        return [segment.codes for segment in self._segments]

    @property
    def scales(self) -> Audio:
        """The segments' scales, float32 `(segments,)`."""
        return np.array([segment.scale for segment in self._segments], np.float32)

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> Codes: ...
    def __getitem__(self, index: int | slice) -> Segment | Codes:
        if isinstance(index, slice):
            return Codes(self._segments[index], self.codebooks)
        return self._segments[index]

    def __add__(self, other: Codes) -> Codes:
        if not isinstance(other, Codes):
            return NotImplemented
        return Codes((*self._segments, *other._segments), self.codebooks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codes):
            return NotImplemented
        return self.codebooks == other.codebooks and self._segments == other._segments

    __hash__ = None  # type: ignore[assignment]
    __array_ufunc__ = None  # an array and `Codes` have no sum, and are not compared by elements

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> CodeArray:
        """Return the codes of all segments side by side, `(codebooks, frames)`, without scales."""
        if copy is False:
            raise ValueError("copy: expected True or None, as the segments are separate arrays")
        empty = np.zeros((self.codebooks, 0), np.uint16)
        return np.concatenate([empty, *self.arrays], axis=1).astype(dtype or np.uint16, copy=False)

    def __repr__(self) -> str:
        return f"<hopcodec.Codes: {len(self)} segments, shape {self.shape}>"


AnyCodes: TypeAlias = CodeArray | Codes
"""Codes of any codec: an array `(codebooks, frames)`, or `Codes` of one with segments."""


def join_codes(parts: Iterable[AnyCodes]) -> AnyCodes:
    """Put together what successive pushes gave, all of one kind; at least one part.

    Raises
    ------
    TypeError
        Parts of both kinds, or with different numbers of codebooks.
    ValueError
        There is no part.
    """
    whole = list(parts)
    if not whole:
        raise ValueError("parts: expected at least one, got none")
    segmented = [part for part in whole if isinstance(part, Codes)]
    if not segmented:
        books = {part.shape[0] for part in whole}
        if len(books) > 1:
            raise TypeError(f"parts: expected one number of codebooks, got {sorted(books)}")
        return np.ascontiguousarray(np.concatenate(whole, axis=1))
    if len(segmented) < len(whole):
        raise TypeError("parts: expected arrays or Codes, got both")
    return Codes((segment for part in segmented for segment in part), segmented[0].codebooks)


def cut_codes(codes: AnyCodes, most_frames: int) -> Iterator[AnyCodes]:
    """Yield contiguous pieces of an array, `most_frames` at a time; `Codes` in one piece."""
    if isinstance(codes, Codes):
        yield codes
        return
    for first in range(0, codes.shape[1], most_frames):
        yield np.ascontiguousarray(codes[:, first : first + most_frames])


def same_codes(one: AnyCodes, other: AnyCodes) -> bool:
    """Return whether two codes are equal, including the scales of segments."""
    if isinstance(one, Codes) or isinstance(other, Codes):
        return bool(one == other)  # an array and `Codes` are never equal
    return np.array_equal(one, other)


def code_arrays(codes: AnyCodes) -> list[CodeArray]:
    """Return the arrays `(codebooks, frames)` in codes: one, or one per segment."""
    return codes.arrays if isinstance(codes, Codes) else [codes]
