"""Which crops make a batch and how loud they are: a function of the seed and the step, no state.

So a run that resumes at step k draws what it would have drawn, in any process, in any order. The
numbers are drawn on the host (some hundred per step); the audio work is done by `batches`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hopcodec.training._config import Data
from hopcodec.training._corpus import BLOCK_SAMPLES, Corpus

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Draws:
    """One batch: row r is `samples[starts[r] : ends[r]]` of corpus `corpora[r]`, zeros after it.

    The first half of the rows are the items, the second half what may be mixed into them.
    `gain` (rows,) is linear and 0 where nothing is mixed in; `cutoff_hz` and `noise` (items,)
    are 0 where there is neither (noise: its RMS relative to the item's).
    """

    corpora: Ints
    starts: Ints
    ends: Ints
    gain: Floats
    cutoff_hz: Floats
    noise: Floats


class Sampler:
    """Draws batches from corpora as `Data` says.

    Parameters
    ----------
    corpora
        One for each of `data.train`.
    data
        Weights, probabilities and ranges.
    segment_samples
        Length of one item.
    seed
        Of the run.
    """

    def __init__(self, corpora: list[Corpus], data: Data, segment_samples: int, seed: int) -> None:
        self._corpora = corpora
        self._data = data
        self._samples = segment_samples
        self._seed = seed
        weights = np.asarray(data.weights or [len(c) for c in corpora], np.float64)
        self._shares = np.cumsum(weights / weights.sum())
        self._begins = [np.concatenate([[0], c.ends[:-1]]) for c in corpora]

    def draw(self, step: int) -> Draws:
        """The batch of `step`."""
        data, items = self._data, self._data.batch
        rng = np.random.default_rng([self._seed, step])
        corpora, starts, ends = self._crops(rng, 2 * items)
        gain = _decibels(rng.uniform(*data.gain_db, items)) * rng.choice([-1.0, 1.0], items)
        second = _decibels(rng.uniform(*data.mix_gain_db, items))
        second *= rng.random(items) < data.mix_probability
        cutoff = np.exp(rng.uniform(math.log(data.band_hz[0]), math.log(data.band_hz[1]), items))
        cutoff *= rng.random(items) < data.band_probability
        noise = _decibels(-rng.uniform(*data.noise_snr_db, items))
        noise *= rng.random(items) < data.noise_probability
        return Draws(
            corpora,
            starts,
            ends,
            np.concatenate([gain, gain * second]).astype(np.float32),
            cutoff.astype(np.float32),
            noise.astype(np.float32),
        )

    def _crops(self, rng: np.random.Generator, rows: int) -> tuple[Ints, Ints, Ints]:
        """The first of `silence_tries` crops that is not silent, or the last."""
        tries = self._data.silence_tries
        which = np.minimum(
            np.searchsorted(self._shares, rng.random(rows), "right"), len(self._corpora) - 1
        )
        clip, place = rng.random((rows, tries)), rng.random((rows, tries))
        starts, ends = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        for k, corpus in enumerate(self._corpora):
            mine = np.flatnonzero(which == k)
            begin, end = self._place(k, clip[mine], place[mine])
            loud = _level_db(corpus, begin, end) >= self._data.silence_db
            loud[:, -1] = True
            chosen = np.argmax(loud, axis=1)
            picked = np.arange(len(mine))
            starts[mine], ends[mine] = begin[picked, chosen], end[picked, chosen]
        return which.astype(np.int64), starts, ends

    def _place(
        self, k: int, clip: npt.NDArray[np.float64], place: npt.NDArray[np.float64]
    ) -> tuple[Ints, Ints]:
        """Numbers in [0, 1) to crops: a clip in proportion to its length, a place in it."""
        corpus = self._corpora[k]
        position = (clip * len(corpus)).astype(np.int64)
        index = np.searchsorted(corpus.ends, position, "right")
        begin, end = self._begins[k][index], corpus.ends[index]
        room = np.maximum(end - begin - self._samples, 0) + 1
        start = begin + (place * room).astype(np.int64)
        return start, np.minimum(end, start + self._samples)


def _decibels(value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = 10.0 ** (value / 20.0)
    return result


def _level_db(corpus: Corpus, begin: Ints, end: Ints) -> npt.NDArray[np.float64]:
    """RMS of the whole blocks that a crop touches, dB full scale."""
    first = begin // BLOCK_SAMPLES
    last = -(-end // BLOCK_SAMPLES)
    power = (corpus.energy[last] - corpus.energy[first]) / ((last - first) * BLOCK_SAMPLES)
    level: npt.NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 1e-12))
    return level
