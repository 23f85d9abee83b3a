"""Microphone to speaker through a codec, in real time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._checks import check_audio
from hopcodec.codec._codec import Codec
from hopcodec.live._arguments import check_codec, check_ms, check_whole
from hopcodec.live._base import LiveCodec
from hopcodec.live._device_link import DeviceLink
from hopcodec.live._file_link import FileLink
from hopcodec.live._recorder import Recorder
from hopcodec.live._settings import DeviceSettings
from hopcodec.live._stats import LiveStats, read_stats

Audio = npt.NDArray[np.float32]
Device = int | str | None

_LOUDEST: Final = 1024.0  # what an encoder takes
_PRIORITY: Final = 3  # below the sound servers' own threads (PulseAudio 5, JACK 10 and more)


class Loopback(LiveCodec):
    """Microphone -> encoder -> codes -> decoder -> speaker, until stopped. A context manager.

    Audio never enters the interpreter: a C callback in a process of its own moves samples to
    shared memory, a C++ thread here runs the codec. A device that stalls, disappears or comes back
    is dealt with; `stats()` tells.

    Use headphones: a microphone that hears its own loudspeaker howls.

    Examples
    --------
    >>> import hopcodec
    >>> codec = hopcodec.load()
    >>> with hopcodec.Loopback(codec, bandwidth=6.0) as live:  # doctest: +SKIP
    ...     time.sleep(5)
    ...     live.bandwidth = 1.5
    ...     print(live.stats().latency.total)
    """

    def __init__(
        self,
        codec: Codec,
        *,
        input: Device | Audio = None,
        output: Device = None,
        bandwidth: float | None = None,
        bypass: bool = False,
        rate: int | None = None,
        block: int | None = None,
        latency_ms: float | None = None,
        extra_ms: float | None = None,
        record: str | os.PathLike[str] | None = None,
    ) -> None:
        """Prepare; `start` or the `with` statement opens the devices.

        Parameters
        ----------
        codec, bandwidth
            What to run, and its kilobits per second (default: the codec's `default_bandwidth`);
            both may change while it runs.
        input, output : int or str, optional
            Devices by number or by part of their name, as `hopcodec devices` lists them; None is
            the system's default. An array `(channels, samples)` at the codec's rate as `input`
            takes the place of both: it is played once by the clock, `heard()` gives the result.
        bypass : bool
            Hear the input itself, at the same latency.
        rate, block : int, optional
            Hertz and frames per callback, where the choice is not to be left to the host.
        latency_ms : float, optional
            What to ask of the host for each direction; default: its least.
        extra_ms : float, optional
            Keep so much more queued, for a host that calls back irregularly; default: two blocks
            for PulseAudio and PipeWire, none elsewhere.
        record : path, optional
            A folder for `heard.wav` and `captured.wav`.
        """
        check_codec(codec)
        check_whole("rate", rate, 768_000)
        check_whole("block", block, 65536)
        check_ms("latency_ms", latency_ms)
        check_ms("extra_ms", extra_ms)
        self._port = _core.Port(channels=codec.channels, monitor=record is not None)
        super().__init__(_core.Engine(self._port, priority=_PRIORITY), codec, bandwidth)
        self._engine.bypass = bypass
        self._recorder = None if record is None else Recorder(self._port, Path(record))
        self._link = self._connect(codec, input, output, rate, block, latency_ms, extra_ms)

    def _connect(
        self,
        codec: Codec,
        source: Device | Audio,
        sink: Device,
        rate_hz: int | None,
        block: int | None,
        latency_ms: float | None,
        extra_ms: float | None,
    ) -> DeviceLink | FileLink:
        if isinstance(source, np.ndarray):
            if sink is not None:
                raise ValueError("output: expected None beside an array as input, got a device")
            audio = check_audio(source, codec.channels)
            if not np.abs(audio).max(initial=0.0) <= _LOUDEST:
                raise ValueError(
                    f"input: expected finite samples within +-{_LOUDEST:g} (full scale is 1)"
                )
            rate_hz = rate_hz or codec.sample_rate
            return FileLink(
                self._port,
                self._engine,
                audio,
                rate_hz,
                block=block or codec.hop_samples,
                on_tick=self._tick,
            )
        settings = DeviceSettings(
            input=source,
            output=sink,
            codec_rate_hz=codec.sample_rate,
            hop_samples=codec.hop_samples,
            channels=codec.channels,
            rate_hz=rate_hz,
            block=block,
            latency_s=None if latency_ms is None else latency_ms / 1000.0,
        )
        return DeviceLink(
            self._port,
            self._engine,
            settings,
            extra_ms=extra_ms,
            on_tick=self._tick,
        )

    def start(self) -> None:
        """Open the devices and begin. DeviceError if there are none, or they refuse."""
        self._link.start()

    def stop(self) -> None:
        """End; returns in bounded time even when a device hangs. A recording is complete then."""
        self._link.stop()
        if self._recorder is not None:
            self._recorder.close()

    def wait(self, seconds: float) -> bool:
        """Let it run for so long; True if an array given as input ended meanwhile."""
        if isinstance(self._link, FileLink):
            return self._link.wait(seconds)
        time.sleep(seconds)
        return False

    def _tick(self) -> None:
        if self._recorder is not None:
            self._recorder.poll()

    @property
    def recordings(self) -> list[Path]:
        """Files of the recording so far."""
        return [] if self._recorder is None else list(self._recorder.paths)

    @property
    def recording_failure(self) -> str:
        """Why the recording ended before the session did; empty if it did not."""
        return "" if self._recorder is None else self._recorder.failure

    @property
    def progress(self) -> tuple[float, float] | None:
        """Seconds done and in all, for an array as input; None for devices."""
        return self._link.seconds if isinstance(self._link, FileLink) else None

    def heard(self) -> Audio:
        """What came out for an array as input so far; sample j answers its sample j."""
        if not isinstance(self._link, FileLink):
            raise ValueError("heard: expected an array as input; for devices use record=")
        return self._link.heard()

    def stats(self) -> LiveStats:
        """Counters, times, levels and latency now; from any thread, without disturbing it."""
        core, latency = self._engine.stats(), self._engine.latency()
        return read_stats(core, latency, self.bandwidth, self._link.status)
