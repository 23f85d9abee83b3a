"""What is judged: a codec at one bitrate, a peer at one bitrate, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hopcodec.evaluation._signals import Signal

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec


@dataclass(frozen=True, eq=False)
class Decoded:
    """What came back, and how many bits of payload carried it."""

    signal: Signal
    bits: int


class System(Protocol):
    """One row of the table.

    `run` gives audio aligned with what it was given: a system's own delay is its to remove.
    """

    @property
    def family(self) -> str:
        """Name without the bitrate: one line in the plot."""

    @property
    def kbps(self) -> float | None:
        """Nominal bitrate; None if nothing is coded."""

    def run(self, signal: Signal) -> Decoded:
        """Through encoder and decoder; raises `Unavailable` if it cannot run here."""


def label(system: System) -> str:
    """A system's name in tables and reports."""
    return system.family if system.kbps is None else f"{system.family} {system.kbps:g}"


@dataclass(frozen=True, eq=False)
class Uncoded:
    """The clip itself: the top of every scale, and the error rate of the recogniser."""

    family: str = "uncoded"
    kbps: float | None = None

    def run(self, signal: Signal) -> Decoded:
        """The signal as it is, counted as 16-bit PCM."""
        return Decoded(signal, 16 * len(signal.samples))


@dataclass(frozen=True, eq=False)
class Hopcodec:
    """A codec of this package at one of its bandwidths.

    The whole file goes through `encode` and `decode`, which give the bits of a live stream.
    """

    codec: Codec
    kbps: float

    @property
    def family(self) -> str:
        """The model's name."""
        return self.codec.name

    def run(self, signal: Signal) -> Decoded:
        """Encode and decode; the bits are those of the packed codes, without a file's header."""
        codec = self.codec
        audio = np.repeat(signal.samples[None], codec.channels, axis=0)
        codes = codec.encode(np.ascontiguousarray(audio), bandwidth=self.kbps)
        out = np.zeros_like(audio)
        decoded = codec.decode(codes)[:, : audio.shape[1]]
        out[:, : decoded.shape[1]] = decoded  # DAC at 16 and 24 kHz gives 8 samples less
        bits = codes.shape[0] * codes.shape[1] * codec.bits_per_code
        return Decoded(Signal(out.mean(axis=0), codec.sample_rate), bits)
