"""Readers whose clock is another, or that pause, in made-up time."""

from __future__ import annotations

import numpy as np
import pytest
from live_sim import START_NS, open_port, set_pass_through

from hopcodec import _core

HOP, RATE = 320, 24000
PERIOD_NS = HOP * 1e9 / RATE
ANSWER_NS = 0.3e6  # the worker answers a block so much later


class Reader:
    """Writes a hop each period of one clock, and reads a hop each period of another."""

    def __init__(
        self,
        seconds: float,
        *,
        faster: float = 0.0,
        phase_ms: float = 0.0,
        one_clock: bool = True,
    ) -> None:
        self._one_clock = one_clock
        self._end = START_NS + seconds * 1e9
        self._period = PERIOD_NS / (1.0 + faster)
        self._phase = phase_ms * 1e6
        self.underruns_at: list[float] = []  # seconds

    def run(self, pause: tuple[float, float] = (0.0, 0.0)) -> dict[str, int]:
        """Counters at the end; the reader pauses from the one second to the other."""
        port = _core.live.Port()
        open_port(port, period=HOP, one_clock=self._one_clock)
        engine = _core.live.Engine(port, lock_memory=False)
        set_pass_through(engine)
        engine.start(**port.link(), thread=False)
        events = self._events(pause)
        block, seen = np.full((HOP, 1), 0.1, np.float32), 0
        for i, (at, writes) in enumerate(events):
            if writes:
                port.callback(block, HOP, int(at), plays=False)
            else:
                port.callback(None, HOP, int(at))
            if i + 1 == len(events) or events[i + 1][0] > at + ANSWER_NS:
                engine.step(int(at + ANSWER_NS))
            underruns = engine.stats()["underruns"]
            if underruns > seen:
                self.underruns_at.append((at - START_NS) / 1e9)
            seen = underruns
        stats = engine.stats()
        engine.stop()
        return stats

    def _events(self, pause: tuple[float, float]) -> list[tuple[float, bool]]:
        writes = np.arange(START_NS + PERIOD_NS, self._end, PERIOD_NS)
        reads = np.arange(START_NS + PERIOD_NS + self._phase, self._end, self._period)
        second = (reads - START_NS) / 1e9
        reads = reads[(second < pause[0]) | (second >= pause[1])]
        return sorted([(at, True) for at in writes] + [(at, False) for at in reads])


@pytest.mark.parametrize("faster", [0.005, 0.001])
def test_a_faster_reader_makes_no_hop_late(faster: float) -> None:
    stats = Reader(40.0, faster=faster).run()
    assert stats["resyncs"] >= 2
    assert stats["late_hops"] == stats["concealed_frames"] == 0  # before any hop is late
    assert stats["queue_frames"] <= 2 * HOP


@pytest.mark.parametrize("faster", [0.003, -0.003])
def test_a_resampler_follows_where_two_clocks_are_named(faster: float) -> None:
    stats = Reader(60.0, faster=faster, one_clock=False).run()
    assert stats["late_hops"] == stats["concealed_frames"] == stats["resyncs"] == 0
    assert stats["drift_ppm"] == pytest.approx(1e6 * faster, rel=0.05)


def test_a_slower_reader_is_cut_back() -> None:
    stats = Reader(20.0, faster=-0.005).run()
    assert stats["concealed_frames"] == 0
    assert stats["queue_frames"] < 4 * HOP


@pytest.mark.parametrize(
    ("pause_s", "phase_ms"), [(2.0037, 9.85), (2.651, 2.39), (1.5, 3.0), (2.2, 7.1)]
)
def test_no_hop_is_late_for_good_after_a_pause(pause_s: float, phase_ms: float) -> None:
    reader = Reader(pause_s + 4.0, phase_ms=phase_ms)
    reader.run(pause=(1.0, 1.0 + pause_s))
    assert [at for at in reader.underruns_at if at > pause_s + 2.5] == []


def test_one_clock_is_left_alone() -> None:
    stats = Reader(5.0, phase_ms=1.0).run()
    assert stats["resyncs"] == stats["underruns"] == 0
