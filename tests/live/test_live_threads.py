"""Live sessions that several threads start and stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from live_sim import open_port

from hopcodec import Codec, DeviceError, StreamError, _core
from hopcodec.live import LiveEngine, Loopback
from hopcodec.live._device_link import DeviceLink

AUDIO = np.zeros((1, 240000), np.float32)


def at_once(call: Callable[[], None], threads: int = 3) -> list[str]:
    """What `call` gave in each of some threads: the names of errors, or "returned"."""
    said: list[str] = []

    def run() -> None:
        try:
            call()
            said.append("returned")
        except Exception as error:
            said.append(type(error).__name__)

    running = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(10.0)
    assert not any(thread.is_alive() for thread in running)
    return sorted(said)


def test_one_of_several_starts_opens_the_device(
    tiny: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def open_slowly(self: DeviceLink) -> None:
        opened.append(1)
        time.sleep(0.05)

    monkeypatch.setattr(DeviceLink, "_open", open_slowly)
    monkeypatch.setattr(DeviceLink, "_watch", lambda self: self._leaving.wait())
    live = Loopback(tiny, bandwidth=3.6)
    assert at_once(live.start) == ["StreamError", "StreamError", "returned"]
    assert len(opened) == 1
    assert at_once(live.stop) == ["returned"] * 3


def test_a_stop_ends_a_start_in_another_thread(
    tiny: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = threading.Event()

    def hang(self: DeviceLink) -> None:
        opening.set()
        if self._leaving.wait(10.0):
            raise DeviceError("stopped while opening the audio device")

    monkeypatch.setattr(DeviceLink, "_open", hang)
    live = Loopback(tiny, bandwidth=3.6)
    said: list[object] = []

    def start() -> None:
        with pytest.raises(DeviceError, match="stopped while opening"):
            live.start()
        said.append("ended")

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    assert opening.wait(10.0)
    live.stop()
    starting.join(10.0)
    assert said == ["ended"]


def test_a_loopback_of_an_array_is_started_once_and_stopped_by_several(tiny: Codec) -> None:
    live = Loopback(tiny, input=AUDIO, bandwidth=3.6)
    assert at_once(live.start) == ["StreamError", "StreamError", "returned"]
    assert live.stats().device.state == "running"
    assert at_once(live.stop) == ["returned"] * 3
    assert live.stats().device.state == "stopped"


def test_an_engine_is_stopped_by_several_threads(tiny: Codec) -> None:
    engine = LiveEngine(tiny, bandwidth=3.6)
    assert at_once(engine.start) == ["StreamError", "StreamError", "returned"]
    assert at_once(engine.stop) == ["returned"] * 3


def test_a_paced_device_is_stopped_by_several_threads() -> None:
    port = _core.live.Port()
    open_port(port, period=4800)
    device = _core.live.PacedDevice(
        port, rate=24000, block=4800, input=AUDIO.T.copy(), output_frames=240000
    )
    device.start()
    assert at_once(device.stop) == ["returned"] * 3


def test_waiting_for_an_array_that_does_not_play(tiny: Codec) -> None:
    live = Loopback(tiny, input=AUDIO, bandwidth=3.6)
    with pytest.raises(StreamError, match=r"expected start\(\) before wait\(\)"):
        live.wait(0.01)
