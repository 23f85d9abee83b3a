"""The real-time engine without a device: samples in, samples out, a worker thread between."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._checks import check_audio, flag, number, whole
from hopcodec.codec._codec import Codec
from hopcodec.live._arguments import MAX_BLOCK, check_codec
from hopcodec.live._link import LinkStatus
from hopcodec.live._live_codec import LiveCodec
from hopcodec.live._stats import LiveStats, read_stats
from hopcodec.typing import Audio

_MAX_QUEUE: Final = 16 * MAX_BLOCK
_MAX_BACKLOG_MS: Final = 60_000.0


class LiveEngine(LiveCodec):
    """Encoder and decoder behind a worker thread, for transports that have no audio callback.

    One thread writes and one reads. Neither waits for the codec. The output is a constant distance
    behind the input: missing samples are concealed, and discarded when they come. Where the
    reader's clock is another than the writer's, the distance is corrected by a stretch of made-up
    or omitted sound, cross-faded, each time it has changed by about a hop; or by a resampler.

    Examples
    --------
    >>> import hopcodec, numpy as np, time
    >>> with hopcodec.live.LiveEngine(hopcodec.load(), bandwidth=6.0) as engine:
    ...     taken = engine.write(np.zeros((1, 3200), np.float32))
    ...     heard = engine.read(3200)
    >>> taken, heard.shape
    (3200, (1, 3200))
    """

    def __init__(
        self,
        codec: Codec,
        *,
        bandwidth: float | None = None,
        period: int | None = None,
        one_clock: bool = True,
        queue_samples: int | None = None,
        backlog_ms: float = 200.0,
        priority: int = 3,
    ) -> None:
        """Prepare an engine for `codec`.

        Parameters
        ----------
        codec, bandwidth
            The codec to run, and its kilobits per second (default: `codec.default_bandwidth`).
        period : int, optional
            Samples of a typical write and read, by default one hop. It sets the latency.
        one_clock : bool
            False where writer and reader follow different clocks for long: then a resampler follows
            the difference, up to 0.4 %, instead of a correction now and then. It costs a period and
            the resampler's delay, and the output is not bit for bit the codec's.
        queue_samples : int, optional
            The constant latency itself, for a reader that is less regular.
        backlog_ms : float
            Audio beyond this that waits for the codec is dropped and counted. 0 drops none.
        priority : int
            SCHED_FIFO priority to ask for. `stats()` says what was granted.
        """
        check_codec(codec)
        if period is not None:
            period = whole("period", period, 1, MAX_BLOCK)
        if queue_samples is not None:
            queue_samples = whole("queue_samples", queue_samples, 0, _MAX_QUEUE)
        backlog_ms = number("backlog_ms", backlog_ms, 0, _MAX_BACKLOG_MS)
        priority = whole("priority", priority, 0, 99)
        self._port = _core.live.Port(channels=codec.channels)
        engine = _core.live.Engine(self._port, priority=priority, backlog_ms=backlog_ms)
        super().__init__(engine, codec, bandwidth)
        self._period = period or codec.hop_samples
        self._queue_samples = queue_samples
        self._one_clock = flag("one_clock", one_clock)

    def start(self) -> None:
        """Start the worker from a fresh state."""
        rate_hz = self.codec.sample_rate
        self._engine.start(
            input_rate=rate_hz,
            output_rate=rate_hz,
            input_period=self._period,
            output_period=self._period,
            one_clock=self._one_clock,
            queue_frames=self._queue_samples,
        )

    def stop(self) -> None:
        """Stop the worker. A later `start` begins anew."""
        self._engine.stop()

    def write(self, audio: Audio) -> int:
        """Write float32 `(channels, samples)`; return the number of samples taken.

        A smaller number means that two seconds wait already. The rest is dropped and counted.
        """
        return self._port.write(check_audio(audio, self.codec.channels))

    def read(self, samples: int) -> npt.NDArray[np.float32]:
        """Read the next `(channels, samples)`. Missing samples are concealed and counted."""
        return self._port.play(samples)

    def _account(self) -> str:
        state = "running" if self._engine.running else "stopped"
        return f"{state}, {self.codec.sample_rate / 1000:g} kHz, blocks of {self._period}"

    def stats(self) -> LiveStats:
        """Return the worker's counters. Any thread may ask, without disturbing the worker."""
        rate_hz = self.codec.sample_rate
        status = LinkStatus(
            state="running" if self._engine.running else "stopped",
            input_rate_hz=rate_hz,
            output_rate_hz=rate_hz,
            block=self._period,
            one_clock=self._one_clock,
        )
        return read_stats(self._engine.stats(), self._engine.latency(), self.bandwidth, status)
