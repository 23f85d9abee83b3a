"""The latency from microphone to speaker as it is, over a cable from the output to the input.

A little noise is added to what the speaker plays; the cable brings it back to the microphone. Two
lags are found by correlation and make up the whole: speaker to microphone over the cable, which is
what the device and its buffers take, and microphone to speaker inside, which is what the engine
takes. For the second, what the codec must have made of the microphone's signal is computed again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from hopcodec.errors import DeviceError
from hopcodec.live._latency import Lags, measure_lags
from hopcodec.live._loopback import Device, Loopback
from hopcodec.live._stats import LiveStats

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

Audio = npt.NDArray[np.float32]

_NOISE: Final = 0.05  # amplitude of the probe
_GAIN: Final = 0.5  # of the microphone: with a cable the loop is closed, and must not howl
_AHEAD_S: Final = 0.2  # of probe queued
_HEARD: Final = 0.05  # correlation below which the cable is taken to be missing: ten sigma
_MOST_S: Final = 1.0


@dataclass(frozen=True)
class LiveBenchmark:
    """What was measured beside what was computed, in milliseconds.

    `device` is a pass-through's latency on this device, `engine` what comes on top of it.
    """

    device: Lags
    engine: Lags
    through_codec: bool
    stats: LiveStats

    @property
    def measured_ms(self) -> float:
        """Microphone to speaker, measured."""
        return self.device.p50_ms + self.engine.p50_ms

    @property
    def computed_ms(self) -> float:
        """Microphone to speaker, from the buffers' sizes."""
        return self.stats.latency.total

    def as_dict(self) -> dict[str, Any]:
        """Every figure by name, ready for JSON."""
        return {
            "measured_ms": self.measured_ms,
            "computed_ms": self.computed_ms,
            "device": asdict(self.device),
            "engine": asdict(self.engine),
            "through_codec": self.through_codec,
            "stats": self.stats.as_dict(),
        }


def bench_live(
    codec: Codec,
    *,
    input: Device = None,
    output: Device = None,
    bandwidth: float | None = None,
    seconds: float = 10.0,
    block: int | None = None,
    latency_ms: float | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> LiveBenchmark:
    """Measure for `seconds`; the output must be wired to the input, by a cable or in software.

    Raises
    ------
    DeviceError
        There is no device, or what the output plays does not arrive at the input.
    """
    with tempfile.TemporaryDirectory() as folder:
        live = Loopback(
            codec,
            input=input,
            output=output,
            bandwidth=bandwidth,
            block=block,
            latency_ms=latency_ms,
            record=folder,
        )
        live.input_gain = _GAIN
        with live:
            # Resampled, the position of the hops is known only to a fraction of a sample, and so
            # the codec's answer is not; the time taken does not depend on what is in the hops.
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
    return LiveBenchmark(
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
    """The codec's answer to what was captured, sample for sample, as the engine began."""
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
