"""Live figures as plain values, read from the core's lock-free counters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hopcodec.live._link import LinkStatus


@dataclass(frozen=True)
class Durations:
    """A distribution in milliseconds. Quantiles are within 2.2 %, and the maximum is exact."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float

    @classmethod
    def of(cls, histogram: dict[str, Any]) -> Durations:
        """Convert the core's histogram, which is in microseconds."""
        names = ("mean", "p50", "p90", "p99", "p999", "max")
        times = {f"{name}_ms": histogram[f"{name}_us"] / 1000.0 for name in names}
        return cls(count=histogram["count"], **times)


@dataclass(frozen=True)
class Latency:
    """The parts of the latency from microphone to speaker, in milliseconds.

    The buffers are those of the device's periods and its driver. `queue` is the constant distance
    between capture and play-out that the engine keeps, without `compute`. `added` is the cost of
    the codec beyond a pass-through of the same device. All are computed from sizes of buffers;
    `hopcodec bench --live` measures.
    """

    input_buffer: float
    resampler_in: float
    framing: float
    lookahead: float
    compute: float
    queue: float
    resampler_out: float
    output_buffer: float
    total: float
    added: float


@dataclass(frozen=True)
class LiveStats:
    """One reading of a running engine.

    Counters are since the start. `compute` is the time of a hop's work, `wake` the time from the
    capture callback to its beginning, and `slack` the time by which a hop was ready before it was
    due. `allowed_ms` is the time that the queue gives each hop, at most `deadline_ms`, which passes
    between two hops. `added_for_compute_ms` is the part of the queue that was added because a hop's
    work, measured at the start, is longer than the device's period. `late_hops` were not ready in
    time. `underruns` counts the stretches of concealment, and `overruns` the times that captured
    samples found no room. Levels are full scale at 1. Peaks are since the last reading. `queue_ms`
    is the playback queue now.
    """

    hops: int
    late_hops: int
    dropped_hops: int
    underruns: int
    overruns: int
    concealed_ms: float
    discarded_ms: float
    input_overflows: int
    output_underflows: int
    callbacks: int
    bandwidth: float
    bypass: bool
    sample_rate: int
    hop_samples: int
    deadline_ms: float
    allowed_ms: float
    compute: Durations
    wake: Durations
    slack: Durations
    input_peak: float
    output_peak: float
    queue_ms: float
    target_ms: float
    added_for_compute_ms: float
    drift_ppm: float
    transparent: bool
    clipped_samples: int
    bad_samples: int
    scheduling: str
    memory_locked: bool
    refusals: tuple[str, ...]
    latency: Latency
    device: LinkStatus

    def as_dict(self) -> dict[str, Any]:
        """Return every figure by name, nested, ready for JSON."""
        return asdict(self)


def read_stats(
    core: dict[str, Any], latency: dict[str, float], bandwidth: float, device: LinkStatus
) -> LiveStats:
    """Give the core's counters their public names and units.

    Parameters
    ----------
    core
        Counters of the engine.
    latency
        The parts of the latency, in milliseconds.
    bandwidth
        In kilobits per second.
    device
        State of the link.
    """
    port = core["port"]
    rate_hz = device.output_rate_hz or core["sample_rate"]

    def ms(frames: int) -> float:
        return 1000.0 * frames / rate_hz

    deadline_ms = core["deadline_us"] / 1000.0
    given_ms = latency["compute"] + latency["queue"]  # both 0 while stopped
    return LiveStats(
        hops=core["hops"],
        late_hops=core["late_hops"],
        dropped_hops=core["dropped_hops"],
        underruns=core["underruns"],
        overruns=core["overruns"],
        concealed_ms=ms(core["concealed_frames"]),
        discarded_ms=ms(core["discarded_frames"]),
        input_overflows=port["input_overflows"],
        output_underflows=port["output_underflows"],
        callbacks=port["callbacks"],
        bandwidth=bandwidth,
        bypass=core["bypass"],
        sample_rate=core["sample_rate"],
        hop_samples=core["hop_samples"],
        deadline_ms=deadline_ms,
        allowed_ms=min(deadline_ms, given_ms) if given_ms else deadline_ms,
        compute=Durations.of(core["compute"]),
        wake=Durations.of(core["wake"]),
        slack=Durations.of(core["queue"]),
        input_peak=core["input_peak"],
        output_peak=core["output_peak"],
        queue_ms=ms(core["queue_frames"]),
        target_ms=ms(core["target_frames"]),
        added_for_compute_ms=ms(core["compute_frames"]),
        drift_ppm=core["drift_ppm"],
        transparent=core["transparent"],
        clipped_samples=core["clipped_samples"],
        bad_samples=core["bad_samples"],
        scheduling=core["scheduling"],
        memory_locked=core["memory_locked"],
        refusals=tuple(filter(None, (core["scheduling_error"], core["memory_error"]))),
        latency=Latency(**latency),
        device=device,
    )
