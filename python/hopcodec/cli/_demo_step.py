"""The unit of a codec's work, for the demo's clock: a hop or a segment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec


@dataclass(frozen=True)
class Step:
    """The unit that a codec computes at a time: a hop, or a segment of hops.

    It is `samples` long. The next one comes `interval` samples later, which is the time to compute
    it: a hop's own length, or less than a segment's, because segments overlap.
    """

    name: Literal["hop", "segment"]
    samples: int
    interval: int
    rate_hz: int

    @property
    def samples_ms(self) -> float:
        """Length of a step: 13.33 ms for EnCodec 24 kHz, 1000 ms for 48 kHz."""
        return 1000.0 * self.samples / self.rate_hz

    @property
    def interval_ms(self) -> float:
        """Time from a step to the next one."""
        return 1000.0 * self.interval / self.rate_hz

    def ends(self, samples: int) -> list[int]:
        """List the ends of the whole steps of so many samples."""
        return list(range(self.samples, samples + 1, self.interval))


def step_of(codec: Codec) -> Step:
    """Return the unit that `codec` computes at a time."""
    segments = codec.segments
    if segments is None:
        return Step("hop", codec.hop_samples, codec.hop_samples, codec.sample_rate)
    return Step("segment", segments.samples, segments.stride, codec.sample_rate)
