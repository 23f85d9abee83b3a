"""The real-time engine without a device: samples in, samples out, a worker in between."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec._checks import Audio, check_audio
from hopcodec.codec._codec import Codec
from hopcodec.live._arguments import check_codec, check_whole
from hopcodec.live._base import LiveCodec
from hopcodec.live._device_link import LinkStatus
from hopcodec.live._stats import LiveStats, read_stats


class LiveEngine(LiveCodec):
    """Encoder and decoder behind a worker thread, for transports that have no audio callback.

    One thread writes, one reads; neither waits for the codec. What is read is at a constant
    distance behind what was written: missing samples are concealed and, when they come, discarded.

    Examples
    --------
    >>> import hopcodec, numpy as np, time
    >>> with hopcodec.LiveEngine(hopcodec.load(), bandwidth=6.0) as engine:
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
        queue_samples: int | None = None,
        backlog_ms: float = 200.0,
        priority: int = 3,
    ) -> None:
        """Prepare an engine for `codec`.

        Parameters
        ----------
        codec, bandwidth
            What to run, and its kilobits per second; without them its `default_bandwidth`.
        period : int, optional
            Samples of a typical write and read; default: one hop. It sets the latency.
        queue_samples : int, optional
            The constant latency instead, for a reader that is less regular.
        backlog_ms : float
            Written audio beyond this that still waits for the codec is dropped, counted; 0: never.
        priority : int
            SCHED_FIFO priority to ask for; `stats()` says what was granted.
        """
        check_codec(codec)
        check_whole("period", period, 65536)
        self._port = _core.Port(channels=codec.channels)
        engine = _core.Engine(self._port, priority=priority, backlog_ms=backlog_ms)
        super().__init__(engine, codec, bandwidth)
        self._period = period or codec.hop_samples
        self._queue_samples = queue_samples

    def start(self) -> None:
        """Start the worker from a fresh state."""
        rate_hz = self.codec.sample_rate
        self._engine.start(
            input_rate=rate_hz,
            output_rate=rate_hz,
            input_period=self._period,
            output_period=self._period,
            one_clock=True,
            queue_frames=self._queue_samples,
        )

    def stop(self) -> None:
        """Stop the worker; a later `start` begins anew."""
        self._engine.stop()

    def write(self, audio: Audio) -> int:
        """Give float32 `(channels, samples)`; how many samples were taken.

        Fewer than given means that two seconds are waiting already: the rest is dropped, counted.
        """
        return self._port.write(check_audio(audio, self.codec.channels))

    def read(self, samples: int) -> npt.NDArray[np.float32]:
        """Take the next `samples`, `(channels, samples)`; what is missing is concealed, counted."""
        return self._port.play(samples)

    def stats(self) -> LiveStats:
        """What the worker has counted so far; from any thread, without disturbing it."""
        rate_hz = self.codec.sample_rate
        status = LinkStatus(
            state="running" if self._engine.running else "stopped",
            input_rate_hz=rate_hz,
            output_rate_hz=rate_hz,
            block=self._period,
        )
        return read_stats(self._engine.stats(), self._engine.latency(), self.bandwidth, status)
