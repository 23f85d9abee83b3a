"""What is asked of the audio device, as the parent says it and the device process reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceSettings:
    """Which devices, and how to open them.

    Devices are PortAudio's numbers or parts of names; None is the system's default. `rate_hz` and
    `block` (frames per callback) are chosen where None: the codec's rate and one hop, or what
    the host insists on. `latency_s` is asked of the host for each direction; None: its least.
    """

    input: int | str | None
    output: int | str | None
    codec_rate_hz: int
    hop_samples: int
    channels: int
    rate_hz: int | None = None
    block: int | None = None
    latency_s: float | None = None
