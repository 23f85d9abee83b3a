"""Link the engine to a signal in memory: the same callback, called by the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from hopcodec import _core
from hopcodec.errors import StreamError
from hopcodec.live._link import ALREADY_RUNS, IN_MEMORY, LinkStatus, join
from hopcodec.typing import Audio

_TICK_S: Final = 0.05
_WAIT_S: Final = 0.1


class FileLink:
    """Play `audio` `(channels, samples)` to an engine in blocks, like a device of its rate.

    It runs longer than the audio by the engine's latency, so that all of it comes out. A thread
    calls `on_tick` 20 times a second, and once more at the end.
    """

    def __init__(
        self,
        port: _core.live.Port,
        engine: _core.live.Engine,
        audio: Audio,
        rate_hz: int,
        *,
        block: int,
        name: str = "memory",
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._port, self._engine = port, engine
        self._audio, self._rate_hz, self._block = audio, rate_hz, block
        self._device: _core.live.PacedDevice | None = None
        self._latency = 0
        self._on_tick = on_tick
        self._thread: threading.Thread | None = None
        self._leaving = threading.Event()
        self._status = LinkStatus(
            state="stopped",
            input=name,
            output="memory",
            host=IN_MEMORY,
            input_rate_hz=rate_hz,
            output_rate_hz=rate_hz,
            block=block,
        )

    @property
    def status(self) -> LinkStatus:
        """The state, which is "running" until the audio ends."""
        from dataclasses import replace

        running = self._device is not None and not self._device.done
        return replace(self._status, state="running" if running else "stopped")

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds played, and seconds in all."""
        total = self._audio.shape[1] + self._latency
        position = self._device.position if self._device is not None else 0
        return min(position, total) / self._rate_hz, total / self._rate_hz

    def start(self) -> None:
        """Start the engine and then the clock; raise StreamError if they run already."""
        if self._thread is not None:
            raise StreamError(ALREADY_RUNS)
        channels = self._audio.shape[0]
        self._port.open(
            input_rate=self._rate_hz,
            output_rate=self._rate_hz,
            input_channels=channels,
            output_channels=channels,
            input_period=self._block,
            output_period=self._block,
            one_clock=True,
            name=self._status.input,
        )
        self._engine.start(**self._port.link())
        delays = self._engine.latency()
        inner_ms = delays["resampler_in"] + delays["lookahead"] + delays["resampler_out"]
        self._latency = self._engine.target_frames + round(inner_ms * self._rate_hz / 1000.0)
        self._device = _core.live.PacedDevice(
            self._port,
            rate=self._rate_hz,
            block=self._block,
            input=np.ascontiguousarray(self._audio.T),
            output_frames=self._audio.shape[1] + self._latency,
            output_channels=channels,
        )
        self._port.go()
        self._port.run()
        self._device.start()
        self._leaving.clear()
        self._thread = threading.Thread(target=self._follow, name="hopcodec-file", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._leaving.wait(_TICK_S):
            self._on_tick()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for the end; return True if it is reached.

        StreamError before `start`.
        """
        device = self._device
        if device is None:
            raise StreamError("loopback: expected start() before wait()")
        until = time.monotonic() + seconds
        while not device.wait(max(0.0, min(_WAIT_S, until - time.monotonic()))):
            if time.monotonic() >= until:  # short waits let Ctrl-C through
                return False
        return True

    def leave(self) -> None:
        """Do nothing: a start takes no time."""

    def stop(self) -> None:
        """Stop the clock and the engine."""
        if self._device is not None:
            self._device.stop()
        self._leaving.set()
        join(self._thread)
        self._thread = None
        self._port.stop()
        self._engine.stop()
        try:
            self._on_tick()  # the output of the last blocks
        finally:
            self._port.reset()

    def heard(self) -> Audio:
        """Return the output so far, `(channels, samples)`, without the latency in front.

        Sample j answers sample j of the audio.
        """
        if self._device is None:
            return np.zeros((self._audio.shape[0], 0), np.float32)
        last = min(self._device.position, self._latency + self._audio.shape[1])
        return np.ascontiguousarray(self._device.output[self._latency : last].T)
