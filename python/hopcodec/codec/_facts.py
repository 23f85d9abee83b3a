"""Properties that a codec derives from its spec."""

from __future__ import annotations

import math

import numpy as np

from hopcodec._checks import whole
from hopcodec.specs._language import CodecSpec, EuclideanRvq, Segments

_USUAL_BANDWIDTH = 6.0
# 7.75 is what everybody calls 7.751953125 kbps.
_SAME_KBPS = 0.005


class SpecFacts:
    """Rates, sizes and bandwidths of a codec; its streams need no more of it."""

    spec: CodecSpec

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
    def segments(self) -> Segments | None:
        """Length and distance of the segments that are coded; None if it codes hop by hop."""
        return self.spec.segments

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
    def bits_per_code(self) -> int:
        """Bits that a code takes in a packed stream; 10 for 1024 entries."""
        return (self.codebook_size - 1).bit_length()

    @property
    def default_bandwidth(self) -> float:
        """Kilobits per second if none are asked for.

        6.0 if that is on offer, else the highest; always the highest for DAC, whose every
        implementation codes with all codebooks unless told otherwise.
        """
        usual = (
            isinstance(self.spec.quantizer, EuclideanRvq) and _USUAL_BANDWIDTH in self.bandwidths
        )
        return _USUAL_BANDWIDTH if usual else max(self.bandwidths)

    def codebooks_for(self, bandwidth: float) -> int:
        """Return the codes per frame at `bandwidth` kbps; ValueError for one not on offer.

        A bandwidth within 0.005 kbps of one on offer stands for that one: 7.75 for the
        7.751953125 of DAC 44.1 kHz.
        """
        near = [
            b
            for b in self.bandwidths
            if isinstance(bandwidth, (int, float, np.integer, np.floating))
            and abs(b - float(bandwidth)) <= _SAME_KBPS
        ]
        if not near:
            offer = ", ".join(f"{b:g}" for b in self.bandwidths)
            raise ValueError(f"bandwidth: expected one of {offer} kbps, got {bandwidth!r}")
        offered = min(near, key=lambda b: abs(b - float(bandwidth)))
        # The millionth makes up for a rate that no float holds.
        books = math.floor(offered * 1000 / (self.frame_rate * self.bits_per_code) + 1e-6)
        return max(1, min(books, self.codebooks))

    def bandwidth_for(self, codebooks: int) -> float:
        """Return the kilobits per second of `codebooks` codes per frame."""
        codebooks = whole("codebooks", codebooks, 1, self.codebooks)
        kbps = codebooks * self.bits_per_code * self.frame_rate / 1000
        # The number on offer rather than one a rounding away from it.
        return next((b for b in self.bandwidths if abs(b - kbps) < 1e-6), kbps)

    def chosen_codebooks(self, bandwidth: float | None, codebooks: int | None) -> int:
        """Return the codes per frame that a bandwidth or a number of codebooks asks for.

        Raises
        ------
        TypeError, ValueError
            Both are given, or one that the codec does not have.
        """
        if codebooks is None:
            return self.codebooks_for(self.default_bandwidth if bandwidth is None else bandwidth)
        if bandwidth is not None:
            raise ValueError(
                f"expected bandwidth or codebooks, got both: {bandwidth!r} and {codebooks!r}"
            )
        self.bandwidth_for(codebooks)  # refuses a number out of range
        return int(codebooks)
