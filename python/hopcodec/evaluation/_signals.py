"""What a metric compares: one channel of samples that knows its rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

# No codec adds more than a few frames at its end; a wrong rate is off by far more.
_MOST_EXCESS_SECONDS: Final = 0.25


@dataclass(frozen=True, eq=False)
class Signal:
    """Mono float32 `(samples,)` at `rate_hz`."""

    samples: Samples
    rate_hz: int
    _resampled: dict[int, Samples] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise TypeError(
                f"signal: expected float32 (samples,), got {self.samples.dtype} "
                f"{self.samples.shape}"
            )
        if self.rate_hz <= 0 or len(self.samples) == 0:
            raise ValueError(
                f"signal: expected samples at a rate above 0 Hz, got {len(self.samples)} "
                f"at {self.rate_hz} Hz"
            )

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate_hz

    def at(self, rate_hz: int) -> Samples:
        """The samples at another rate (soxr, VHQ); computed once per rate."""
        if rate_hz == self.rate_hz:
            return self.samples
        if rate_hz not in self._resampled:
            import soxr  # type: ignore[import-untyped]

            out = soxr.resample(self.samples, self.rate_hz, rate_hz, quality="VHQ")
            self._resampled[rate_hz] = np.asarray(out, dtype=np.float32)
        return self._resampled[rate_hz]


@dataclass(frozen=True, eq=False)
class Pair:
    """A clip before and after a codec, with what is said in it if that is known."""

    reference: Signal
    decoded: Signal
    transcript: str | None = None

    def __post_init__(self) -> None:
        expected, got = self.reference.seconds, self.decoded.seconds
        if abs(got - expected) > _MOST_EXCESS_SECONDS:
            raise ValueError(
                f"decoded: expected about {expected:.2f} s as before, got {got:.2f} s "
                f"at {self.decoded.rate_hz} Hz; is that its rate?"
            )

    @property
    def rate_hz(self) -> int:
        """The rate at which the clip was given to the codec under test."""
        return self.reference.rate_hz

    def at(self, rate_hz: int) -> tuple[Samples, Samples]:
        """Both signals at one rate and of the reference's length.

        Codecs round up to frames and resamplers to samples: what the decoded signal has beyond
        the reference is cut, what it lacks is silence.
        """
        reference, decoded = self.reference.at(rate_hz), self.decoded.at(rate_hz)
        missing = len(reference) - len(decoded)
        if missing > 0:
            decoded = np.pad(decoded, (0, missing))
        return reference, decoded[: len(reference)]
