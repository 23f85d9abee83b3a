"""An ordinary desktop: PulseAudio through PortAudio's ALSA, bursty and adapting its buffers."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from live_servers import pulse_server
from live_session import noise, wait_for

from hopcodec import Codec
from hopcodec.live import Loopback
from hopcodec.live._latency import find_offset

pytestmark = pytest.mark.live


def record(folder: Path, live: Loopback, seconds: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Play noise to the microphone; both channels of the bus: microphone, speaker, one clock."""
    soundfile.write(folder / "talk.wav", noise(seconds + 10, 48000), 48000, subtype="FLOAT")
    with (folder / "bus.raw").open("wb") as raw:
        bus = ("--device=vbus.monitor", "--rate=48000", "--channels=2", "--format=float32le")
        recorder = subprocess.Popen(["parec", "--raw", "--latency-msec=20", *bus], stdout=raw)
        talker = subprocess.Popen(["paplay", "--device=vmic", str(folder / "talk.wav")])
        time.sleep(seconds)
        for process in (talker, recorder):
            process.terminate()
            process.wait()
    both = np.fromfile(folder / "bus.raw", np.float32)
    both = both[: len(both) // 2 * 2].reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def test_sound_comes_through_pulseaudio(tiny: Codec, tmp_path: Path) -> None:
    options: dict[str, Any] = {"bandwidth": 3.6, "latency_ms": 60.0, "extra_ms": 20.0}
    with (
        pulse_server(),
        Loopback(tiny, input="pulse", output="pulse", bypass=True, **options) as live,
    ):
        wait_for(lambda: live.stats().hops > 40)
        mic, speaker = record(tmp_path, live, 6.0)
        stats = live.stats()
    assert stats.device.host == "ALSA"
    assert stats.device.input_rate_hz == 24000  # the host converts, not we
    found = []
    for at in range(48000, len(speaker) - 24000, 12000):
        offset, correlation = find_offset(speaker[at : at + 12000], mic[: at + 12000])
        found.append((correlation, (at - offset) / 48))
    # Half of the noise is above the codec's 12 kHz; while PulseAudio adapts, more is lost.
    correlation, latency_ms = max(found)
    assert correlation > 0.5
    assert 20.0 < latency_ms < 500.0


@pytest.mark.slow
def test_two_devices_are_two_clocks(tiny: Codec) -> None:
    """Two streams, each with the same C callback, and a resampler that follows the drift."""
    options: dict[str, Any] = {"bandwidth": 3.6, "latency_ms": 60.0}
    with pulse_server(), Loopback(tiny, input="pulse", output="default", **options) as live:
        wait_for(lambda: live.stats().hops > 300)
        stats = live.stats()
        assert not stats.device.one_clock
        assert not stats.transparent
        assert (stats.device.input, stats.device.output) == ("pulse", "default")
        assert abs(stats.drift_ppm) <= 2000.0
        assert stats.device.faults == 0
        time.sleep(0.5)
        assert live.stats().output_peak > 0.0
