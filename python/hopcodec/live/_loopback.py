"""Microphone to speaker through a codec, in real time."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from hopcodec import _core
from hopcodec._checks import check_audio, check_samples, number, whole
from hopcodec.codec._codec import Codec
from hopcodec.live._arguments import (
    MAX_BLOCK,
    MAX_DEVICE_CHANNELS,
    check_codec,
    check_device,
    check_output_channels,
)
from hopcodec.live._device_link import DeviceLink
from hopcodec.live._device_settings import DeviceSettings
from hopcodec.live._file_link import FileLink
from hopcodec.live._live_codec import LiveCodec
from hopcodec.live._recorder import Recorder
from hopcodec.live._stats import LiveStats, read_stats
from hopcodec.typing import Audio

Device = int | str | None

_MAX_RATE_HZ: Final = 768_000
_MAX_MS: Final = 10_000.0
_PRIORITY: Final = 3  # below the sound servers' own threads (PulseAudio 5, JACK 10 and more)


class Loopback(LiveCodec):
    """Microphone -> encoder -> codes -> decoder -> speaker, until stopped. A context manager.

    Audio never enters the interpreter. A C callback in a process of its own moves samples to shared
    memory, and a C++ thread here runs the codec. The loopback goes on after a device stalls,
    disappears and comes back; `stats()` reports it. It stops when nobody holds this object any
    more.

    Use headphones: a microphone near its own loudspeaker howls.

    Examples
    --------
    >>> import hopcodec
    >>> codec = hopcodec.load()
    >>> with hopcodec.live.Loopback(codec, bandwidth=6.0) as live:  # doctest: +SKIP
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
        input_channel: int | None = None,
        output_channels: Sequence[int] | None = None,
        record: str | os.PathLike[str] | None = None,
    ) -> None:
        """Prepare a loopback. `start` or the `with` statement opens the devices.

        Parameters
        ----------
        codec, bandwidth
            The codec to run, and its kilobits per second (default: `codec.default_bandwidth`).
            Both may change while it runs.
        input, output : int or str, optional
            Devices by number or by part of their name, as `hopcodec devices` lists them; None is
            the default, JACK's where its server runs. An array `(channels, samples)` at the codec's
            rate as `input` takes the place of both. The clock plays it once, and `heard()` returns
            the result.
        bypass : bool
            Begin with the input itself instead of the codec, at the same latency.
        rate, block : int, optional
            Hertz and frames per callback. By default the host chooses.
        latency_ms : float, optional
            The latency to ask of the host for each direction. By default its least.
        extra_ms : float, optional
            Extra length of the queue, for a host that calls back irregularly. By default two blocks
            for ALSA's plugins (PulseAudio, PipeWire, ...), and none elsewhere.
        input_channel : int, optional
            The device's channel that is heard, counted from 1; by default the first. A stereo codec
            takes the next one too.
        output_channels : sequence of int, optional
            The device's channels that play, counted from 1; by default the first two. They play the
            codec's channels in order, a mono codec on all.
        record : path, optional
            A folder for `heard.wav` and `captured.wav`.
        """
        check_codec(codec)
        # Python's own numbers from here on: the settings travel as JSON.
        rate = None if rate is None else whole("rate", rate, 1, _MAX_RATE_HZ)
        block = None if block is None else whole("block", block, 1, MAX_BLOCK)
        if latency_ms is not None:
            latency_ms = number("latency_ms", latency_ms, 0, _MAX_MS)
        if extra_ms is not None:
            extra_ms = number("extra_ms", extra_ms, 0, _MAX_MS)
        if input_channel is not None:
            input_channel = whole("input_channel", input_channel, 1, MAX_DEVICE_CHANNELS)
        if output_channels is not None:
            output_channels = check_output_channels(output_channels, codec.channels)
        self._port = _core.live.Port(channels=codec.channels, monitor=record is not None)
        super().__init__(_core.live.Engine(self._port, priority=_PRIORITY), codec, bandwidth)
        self._engine.bypass = bypass
        self._recorder = None if record is None else Recorder(self._port, Path(record))
        settings = DeviceSettings(
            input=None,
            output=check_device("output", output),
            codec_rate_hz=codec.sample_rate,
            hop_samples=codec.hop_samples,
            channels=codec.channels,
            rate_hz=rate,
            block=block,
            latency_s=None if latency_ms is None else latency_ms / 1000.0,
            input_channel=input_channel,
            output_channels=output_channels,
        )
        self._link = self._connect(input, settings, extra_ms)
        # Reentrant, for a signal handler that stops a loopback while its thread starts it.
        self._control = threading.RLock()
        # The links know nothing of this object. So it goes when nobody holds it, and ends them.
        weakref.finalize(self, _end, self._link, self._recorder, os.getpid())

    def _connect(
        self, source: Device | Audio, settings: DeviceSettings, extra_ms: float | None
    ) -> DeviceLink | FileLink:
        if isinstance(source, np.ndarray):
            _check_no_device(settings)
            audio = check_audio(source, settings.channels)
            check_samples(audio, "input")
            return FileLink(
                self._port,
                self._engine,
                audio,
                settings.rate_hz or settings.codec_rate_hz,
                block=settings.block or settings.hop_samples,
                on_tick=self._on_tick(),
            )
        return DeviceLink(
            self._port,
            self._engine,
            replace(settings, input=check_device("input", source)),
            extra_ms=extra_ms,
            on_tick=self._on_tick(),
        )

    def _on_tick(self) -> Callable[[], None]:
        return _do_nothing if self._recorder is None else self._recorder.poll

    def start(self) -> None:
        """Open the devices and begin; raise DeviceError if there are none or they refuse.

        StreamError if it runs already. Any thread may start and stop it.
        """
        with self._control:
            self._link.start()

    def stop(self) -> None:
        """Stop, in bounded time even when a device hangs, and complete the recording."""
        self._link.leave()  # before the lock: a start in another thread gives up
        with self._control:
            self._link.stop()
            if self._recorder is not None:
                self._recorder.close()

    def wait(self, seconds: float) -> bool:
        """Let it run for so long; return True if an array given as input has ended.

        StreamError with an array before `start`.
        """
        if isinstance(self._link, FileLink):
            return self._link.wait(seconds)
        time.sleep(seconds)
        return False

    @property
    def recordings(self) -> list[Path]:
        """Files of the recording so far."""
        return [] if self._recorder is None else list(self._recorder.paths)

    @property
    def recording_failure(self) -> str:
        """The reason why the recording ended before the session, or an empty string."""
        return "" if self._recorder is None else self._recorder.failure

    @property
    def progress(self) -> tuple[float, float] | None:
        """Seconds done and seconds in all for an array as input; None for devices."""
        return self._link.seconds if isinstance(self._link, FileLink) else None

    def heard(self) -> Audio:
        """Return the output for an array as input so far. Sample j answers its sample j."""
        if not isinstance(self._link, FileLink):
            raise ValueError("heard: expected an array as input; for devices use record=")
        return self._link.heard()

    def _account(self) -> str:
        status = self._link.status
        if not status.input:  # never opened
            return status.state
        names = f"{status.input!r} -> {status.output!r}"
        hertz = dict.fromkeys((status.input_rate_hz, status.output_rate_hz))
        rates = " -> ".join(f"{rate_hz / 1000:g}" for rate_hz in hertz)
        return f"{status.state}, {names} ({status.host}), {rates} kHz, blocks of {status.block}"

    def stats(self) -> LiveStats:
        """Return counters, times, levels and latency now. Any thread may ask."""
        core, latency = self._engine.stats(), self._engine.latency()
        return read_stats(core, latency, self.bandwidth, self._link.status)


def _do_nothing() -> None:
    pass


def _end(link: DeviceLink | FileLink, recorder: Recorder | None, owner: int) -> None:
    """Stop a link whose loopback has gone, or is left when the program ends."""
    if os.getpid() != owner:  # a forked child has neither the threads nor the device process
        return
    link.stop()
    if recorder is not None:
        recorder.close()


def _check_no_device(settings: DeviceSettings) -> None:
    for name in ("output", "input_channel", "output_channels"):
        if (given := getattr(settings, name)) is not None:
            raise ValueError(f"{name}: expected None beside an array as input, got {given!r:.100}")
