"""Metrics over pairs, in this process or in several."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from hopcodec.errors import Unavailable
from hopcodec.evaluation._alignment import lag_ms
from hopcodec.evaluation._metrics import METRICS, Options, Scorer
from hopcodec.evaluation._signals import Pair

# Libraries under the metrics start a thread per core each, in every process, unless told not to.
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Scores:
    """What the metrics say of one pair."""

    lag_ms: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)


class Scorers:
    """The metrics of a run. Each loads what it needs when it is first asked."""

    def __init__(self, names: tuple[str, ...], options: Options) -> None:
        self._names, self._options = names, options
        self._made: dict[str, Scorer | Unavailable] = {}

    def score(self, pair: Pair) -> Scores:
        """Every metric that applies; one that fails is noted and the others go on."""
        scores = Scores(lag_ms=lag_ms(pair))
        for name in self._names:
            if METRICS[name].needs_transcript and pair.transcript is None:
                continue
            scorer = self._scorer(name)
            if isinstance(scorer, Unavailable):
                scores.unavailable[name] = str(scorer)
                continue
            try:
                found = scorer(pair)
            except Exception as error:  # third-party code on any audio: one bad clip is one line
                scores.errors[name] = " ".join(str(error).split()) or type(error).__name__
                continue
            value, weight = found if isinstance(found, tuple) else (found, 1.0)
            scores.values[name] = value
            if weight != 1.0:
                scores.weights[name] = weight
        return scores

    def _scorer(self, name: str) -> Scorer | Unavailable:
        if name not in self._made:
            try:
                self._made[name] = METRICS[name].make(self._options)
            except Unavailable as error:
                self._made[name] = error
        return self._made[name]


Submit = Callable[[list[Pair]], "Future[list[Scores]]"]


@contextlib.contextmanager
def scoring(names: tuple[str, ...], options: Options, jobs: int) -> Iterator[Submit]:
    """A function that scores a clip's pairs in one of `jobs` processes; 1 is this one.

    Processes are spawned, as forking one that runs threads is not safe: a script that asks for
    several needs `if __name__ == "__main__":`.
    """
    if jobs == 1:
        scorers = Scorers(names, options)

        def here(pairs: list[Pair]) -> Future[list[Scores]]:
            done: Future[list[Scores]] = Future()
            done.set_result([scorers.score(pair) for pair in pairs])
            return done

        yield here
        return
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(names, options)
    )
    with _one_thread_each():
        try:
            yield lambda pairs: pool.submit(_score, pairs)
        finally:
            pool.shutdown(cancel_futures=True)


_scorers: Scorers | None = None  # of a worker process


def _begin(names: tuple[str, ...], options: Options) -> None:
    global _scorers
    _scorers = Scorers(names, options)


def _score(pairs: list[Pair]) -> list[Scores]:
    assert _scorers is not None
    return [_scorers.score(pair) for pair in pairs]


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Environment for child processes; what the user has set stays."""
    added = [name for name in _ONE_THREAD if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
