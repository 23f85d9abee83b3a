"""Link the engine to a sound card: start the device process, watch it, replace it.

Only the callback itself shows that a device works. A suspended sink or a frozen server stops it
while PortAudio still says "active". A callback that is silent for `STALL_S` is a fault. After
`GRACE_S` the process is killed, and new ones are started until the device opens again. The engine
is stopped meanwhile and starts from a fresh state.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from hopcodec import _core
from hopcodec.errors import DeviceError, StreamError
from hopcodec.live import _device_process
from hopcodec.live._device_settings import DeviceSettings
from hopcodec.live._link import ALREADY_RUNS, LinkStatus, join

STALL_S: Final = 0.25
GRACE_S: Final = 1.0
_TICK_S: Final = 0.02
_RETRY_S: Final = 0.25
_ATTEMPTS: Final = 3  # to start a device that opens and is lost at once
_OPEN_S: Final = 8.0  # a frozen server answers when it runs again
_FIRST_CALLBACK_S: Final = 4.0  # an idle null sink of PulseAudio takes two seconds to begin
_KILL_S: Final = 2.0
_HARDWARE: Final = "(hw:"  # in ALSA's name of a card; any other device is a plugin


def _report_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Read what a device process says of its streams."""
    line = process.stdout.readline() if process.stdout is not None else ""
    try:
        report: dict[str, Any] = json.loads(line)
    except ValueError:
        raise DeviceError(
            f"expected the device process to say what it opened, got {line!r:.100}"
        ) from None
    return report


