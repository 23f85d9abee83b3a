"""Measure the latency from microphone to speaker over a cable from the output to the input.

The speaker plays a little noise, and the cable brings it back to the microphone. Correlation finds
two lags, whose sum is the latency. From speaker to microphone, over the cable, is the time of the
device and its buffers. From microphone to speaker, inside, is the time of the engine. For the
second, the codec's answer to the microphone's signal is computed again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hopcodec.errors import DeviceError
from hopcodec.live._latency import Lags, measure_lags
from hopcodec.live._loopback import Device, Loopback
from hopcodec.live._stats import LiveStats
from hopcodec.typing import Audio

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec


_NOISE: Final = 0.05  # amplitude of the probe
_GAIN: Final = 0.5  # of the microphone; the cable closes the loop, which must not howl
_AHEAD_S: Final = 0.2  # the probe is queued so far ahead
_HEARD: Final = 0.05  # a smaller correlation means that there is no cable; ten sigma
_MOST_S: Final = 1.0


@dataclass(frozen=True)
class CableMeasurement:
    """Measured beside computed latency, in milliseconds.

    `device` is the latency of a pass-through on this device. `engine` is the time on top of it.
    """

    device: Lags
    engine: Lags
    through_codec: bool
    stats: LiveStats

    @property
    def measured_ms(self) -> float:
        """Measured latency from microphone to speaker."""
        return self.device.p50_ms + self.engine.p50_ms

    @property
    def computed_ms(self) -> float:
        """Latency from microphone to speaker, from the sizes of the buffers."""
        return self.stats.latency.total

    def as_dict(self) -> dict[str, Any]:
        """Return every figure by name, ready for JSON."""
        return {
            "measured_ms": self.measured_ms,
            "computed_ms": self.computed_ms,
            "device": asdict(self.device),
            "engine": asdict(self.engine),
            "through_codec": self.through_codec,
            "stats": self.stats.as_dict(),
        }


def measure_over_cable(
    codec: Codec,
    *,
    input: Device = None,
    output: Device = None,
    input_channel: int | None = None,
    output_channels: Sequence[int] | None = None,
    bandwidth: float | None = None,
    seconds: float = 10.0,
    block: int | None = None,
    latency_ms: float | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> CableMeasurement:
    """Measure for `seconds`. A cable or software must connect the output to the input.

    Parameters
    ----------
    codec, input, output, input_channel, output_channels, bandwidth, block, latency_ms
        As in `Loopback`.
    seconds
        Length of the measurement.
    progress
        Called with the share of the time that has passed.

    Raises
    ------
    DeviceError
        There is no device, or the output's sound does not arrive at the input.
    """
    with tempfile.TemporaryDirectory() as folder:
        live = Loopback(
            codec,
            input=input,
            output=output,
            input_channel=input_channel,
            output_channels=output_channels,
            bandwidth=bandwidth,
            block=block,
            latency_ms=latency_ms,
            record=folder,
        )
        live.input_gain = _GAIN
        with live:
            # With resampling, the position of the hops is known only to a fraction of a sample, so
            # the codec's answer cannot be computed again. The latency does not depend on it.
            through_codec = live.stats().transparent
            live.bypass = not through_codec
            _play_noise(live, seconds, progress)
            stats = live.stats()
        captured, heard = (_read(Path(folder) / name) for name in ("captured.wav", "heard.wav"))
    rates = stats.device.input_rate_hz, stats.device.output_rate_hz
    if rates[0] != rates[1]:
        raise DeviceError(
            f"expected one rate for input and output to measure at, got {rates[0]} and {rates[1]} "
            "Hz; give --rate"
        )
    answer = _answer(codec, captured, bandwidth) if through_codec else captured
    return CableMeasurement(
        device=_lags(heard, captured, rates[0], "what the output plays at the input"),
        engine=_lags(answer, heard, rates[0], "the codec's answer at the output"),
        through_codec=through_codec,
        stats=stats,
    )


def _play_noise(live: Loopback, seconds: float, progress: Callable[[float], None]) -> None:
    rng = np.random.default_rng(0)
    rate_hz, channels = live.codec.sample_rate, live.codec.channels
    begin, sent = time.monotonic(), 0
    while (passed := time.monotonic() - begin) < seconds:
        due = round((passed + _AHEAD_S) * rate_hz) - sent
        noise = rng.uniform(-_NOISE, _NOISE, (1, due)).astype(np.float32)
        sent += live.add_to_output(np.repeat(noise, channels, axis=0))
        progress(passed / seconds)
        time.sleep(_AHEAD_S / 4)


def _answer(codec: Codec, captured: Audio, bandwidth: float | None) -> Audio:
    """Compute the codec's answer to the captured signal, from the engine's first sample on."""
    encoder = codec.encoder(bandwidth, start="immediate")
    decoder = codec.decoder(start="immediate")
    weakened = np.ascontiguousarray(captured[None, :] * np.float32(_GAIN))
    return np.ascontiguousarray(decoder.push(encoder.push(weakened))[0])


def _read(path: Path) -> Audio:
    import soundfile  # type: ignore[import-untyped]

    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples[:, 0])


def _lags(early: Audio, late: Audio, rate_hz: int, what: str) -> Lags:
    try:
        lags = measure_lags(early, late, rate_hz, _MOST_S)
    except ValueError as error:
        raise DeviceError(f"expected {what}: {error}") from None
    if lags.correlation < _HEARD:
        raise DeviceError(
            f"expected {what}, found no likeness (correlation {lags.correlation:.2f} where 1 is "
            "the same): connect the output to the input with a cable, or choose a virtual device"
        )
    return lags
