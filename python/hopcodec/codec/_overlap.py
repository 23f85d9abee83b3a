"""Linear overlap-add of decoded segments; a sample is given as soon as it is final.

Each segment is weighted by a triangle over the length of the first one and the sum is divided by
the sum of the weights (encodec/utils.py, `_linear_overlap_add`). As only the ratio of the weights
counts, they are the integers 1, 2, 3 ... 3, 2, 1, which are exact; where a single segment lies,
its samples pass as they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hopcodec.typing import Audio

Wide = npt.NDArray[np.float64]


class OverlapAdd:
    """Add up segments `(channels, samples)` that begin `stride` samples apart."""

    def __init__(self, channels: int, stride: int) -> None:
        self.channels = channels
        self.stride = stride
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.taken = 0  # segments
        self.first = 0  # samples of the first one: the width of every triangle
        # Samples not yet given: weighted sums and their weights.
        self.sums: Wide = np.zeros((self.channels, 0))
        self.weights: Wide = np.zeros(0)

    def push(self, segment: Audio) -> Audio:
        """Add a segment; return the samples before the place of the next.

        Raises
        ------
        ValueError
            It is longer than the first, or the one before did not reach it. Nothing has changed.
        """
        length = segment.shape[1]
        if self.taken and length > self.first:
            raise ValueError(
                f"segment {self.taken}: expected at most {self.first} samples, as the first has, "
                f"got {length}"
            )
        if self.taken and not self.weights.size:
            raise ValueError(
                f"segment {self.taken}: expected none behind a segment shorter than {self.stride} "
                "samples, which is the last"
            )
        if not self.taken:
            self.first = length
        self.taken += 1
        held = self.weights.size
        shared = min(held, length)
        weights = self._triangle(0, shared)
        self.sums[:, :shared] += weights * segment[:, :shared]
        self.weights[:shared] += weights
        settled = min(held, self.stride)
        given = np.empty((self.channels, min(max(held, length), self.stride)), np.float32)
        given[:, :settled] = self.sums[:, :settled] / self.weights[:settled]
        given[:, settled:] = segment[:, settled : self.stride]
        alone = min(max(held, self.stride), length)
        weights = self._triangle(alone, length)
        sums = (self.sums[:, self.stride :], weights * segment[:, alone:])
        self.sums = np.concatenate(sums, axis=1)
        self.weights = np.concatenate((self.weights[self.stride :], weights))
        return given

    def _triangle(self, begin: int, end: int) -> Wide:
        place = np.arange(begin + 1, end + 1)
        return np.minimum(place, self.first + 1 - place).astype(np.float64)

    def flush(self) -> Audio:
        """Return the samples that remain when no further segment follows."""
        rest = (self.sums / self.weights).astype(np.float32)
        self.sums, self.weights = self.sums[:, :0], self.weights[:0]
        return rest
