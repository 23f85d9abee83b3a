"""Timing single hops: blocks of calls back to back, or paced by the clock."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hopcodec.evaluation._speed import HopTimes, hop_times, wait_until

WARM_UP = 10  # hops before a block is timed: the previous peer's weights leave the caches

Step = Callable[[int], object]


@dataclass
class Samples:
    """All durations of one peer in one mode, over every round."""

    nanoseconds: list[int] = field(default_factory=list)
    missed: int = 0

    def summary(self, deadline_ms: float) -> HopTimes:
        return hop_times(self.nanoseconds, deadline_ms, self.missed)


@contextmanager
def quiet_interpreter() -> Iterator[None]:
    """No garbage collection inside: it would be charged to whoever happens to run."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def back_to_back(step: Step, first: int, count: int, deadline_s: float, into: Samples) -> None:
    """Times `step(first) .. step(first + count - 1)`, each on its own."""
    deadline_ns = int(deadline_s * 1e9)
    clock = time.perf_counter_ns
    with quiet_interpreter():
        for k in range(-WARM_UP, 0):
            step(first + k)
        for k in range(count):
            begin = clock()
            step(first + k)
            took = clock() - begin
            into.nanoseconds.append(took)
            into.missed += took > deadline_ns


def paced(step: Step, first: int, count: int, period_s: float, into: Samples) -> None:
    """The same, one call per period. Missed: not done when the next hop is there.

    A late hop delays the next, as it would in a live loop: time is not handed back.
    """
    period_ns = int(period_s * 1e9)
    clock = time.perf_counter_ns
    with quiet_interpreter():
        for k in range(-WARM_UP, 0):
            step(first + k)
        start = clock() + period_ns
        for k in range(count):
            due = start + k * period_ns
            wait_until(due)
            begin = clock()
            step(first + k)
            end = clock()
            into.nanoseconds.append(end - begin)
            into.missed += end > due + period_ns
