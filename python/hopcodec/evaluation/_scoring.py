"""Metrics over pairs, in this process or in several."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from hopcodec._interpreter import SAFE_PATH, interpreter
from hopcodec.errors import Unavailable
from hopcodec.evaluation._alignment import lag_ms
from hopcodec.evaluation._metrics import METRICS, Options, Scorer
from hopcodec.evaluation._signals import Pair

# By default the metrics' libraries start a thread per core each, in every process, and a process
# looks for its first modules in the working folder.
_OF_WORKERS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", SAFE_PATH)


@dataclass
class Scores:
    """The scores of one pair."""

    lag_ms: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)


class Scorers:
    """The metrics of a run. Each loads its packages when it first scores."""

    def __init__(self, names: tuple[str, ...], options: Options) -> None:
        self._names, self._options = names, options
        self._made: dict[str, Scorer | Unavailable] = {}

    def score(self, pair: Pair) -> Scores:
        """Apply every metric that applies. A failure is noted, and the others go on."""
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
            except Exception as error:  # third-party code may raise anything; the other clips go on
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
    """Give a function that scores a clip's pairs in one of `jobs` processes; 1 is this one.

    Processes are spawned, because forking a process with threads is not safe. A script that asks
    for several therefore needs `if __name__ == "__main__":`.
    """
    if jobs == 1:
        scorers = Scorers(names, options)

        def here(pairs: list[Pair]) -> Future[list[Scores]]:
            done: Future[list[Scores]] = Future()
            done.set_result([scorers.score(pair) for pair in pairs])
            return done

        yield here
        return
    interpreter(Unavailable)
    with _worker_environment():
        pool = ProcessPoolExecutor(
            jobs,
            multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(names, options),
        )
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
def _worker_environment() -> Iterator[None]:
    """Limit workers to one thread each, unless the user has set a number, and to a safe path."""
    added = [name for name in _OF_WORKERS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
