"""Loopbacks that nobody holds any more, as after a notebook's cell was run twice."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from hopcodec import Codec
from hopcodec.live import Loopback
from hopcodec.live._device_link import DeviceLink

AUDIO = np.zeros((1, 24000), np.float32)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Memory comes back as references go, as in programs that keep real time."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def of_loopback() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("hopcodec-")]


@pytest.mark.usefixtures("no_collector")
def test_a_stopped_loopback_gives_everything_back(tiny: Codec) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(4):
        live = Loopback(tiny, input=AUDIO, bandwidth=3.6)
        with live:
            pass
        gone = weakref.ref(live)
        del live
        assert gone() is None
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.usefixtures("no_collector")
def test_a_running_loopback_ends_when_it_is_dropped(tiny: Codec, tmp_path: Path) -> None:
    live = Loopback(tiny, input=AUDIO, bandwidth=3.6, record=tmp_path)
    live.start()
    assert len(of_loopback()) == 1
    live.wait(0.1)
    del live
    assert of_loopback() == []
    assert soundfile.info(str(tmp_path / "heard.wav")).frames > 0  # complete


@pytest.mark.usefixtures("no_collector")
def test_a_running_device_ends_when_its_loopback_is_dropped(
    tiny: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeviceLink, "_open", lambda self: None)
    monkeypatch.setattr(DeviceLink, "_watch", lambda self: self._leaving.wait())
    live = Loopback(tiny, bandwidth=3.6)
    live.start()
    assert len(of_loopback()) == 1
    del live
    assert of_loopback() == []


def test_the_watching_thread_itself_may_end_it(tiny: Codec) -> None:
    """The garbage collector runs in any thread."""
    live = Loopback(tiny, input=AUDIO, bandwidth=3.6)
    link = live._link

    def stop_once() -> None:
        link._on_tick = lambda: None
        link.stop()

    link._on_tick = stop_once
    live.start()
    (thread,) = of_loopback()
    thread.join(10.0)
    assert not thread.is_alive()
    assert live.stats().device.state == "stopped"


def test_a_program_ends_beside_a_running_loopback_and_a_forked_child(tmp_path: Path) -> None:
    code = (
        "import os, sys, numpy as np, hopcodec\n"
        "audio = np.zeros((1, 240000), np.float32)\n"
        f"live = hopcodec.live.Loopback(hopcodec.load(), input=audio, record={str(tmp_path)!r})\n"
        "live.start()\n"
        "live.wait(0.2)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    live._link.stop = lambda: os._exit(3)\n"
        "    import atexit; atexit._run_exitfuncs(); os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert live.stats().device.state == 'running'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert soundfile.info(str(tmp_path / "heard.wav")).frames > 0
