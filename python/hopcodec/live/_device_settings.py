"""The settings of an audio device, which the parent sends to the device process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceSettings:
    """The devices, and how to open them.

    A device is PortAudio's number or part of a name; None is the system's default. By default
    `rate_hz` and `block` (frames per callback) are the codec's rate and one hop, or what the host
    insists on. `latency_s` is asked of the host for each direction; None asks for its least.

    `input_channel` is the device's channel, from 1, that the codec's first channel records.
    `output_channels` are those that play the codec's channels in order, the last of which plays on
    all that are left. By default the first channels of the device record, and the first two play.
    """

    input: int | str | None
    output: int | str | None
    codec_rate_hz: int
    hop_samples: int
    channels: int
    rate_hz: int | None = None
    block: int | None = None
    latency_s: float | None = None
    input_channel: int | None = None
    output_channels: tuple[int, ...] | None = None
