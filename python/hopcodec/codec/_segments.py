"""What a segmented codec codes a signal to, and where its segments lie.

samples   0                    stride                 2 stride
segment 0 |------------ samples ----------|
segment 1                      |------------ samples ----------|
segment 2                                             |---- the rest ----|
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from hopcodec._checks import Audio, Codes, check_codes

LEAST_SCALE = 1e-8  # added to every loudness, so that silence divides by it (encodec/model.py)
MOST_SCALE = 2048.0  # no loudness of samples within +-1024 comes near


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment's codes, uint16 `(codebooks, frames)`, and the scale its audio is multiplied by.

    The scale is a float32; 1 for a codec that does not normalise.
    """

    codes: Codes
    scale: np.float32

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segment):
            return NotImplemented
        return self.scale == other.scale and np.array_equal(self.codes, other.codes)

    __hash__ = None  # type: ignore[assignment]  # arrays have none


class SegmentedCodes(Sequence[Segment]):
    """Segments in order, all of as many codebooks: what `SegmentedCodec.encode` gives.

    Parameters
    ----------
    segments
        In the order of time. Their codes are C-contiguous uint16, their scales 0 to 2048.
    codebooks
        Of each segment; told apart, as there may be no segment.

    Examples
    --------
    >>> import numpy as np
    >>> codes = SegmentedCodes([Segment(np.zeros((4, 150), np.uint16), np.float32(0.1))], 4)
    >>> len(codes), codes.frames, codes.scales
    (1, 150, array([0.1], dtype=float32))
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

    @classmethod
    def join(cls, parts: Iterable[SegmentedCodes]) -> SegmentedCodes:
        """What several pushes gave, one behind the other; at least one part."""
        whole = list(parts)
        if not whole:
            raise ValueError("parts: expected at least one, got none")
        return cls((segment for part in whole for segment in part), whole[0].codebooks)

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
    def __getitem__(self, index: slice) -> SegmentedCodes: ...
    def __getitem__(self, index: int | slice) -> Segment | SegmentedCodes:
        if isinstance(index, slice):
            return SegmentedCodes(self._segments[index], self.codebooks)
        return self._segments[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SegmentedCodes):
            return NotImplemented
        return self.codebooks == other.codebooks and self._segments == other._segments

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<hopcodec.SegmentedCodes: {len(self)} segments, shape {self.shape}>"


def loudness(audio: Audio) -> np.float32:
    """The scale of a segment `(channels, samples)`: the root mean square of its mean channel.

    1e-8 is added, so that silence can be divided by it.
    In float64, channels and then samples added in order (a running sum; `np.sum` would add in an
    order of the machine's), and rounded once: the same bits everywhere. The original sums in
    float32, which differs by some 1e-7.
    """
    mono = np.zeros(audio.shape[1])
    for channel in audio:
        mono += channel
    mono /= audio.shape[0]
    energy = np.cumsum(mono * mono)[-1]
    return np.float32(LEAST_SCALE + np.sqrt(energy / audio.shape[1]))
