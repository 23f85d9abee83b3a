"""The settings of an audio device, which the parent sends to the device process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceSettings:
    """The devices, and how to open them.

    A device is PortAudio's number or part of a name; None is the system's default. By default
    `rate_hz` and `block` (frames per callback) are the codec's rate and one hop, or what the host
    insists on. `latency_s` is asked of the host for each direction; None asks for its least.
    """

    input: int | str | None
    output: int | str | None
    codec_rate_hz: int
    hop_samples: int
    channels: int
    rate_hz: int | None = None
    block: int | None = None
    latency_s: float | None = None
