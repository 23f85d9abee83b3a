"""The live engine between two clocks, and with more work than there is time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from live_sim import START_NS, Array, Stepped, noise, open_port, set_pass_through
from slow_ones import slow

from hopcodec import _core

pytestmark = pytest.mark.live


class TwoClocks:
    """A microphone and a speaker of different crystals, in made-up time; the worker is prompt."""

    def __init__(self, rates: tuple[int, int], periods: tuple[int, int], ppm: float) -> None:
        self.port = _core.live.Port()
        open_port(
            self.port,
            rates[0],
            periods[0],
            output_rate=rates[1],
            output_period=periods[1],
            one_clock=False,
        )
        self.engine = _core.live.Engine(self.port)
        set_pass_through(self.engine)
        self.engine.start(**self.port.link(), thread=False)
        self.rates, self.periods = rates, periods
        self.in_ns = periods[0] * 1e9 / rates[0]
        self.out_ns = periods[1] * 1e9 / (rates[1] * (1 + ppm * 1e-6))

    def run(self, x: Array, seconds: float) -> tuple[Array, list[float]]:
        """What is heard of `x`; and what waits in the queue, in seconds, before each callback."""
        heard, waiting = [], []
        captures = plays = 0
        while True:
            capture_ns = (captures + 1) * self.in_ns
            play_ns = (plays + 1.37) * self.out_ns
            if min(capture_ns, play_ns) > seconds * 1e9:
                return np.concatenate(heard), waiting
            now = START_NS + int(min(capture_ns, play_ns))
            if capture_ns <= play_ns:
                at = captures * self.periods[0]
                block = np.zeros((self.periods[0], 1), np.float32)
                block[: len(x[at : at + len(block)]), 0] = x[at : at + len(block)]
                self.port.callback(block, self.periods[0], now, plays=False)
                captures += 1
                self.engine.step(now)
            else:
                waiting.append(self.engine.stats()["queue_frames"] / self.rates[1])
                heard.append(self.port.callback(None, self.periods[1], now)[:, 0])
                plays += 1


@pytest.mark.parametrize("ppm", [-1000.0, -50.0, 0.0, 50.0, 1000.0])
@pytest.mark.parametrize(
    ("rates", "periods"), [((24000, 24000), (320, 320)), ((44100, 48000), (588, 256))]
)
def test_drift_is_held(rates: tuple[int, int], periods: tuple[int, int], ppm: float) -> None:
    """A minute: the queue stays within a hop, nothing is lost, the difference is learned."""
    device = TwoClocks(rates, periods, ppm)
    _, waiting = device.run(np.zeros(0, np.float32), 60)
    stats = device.engine.stats()
    assert stats["underruns"] == stats["discarded_frames"] == stats["resyncs"] == 0
    assert stats["late_hops"] == stats["dropped_hops"] == stats["overruns"] == 0
    # The queue holds whole hops, so it moves by one between callbacks even without drift.
    by_hop = max(320 / 24000, periods[1] / rates[1])
    middle = np.median(waiting[100:])
    assert np.abs(np.array(waiting[100:]) - middle).max() <= by_hop
    assert stats["drift_ppm"] == pytest.approx(ppm, abs=10 + 0.01 * abs(ppm))


@pytest.mark.parametrize("ppm", [-1000.0, 1000.0])
def test_drift_is_not_heard(ppm: float) -> None:
    """A tone through both clocks keeps its pitch in the listener's time, within two cents."""
    hz, seconds = 440.0, 40
    x = (0.5 * np.sin(2 * np.pi * hz * np.arange(24000 * seconds) / 24000)).astype(np.float32)
    device = TwoClocks((24000, 24000), (320, 320), ppm)
    heard, _ = device.run(x, seconds)
    tail = heard[24000 * 5 :].astype(np.float64)
    assert np.abs(np.diff(tail)).max() < 0.5 * 2 * np.pi * hz / 24000 * 1.01  # no click
    phase = np.unwrap(np.angle(tail * np.exp(-2j * np.pi * hz * np.arange(len(tail)) / 24000)))
    blocks = phase[: len(phase) // 2400 * 2400].reshape(-1, 2400).mean(axis=1)
    rate = np.diff(blocks) / (2 * np.pi * 2400) * 24000 / hz  # relative error of pitch, per 0.1 s
    # In the speaker's samples the tone is lower by what its clock is faster.
    assert np.abs(rate + ppm * 1e-6).max() < 0.0012


def test_both_directions_must_run_before_it_counts() -> None:
    """Playback alone, for a second, is silence and no underrun."""
    device = TwoClocks((24000, 24000), (320, 320), 0.0)
    for i in range(75):
        now = START_NS + i * 13_333_333
        heard = device.port.callback(None, 320, now)
        device.engine.step(now)
        np.testing.assert_array_equal(heard, 0)
    assert device.engine.stats()["underruns"] == 0
    assert device.port.counters()["played_frames"] == 75 * 320


class Loaded:
    """A paced device whose input never repeats a sample, and an engine with artificial work."""

    def __init__(self, seconds: float, extra_frames: int) -> None:
        frames = int(24000 * seconds) // 320 * 320
        self.x = ((np.arange(1, frames + 1) * 1234567) % 2**23 * 2.0**-23).astype(np.float32)
        self.port = _core.live.Port()
        open_port(self.port)
        self.engine = _core.live.Engine(self.port)
        set_pass_through(self.engine)
        self.engine.start(**self.port.link(), extra_frames=extra_frames)
        self.device = _core.live.PacedDevice(
            self.port, rate=24000, block=320, input=self.x[:, None], output_frames=frames
        )

    def close(self) -> Array:
        self.device.stop()
        self.engine.stop()
        return self.device.output[:, 0]


@pytest.mark.parametrize("percent", [150, *slow(50, 90, 110)])
def test_overload_costs_hops_never_latency(percent: int) -> None:
    """Whatever is heard of the input is heard at the latency stated; the rest is made up."""
    loaded = Loaded(seconds=60, extra_frames=640)
    lag = loaded.engine.target_frames
    loaded.engine.artificial_work = percent
    loaded.device.start()
    time.sleep(3)
    stats = loaded.engine.stats()
    if percent > 100:
        assert stats["dropped_hops"] > 0
    assert stats["hops"] > 0
    # Without the load, half a second comes through whole: the machine may need several attempts.
    loaded.engine.artificial_work = 0
    deadline = time.monotonic() + 50
    calm = loaded.device.position
    while time.monotonic() < deadline:
        calm, begin = loaded.device.position, loaded.engine.stats()
        time.sleep(0.6)
        end = loaded.engine.stats()
        if all(end[k] == begin[k] for k in ("late_hops", "dropped_hops", "underruns")):
            break
    heard = loaded.close()
    source = {value: at for at, value in enumerate(loaded.x.tolist())}
    at = np.array([source.get(value, -1) for value in heard.tolist()])
    # Two samples in a row that follow each other in the input are no accident of a faded repeat.
    real = np.flatnonzero((at[1:] >= 0) & (at[1:] == at[:-1] + 1))
    assert len(real) > 24000
    np.testing.assert_array_equal(real - at[real], lag)
    settled = np.arange(calm + 960, min(calm + 12000, len(heard)))
    assert len(settled) > 5000
    np.testing.assert_array_equal(heard[settled], loaded.x[settled - lag])


def test_the_backlog_is_bounded() -> None:
    """Of a burst, a hop with more than 200 ms behind it is dropped; 0 turns that off."""
    for backlog_ms, dropped in ((200.0, 75 - 16), (0.0, 0)):
        port = _core.live.Port()
        engine = _core.live.Engine(port, backlog_ms=backlog_ms)
        set_pass_through(engine)
        engine.start(
            input_rate=24000,
            output_rate=24000,
            input_period=320,
            output_period=320,
            one_clock=True,
            queue_frames=0,
            thread=False,
        )
        x = noise(24000)
        assert port.write(x[None]) == 24000
        engine.step(time.monotonic_ns())
        stats = engine.stats()
        assert (stats["dropped_hops"], stats["hops"]) == (dropped, 75 - dropped)
        heard = port.read(48000)[0]
        np.testing.assert_array_equal(
            heard[-(75 - dropped) * 320 + 128 :], x[dropped * 320 + 128 :]
        )
        assert len(heard) == 24000


def test_one_writer_and_one_reader_meet_in_the_middle() -> None:
    """The engine without a device: what goes in comes out, whoever calls when."""
    port = _core.live.Port()
    engine = _core.live.Engine(port, backlog_ms=0)
    set_pass_through(engine)
    engine.start(
        input_rate=24000,
        output_rate=24000,
        input_period=320,
        output_period=320,
        one_clock=True,
        queue_frames=0,
    )
    x = noise(24000)
    heard: list[Array] = []
    rng = np.random.default_rng(5)
    at = 0
    deadline = time.monotonic() + 10
    while sum(map(len, heard)) < len(x):
        assert time.monotonic() < deadline
        piece = x[at : at + int(rng.integers(0, 1500))]
        at += port.write(np.ascontiguousarray(piece[None]))
        heard.append(port.read(int(rng.integers(0, 1500)))[0])
    engine.stop()
    np.testing.assert_array_equal(np.concatenate(heard), x)


def test_a_hurried_caller_is_not_corrected() -> None:
    """A minute in a moment, in pieces of any size: by the clock nothing was off for long."""
    device = Stepped(backlog_ms=0)
    set_pass_through(device.engine)
    device.start(queue_frames=2400)
    x = noise(60 * 24000)
    heard: list[Array] = []
    rng = np.random.default_rng(5)
    written = read = 0
    for i in range(2000):
        now = START_NS + 1000 * i
        piece = np.ascontiguousarray(x[written : written + int(rng.integers(0, 1500)), None])
        device.port.callback(piece, len(piece), now, plays=False)
        written += len(piece)
        device.engine.step(now)
        wanted = min(int(rng.integers(0, 1500)), 2400 + written // 320 * 320 - read)
        heard.append(device.port.callback(None, wanted, now)[:, 0])
        read += wanted
    stats = device.engine.stats()
    assert stats["resyncs"] == stats["discarded_frames"] == stats["concealed_frames"] == 0
    assert read > 20 * 24000
    np.testing.assert_array_equal(np.concatenate(heard)[2400:], x[: read - 2400])