class DeviceLink:
    """Connect a port and an engine to PortAudio devices, and keep them connected.

    The watching thread calls `on_tick` about 50 times a second, for work that follows the stream
    (recording), and once more after each loss.
    """

    def __init__(
        self,
        port: _core.live.Port,
        engine: _core.live.Engine,
        settings: DeviceSettings,
        *,
        extra_ms: float | None = None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._port, self._engine, self._settings = port, engine, settings
        self._extra_ms = extra_ms
        self._lost = 0  # the time of the last callback before the fault
        self._stall_s = STALL_S
        self._on_tick = on_tick
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._leaving = threading.Event()
        self._status = LinkStatus()

    @property
    def status(self) -> LinkStatus:
        """The present state, which any thread may read."""
        return self._status

    def start(self) -> None:
        """Open the devices and start the engine.

        Raises
        ------
        DeviceError
            PortAudio is missing, there is no such device, or it never called back.
        StreamError
            The link runs already.
        """
        if self._thread is not None:
            raise StreamError(ALREADY_RUNS)
        self._leaving.clear()
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._open()
                break
            except BaseException as error:
                self._drop()
                # PortAudio on ALSA gives up when its first poll fails. Another try may succeed.
                if not (isinstance(error, DeviceError) and self._status.input and left):
                    raise
        self._thread = threading.Thread(target=self._watch, name="hopcodec-device", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Make a `start` in another thread give up."""
        self._leaving.set()

    def stop(self) -> None:
        """Close the devices and stop the engine, in bounded time, whatever their state."""
        self._leaving.set()
        join(self._thread)
        self._thread = None
        self._drop()
        self._set(state="stopped")

    def _set(self, **fields: Any) -> None:
        self._status = replace(self._status, **fields)

    def _open(self) -> None:
        """Start a device process and wait for its first callback; else raise DeviceError."""
        with _device_process.start_errors():
            process = self._process = subprocess.Popen(
                _device_process.command(
                    "device", str(self._port.fd), json.dumps(dataclasses.asdict(self._settings))
                ),
                env=_device_process.environment(),
                pass_fds=[self._port.fd],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                # Ctrl-C at a terminal reaches the whole group, but we end the device ourselves.
                start_new_session=True,
            )
        self._await(process, lambda: self._port.state == "open", _OPEN_S, "opened no stream")
        report = _report_of(process)
        self._adopt(report)
        link = self._port.link()
        # A host of long blocks is silent between them.
        period_s = max(
            link["input_period"] / link["input_rate"], link["output_period"] / link["output_rate"]
        )
        self._stall_s = max(STALL_S, 3 * period_s)
        self._engine.start(
            **link, block=report["grouped_block"], extra_frames=self._extra_frames(link)
        )
        begun = time.monotonic_ns()
        self._port.go()
        self._await(
            process,
            lambda: min(self._port.last_capture_ns, self._port.last_playback_ns) > begun,
            _FIRST_CALLBACK_S,
            "never called back",
        )
        self._set(state="running")

    def _adopt(self, report: dict[str, Any]) -> None:
        """Keep the names of the open devices, since numbers change when devices come and go."""
        hosts = dict.fromkeys((report["input_host"], report["output_host"]))
        self._set(
            input=report["input"],
            output=report["output"],
            host=" / ".join(hosts),
            input_rate_hz=report["input_rate_hz"],
            output_rate_hz=report["output_rate_hz"],
            block=report["output_block"],
            one_clock=report["one_clock"],
            device_priority=report["priority"],
            device_memory=report["memory"],
        )
        if isinstance(self._settings.input, int):
            name = f"{report['input']}, {report['input_host']}"
            self._settings = replace(self._settings, input=name)
        if isinstance(self._settings.output, int):
            name = f"{report['output']}, {report['output_host']}"
            self._settings = replace(self._settings, output=name)

    def _extra_frames(self, link: dict[str, Any]) -> int:
        """Return the extra frames to queue for a host that does not call back on time."""
        if self._extra_ms is not None:
            return round(self._extra_ms * int(link["output_rate"]) / 1000.0)
        # A sound server behind ALSA's plugin calls back twice in a row, then not for two blocks.
        # Anyone may name such a plugin anything.
        bursty = self._status.host == "ALSA" and _HARDWARE not in self._status.output
        return 2 * int(link["output_period"]) if bursty else 0

    def _await(
        self,
        process: subprocess.Popen[str],
        reached: Callable[[], bool],
        seconds: float,
        else_text: str,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            if self._port.state == "failed":
                raise DeviceError(self._port.error)
            if process.poll() is not None:
                raise DeviceError(f"the device process ended with code {process.returncode}")
            if time.monotonic() > deadline:
                raise DeviceError(f"the audio device {else_text} within {seconds:g} s")
            if self._leaving.wait(0.002):
                raise DeviceError("stopped while opening the audio device")

    def _watch(self) -> None:
        while not self._leaving.wait(_TICK_S):
            self._on_tick()
            silent_s = self._silent_s()
            fault = self._dead() or (
                f"no callback for {silent_s:.2f} s" if silent_s > self._stall_s else None
            )
            if fault is None:
                if self._status.state == "stalled":
                    self._recovered()
                continue
            if self._status.state == "running":
                self._lost = self._port.last_callback_ns
                self._set(
                    state="stalled",
                    faults=self._status.faults + 1,
                    last_fault=fault,
                    detected_ms=1000.0 * silent_s,
                )
            if self._dead() or silent_s > max(GRACE_S, 2 * self._stall_s):
                self._reopen()

    def _silent_s(self) -> float:
        return max(0.0, (time.monotonic_ns() - self._port.last_callback_ns) / 1e9)

    def _dead(self) -> str | None:
        """Say why the device process is of no more use, or return None."""
        if self._port.state == "failed":
            return str(self._port.error)
        if self._process is None or self._process.poll() is not None:
            return "the device process has ended"
        # The queue fits JACK's period, which its user may change while we run.
        link = self._port.link()
        period = max(link["input_period"], link["output_period"])
        if "JACK" in self._status.host and self._port.counters()["largest_block"] > period:
            return "the device's blocks have grown"
        return None

    def _recovered(self) -> None:
        outage_ms = (time.monotonic_ns() - self._lost) / 1e6
        self._set(state="running", outage_ms=outage_ms)

    def _reopen(self) -> None:
        """Give up the lost device, and try to open one until that succeeds or we are stopped."""
        self._set(state="reopening")
        while True:
            self._drop()
            if self._leaving.wait(_RETRY_S):
                return
            try:
                self._open()
            except Exception as error:  # the watch goes on after any error
                self._set(waiting_for=str(error), state="reopening")
                continue
            self._set(reopened=self._status.reopened + 1, waiting_for="")
            self._recovered()
            return

    def _drop(self) -> None:
        """End the device process, by force if necessary, and clear the port for the next one."""
        process, self._process = self._process, None
        self._port.stop()
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            patience = 0.0 if self._status.state == "reopening" else 1.0
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_KILL_S)  # one that hangs in the kernel is left behind
        self._engine.stop()
        try:
            self._on_tick()
        finally:
            self._port.reset()
