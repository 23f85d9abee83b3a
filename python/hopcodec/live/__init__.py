"""Live audio: devices, the loopback, and the engine behind it.

`sounddevice` is imported in processes of their own only; nothing here needs it before one starts.
"""

from __future__ import annotations

from hopcodec.live._device_link import LinkStatus
from hopcodec.live._devices import AudioDevice, AudioSystem, query_devices
from hopcodec.live._engine import LiveEngine
from hopcodec.live._loopback import Loopback
from hopcodec.live._stats import Durations, Latency, LiveStats

__all__ = [
    "AudioDevice",
    "AudioSystem",
    "Durations",
    "Latency",
    "LinkStatus",
    "LiveEngine",
    "LiveStats",
    "Loopback",
    "query_devices",
]
