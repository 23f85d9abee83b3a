"""Devices that stall, disappear and come back; processes that are killed. Nothing may hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live_servers import jack_server, pulse_server
from live_session import wait_for

from hopcodec import Codec, DeviceError, StreamError
from hopcodec.live import Loopback

pytestmark = pytest.mark.live


@contextmanager
def running(codec: Codec, device: str | None = None) -> Iterator[Loopback]:
    with Loopback(codec, input=device, output=device, bandwidth=3.6) as live:
        wait_for(lambda: live.stats().hops > 40)
        yield live


def state(live: Loopback) -> str:
    return live.stats().device.state


def hops_flow_again(live: Loopback) -> None:
    hops = live.stats().hops
    wait_for(lambda: live.stats().hops > hops + 40)


def test_a_frozen_server_is_noticed_and_taken_up_again(tiny: Codec) -> None:
    with jack_server() as server, running(tiny) as live:
        server.freeze()
        wait_for(lambda: state(live) == "stalled")
        server.thaw()
        wait_for(lambda: state(live) == "running")
        hops_flow_again(live)
        device = live.stats().device
        assert device.faults == 1
        assert "no callback" in device.last_fault


@pytest.mark.slow
def test_a_long_freeze_costs_the_device_process_not_the_engine(tiny: Codec) -> None:
    with jack_server() as server, running(tiny) as live:
        server.freeze()
        wait_for(lambda: state(live) == "reopening")
        time.sleep(1.0)
        server.thaw()
        wait_for(lambda: state(live) == "running")
        hops_flow_again(live)
        assert live.stats().device.reopened == 1


@pytest.mark.slow
def test_a_killed_jack_server_is_left_behind_and_the_next_is_taken(tiny: Codec) -> None:
    """JACK's close never returns once its server is gone: the device process is abandoned."""
    name = f"hopcodec-test-restart-{os.getpid()}"
    with jack_server(name=name) as server:
        live = Loopback(tiny, input="system", output="system", bandwidth=3.6)
        live.start()
        try:
            wait_for(lambda: live.stats().hops > 40)
            server.kill()
            wait_for(lambda: state(live) == "reopening")
            assert live.stats().device.faults == 1
            with jack_server(name=name):
                wait_for(lambda: state(live) == "running")
                hops_flow_again(live)
                assert live.stats().device.reopened == 1
                live.stop()
        finally:
            live.stop()
    assert state(live) == "stopped"


@pytest.mark.slow
def test_a_server_that_comes_back_at_another_rate(tiny: Codec) -> None:
    name = f"hopcodec-test-rate-{os.getpid()}"
    with jack_server(24000, 320, name=name) as server, running(tiny, "system") as live:
        assert live.stats().transparent
        server.kill()
        wait_for(lambda: state(live) == "reopening")
        with jack_server(48000, 480, name=name):
            wait_for(lambda: state(live) == "running")
            hops_flow_again(live)
            stats = live.stats()
            assert stats.device.output_rate_hz == 48000
            assert not stats.transparent
            live.stop()


def test_stopping_while_the_device_is_away(tiny: Codec) -> None:
    with jack_server() as server:
        live = Loopback(tiny, bandwidth=3.6)
        live.start()
        server.kill()
        wait_for(lambda: state(live) == "reopening")
        live.stop()
    assert state(live) == "stopped"


def test_starting_and_stopping_in_any_order(tiny: Codec) -> None:
    live = Loopback(tiny, bandwidth=3.6)
    live.stop()
    with jack_server():
        for _ in range(2):
            live.start()
            hops_flow_again(live)
            with pytest.raises(StreamError, match="expected one that is stopped"):
                live.start()
            hops_flow_again(live)
            live.stop()
            live.stop()
        assert children() == []


def test_a_killed_device_process_is_replaced(tiny: Codec) -> None:
    with jack_server(), running(tiny) as live:
        (device,) = children()
        os.kill(device, signal.SIGKILL)
        wait_for(lambda: live.stats().device.reopened == 1)
        hops_flow_again(live)
        assert children() != [device]


@pytest.mark.slow
def test_the_device_process_leaves_with_its_parent() -> None:
    code = (
        "import hopcodec, time\n"
        "live = hopcodec.live.Loopback(hopcodec.load())\n"
        "live.start()\n"
        "print('running', flush=True)\n"
        "time.sleep(60)"
    )
    with jack_server():
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        assert parent.stdout.readline() == "running\n"
        (device,) = children(parent.pid)
        parent.kill()
        parent.wait()
        parent.stdout.close()
        wait_for(lambda: not Path(f"/proc/{device}").exists())


@pytest.mark.slow
def test_a_suspended_sink(tiny: Codec) -> None:
    with pulse_server(), running(tiny, "pulse") as live:
        subprocess.run(["pactl", "suspend-sink", "vbus", "1"], check=True)
        wait_for(lambda: state(live) != "running")
        assert live.stats().device.faults == 1
        subprocess.run(["pactl", "suspend-sink", "vbus", "0"], check=True)
        wait_for(lambda: state(live) == "running")
        hops_flow_again(live)


@pytest.mark.slow
def test_pulseaudio_killed_while_it_runs(tiny: Codec) -> None:
    with pulse_server() as server:
        live = Loopback(tiny, input="pulse", output="pulse", bandwidth=3.6)
        live.start()
        wait_for(lambda: live.stats().hops > 40)
        server.kill()
        wait_for(lambda: state(live) == "reopening")
        live.stop()


def test_starting_without_a_device_says_what_to_do(
    tiny: Codec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nowhere")
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nowhere")
    with pytest.raises(DeviceError, match=r"no input device found|PortAudio cannot be loaded"):
        Loopback(tiny, bandwidth=3.6).start()
    assert children() == []


def test_a_device_that_does_not_exist(tiny: Codec) -> None:
    with jack_server():
        with pytest.raises(DeviceError, match=r"got 'gramophone'.*see hopcodec devices"):
            Loopback(tiny, bandwidth=3.6, input="gramophone").start()
        with pytest.raises(DeviceError, match="expected one of 11025 Hz"):
            Loopback(tiny, bandwidth=3.6, rate=11025).start()
        assert children() == []


def children(pid: int | None = None) -> list[int]:
    """Device processes started by a process, default this one."""
    path = Path(f"/proc/{pid or os.getpid()}/task")
    found = [
        int(word) for task in path.iterdir() for word in (task / "children").read_text().split()
    ]
    return [
        number
        for number in found
        if b"hopcodec.live.device" in Path(f"/proc/{number}/cmdline").read_bytes()
    ]
