"""The live engine without devices: stepped in made-up time, or paced by the clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hopcodec import Codec, _core

Array = npt.NDArray[np.float32]
START_NS = 10**12


def open_port(
    port: _core.live.Port,
    rate: int = 24000,
    period: int = 320,
    *,
    output_rate: int | None = None,
    output_period: int | None = None,
    input_channels: int = 1,
    output_channels: int = 1,
    one_clock: bool = True,
    **link: Any,
) -> None:
    port.open(
        input_rate=rate,
        output_rate=output_rate or rate,
        input_channels=input_channels,
        output_channels=output_channels,
        input_period=period,
        output_period=output_period or period,
        one_clock=one_clock,
        **link,
    )


def sessions(codec: Codec) -> tuple[_core.sessions.Encoder, _core.sessions.Decoder]:
    return codec.sessions.cpu_encoder(1, "immediate", 1), codec.sessions.cpu_decoder(
        1, "immediate", 1
    )


def set_coder(engine: _core.live.Engine, codec: Codec, bandwidth: float) -> None:
    engine.set_coder(
        *sessions(codec),
        codebooks=codec.codebooks_for(bandwidth),
        sample_rate=codec.sample_rate,
        hop_samples=codec.hop_samples,
    )


def set_pass_through(engine: _core.live.Engine, rate: int = 24000, hop: int = 320) -> None:
    engine.set_coder(None, None, codebooks=0, sample_rate=rate, hop_samples=hop)


def noise(samples: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(samples)).astype(np.float32)


class Stepped:
    """A duplex device in made-up time: the worker answers before the next callback."""

    def __init__(self, rate: int = 24000, period: int = 320, **engine: Any) -> None:
        self.port = _core.live.Port()
        open_port(self.port, rate, period)
        self.engine = _core.live.Engine(self.port, **engine)
        self.period_ns = period * 10**9 / rate
        self.period = period
        self.now = float(START_NS)

    def start(self, **settings: Any) -> None:
        self.engine.start(**self.port.link(), thread=False, **settings)

    def play(self, x: Array, *, step: bool = True) -> Array:
        """Whole periods of `x` through the callback; what was heard meanwhile."""
        heard = []
        for block in x[: len(x) // self.period * self.period].reshape(-1, self.period, 1):
            self.now += self.period_ns
            heard.append(
                self.port.callback(np.ascontiguousarray(block), self.period, int(self.now))
            )
            if step:
                self.engine.step(int(self.now))
        return np.concatenate(heard)[:, 0]


def delay_of(x: Array, y: Array) -> float:
    """Samples by which `y` lags `x`, to a fraction, by correlation."""
    n = 1 << (len(x) + len(y)).bit_length()
    spectrum = np.fft.rfft(y.astype(np.float64), n) * np.conj(np.fft.rfft(x.astype(np.float64), n))
    correlation = np.fft.irfft(spectrum, n)
    top = int(np.argmax(correlation))
    before, at, after = correlation[[top - 1, top, (top + 1) % n]]
    return float(top + 0.5 * (before - after) / (before - 2 * at + after))
