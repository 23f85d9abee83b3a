"""Sound servers without a sound card, started and stopped by the tests that need them.

JACK's dummy driver is exact: at 24 kHz and 320 frames a pass-through takes two periods, 26.67 ms,
in every run. PulseAudio's null sink stands for an ordinary desktop. Nothing is installed here; a
test whose server is absent is skipped, and says what to install.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Audio = npt.NDArray[np.float32]
_numbers = itertools.count()
APT = "apt install jackd2 libportaudio2 pulseaudio pulseaudio-utils libasound2-plugins"


def require(*programs: str) -> None:
    """Skip, loudly, where a server or PortAudio is not installed; fail if they are said to be."""
    missing = [name for name in programs if shutil.which(name) is None]
    if find_library("portaudio") is None:
        missing.append("libportaudio2")
    if not missing:
        return
    reason = f"LIVE AUDIO NOT TESTED: no {', '.join(missing)} here ({APT})"
    if os.environ.get("HOPCODEC_REQUIRE_LIVE"):
        pytest.fail(reason)
    pytest.skip(reason)


class Server:
    """A server process, and what a client's environment must hold to find it."""

    def __init__(self, process: subprocess.Popen[bytes], variables: dict[str, str]) -> None:
        self.process = process
        self.variables = variables

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def jack_server(
    rate_hz: int = 24000, period: int = 320, *, name: str | None = None
) -> Iterator[Server]:
    """`jackd -d dummy`, one channel each way; real-time where the machine permits."""
    require("jackd")
    name = name or f"hopcodec-test-{os.getpid()}-{next(_numbers)}"
    variables = {
        "JACK_DEFAULT_SERVER": name,
        "JACK_NO_AUDIO_RESERVATION": "1",
        "JACK_NO_START_SERVER": "1",
    }
    dummy = ["-d", "dummy", "-r", str(rate_hz), "-p", str(period), "-C", "1", "-P", "1"]
    with tempfile.TemporaryFile() as log, _environment(variables):
        for priority in (["-R", "-P", "60"], ["-r"]):
            process = subprocess.Popen(
                ["jackd", *priority, "-n", name, *dummy],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if _jack_answers(process):
                break
            process.kill()
            process.wait()
        else:
            log.seek(0)
            pytest.fail(f"jackd did not start: {log.read().decode(errors='replace')}")
        try:
            yield Server(process, variables)
        finally:
            killed = process.poll() is not None
            _stop(process)
            if killed:
                _free_slot(["jackd", "-r", "-n", name, *dummy])


def _free_slot(command: list[str]) -> None:
    """A machine has eight JACK servers; one that was killed keeps its place until its name is used
    again and the server ends in good order.
    """
    again = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _jack_answers(again)
    _stop(again)


def _jack_answers(process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 10.0
    check = [sys.executable, "-c", "import jack; jack.Client('check', no_start_server=True)"]
    while time.monotonic() < deadline and process.poll() is None:
        done = subprocess.run(check, capture_output=True, check=False)
        if done.returncode == 0:
            return True
        time.sleep(0.1)
    return False


@contextlib.contextmanager
def pulse_server(rate_hz: int = 48000) -> Iterator[Server]:
    """PulseAudio with one stereo null sink: left is the microphone, right the loudspeaker.

    `vbus.monitor` in stereo records both on one clock. One recorder is kept running, as a null sink
    without a demanding client wakes only every two seconds.
    """
    require("pulseaudio", "pactl", "parec", "pacat")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        os.chmod(run, 0o700)
        (run / "pulse").mkdir(mode=0o700)
        socket = f"unix:{run}/pulse/native"
        variables = {
            "XDG_RUNTIME_DIR": folder,
            "PULSE_RUNTIME_PATH": f"{folder}/pulse",
            "PULSE_STATE_PATH": f"{folder}/state",
            "PULSE_SERVER": socket,
            "PULSE_COOKIE": f"{folder}/cookie",
            "PULSE_CONFIG": f"{folder}/daemon.conf",
        }
        (run / "daemon.conf").write_text(_PULSE_CONFIG.format(rate=rate_hz))
        (run / "default.pa").write_text(_PULSE_SCRIPT.format(rate=rate_hz, folder=folder))
        with _environment(variables), contextlib.ExitStack() as stack:
            server = _spawn(stack, "pulseaudio", *_PULSE_FLAGS, f"--file={folder}/default.pa")
            deadline = time.monotonic() + 10.0
            while subprocess.run(["pactl", "info"], capture_output=True).returncode != 0:
                if time.monotonic() > deadline or server.poll() is not None:
                    pytest.fail("pulseaudio did not start")
                time.sleep(0.05)
            _spawn(stack, "parec", "--device=vbus.monitor", "--latency-msec=10", "--raw")
            yield Server(server, variables)


_PULSE_FLAGS = ("--daemonize=no", "-n", "--use-pid-file=no", "--disallow-exit=yes")
_PULSE_CONFIG = """default-sample-format = float32le
default-sample-rate = {rate}
default-sample-channels = 1
exit-idle-time = -1
flat-volumes = no
realtime-scheduling = yes
nice-level = -11
"""
_PULSE_SCRIPT = """.fail
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/pulse/native
load-module module-null-sink sink_name=vbus format=float32le rate={rate} channels=2 \
channel_map=front-left,front-right
load-module module-remap-sink sink_name=vmic master=vbus channels=1 \
master_channel_map=front-left channel_map=mono remix=no
load-module module-remap-source source_name=vmic_in master=vbus.monitor channels=1 \
master_channel_map=front-left channel_map=mono remix=no
load-module module-remap-sink sink_name=vspk master=vbus channels=1 \
master_channel_map=front-right channel_map=mono remix=no
set-default-sink vspk
set-default-source vmic_in
"""


@contextlib.contextmanager
def virtual_card(mic: Audio | None, folder: Path) -> Iterator[Card]:
    """A JACK client that plays `mic` round and round as a microphone and records the loudspeaker.

    PortAudio lists it as the device "virtualcard"; both sides share the server's clock. With None
    it is a cable from the loudspeaker to the microphone.
    """
    if mic is not None:
        np.save(folder / "mic.npy", mic)
    with contextlib.ExitStack() as stack:
        script = str(Path(__file__).with_name("live_card.py"))
        process = subprocess.Popen(
            [sys.executable, script, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(_stop, process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Card(process, folder)


class Card:
    """The running virtual sound card."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder

    def stop(self) -> tuple[Audio, Audio, list[int]]:
        """End the recording: what the microphone heard, what the speaker played, JACK's xruns.

        Each xrun is given as the sample at which it came.
        """
        out, _ = self._process.communicate("stop\n", timeout=20)
        report: dict[str, Any] = json.loads(out)
        both = np.load(self._folder / "recorded.npy")
        return both[0], both[1], report["xruns"]


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    # PULSE_LATENCY_MSEC makes PortAudio's duplex stream through the ALSA plugin stall.
    saved = {name: os.environ.get(name) for name in (*variables, "PULSE_LATENCY_MSEC")}
    os.environ.update(variables)
    os.environ.pop("PULSE_LATENCY_MSEC", None)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _spawn(stack: contextlib.ExitStack, *command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
