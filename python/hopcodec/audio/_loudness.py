"""Loudness of a signal that comes in pieces, after ITU-R BS.1770-4, in constant memory.

    x ─► high shelf 4 dB at 1.5 kHz ─► high pass 38 Hz ─► mean square of 0.4 s every 0.1 s ─► gates

The filters are those of pyloudnorm, which the original `dac` command uses too: close to the
standard's, of any sample rate. pyloudnorm itself needs the whole signal at once and brings scipy,
so it serves in the tests only.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.floating]
_Floats = npt.NDArray[np.float64]

SILENCE: Final = -70.0  # LUFS; what is quieter counts as silence
_BLOCK_SECONDS: Final = 0.4
_LEAST_SECONDS: Final = 0.5  # shorter signals are measured with zeros behind them
_OFFSET: Final = -0.691
_RELATIVE_GATE: Final = -10.0
_WEIGHTS: Final = (1.0, 1.0, 1.0, 1.41, 1.41)  # left, right, centre, surround
_SPAN: Final = 64  # samples that a filter takes at once


class LoudnessMeter:
    """Integrated loudness in LUFS.

    As descript-audiotools measures it: the last block is filled up with zeros, a signal of less
    than half a second too, and nothing is quieter than -70.

    Examples
    --------
    >>> meter = LoudnessMeter(48000, 1)
    >>> meter.push(np.sin(2 * np.pi * 997 * np.arange(48000) / 48000)[None])
    >>> round(meter.lufs(), 2)
    -3.05
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        if not 1 <= channels <= len(_WEIGHTS):
            raise ValueError(f"channels: expected 1 to {len(_WEIGHTS)}, got {channels}")
        self._rate = sample_rate
        self._block = int(_BLOCK_SECONDS * sample_rate)
        self._step = int(_BLOCK_SECONDS * sample_rate * 0.25)
        if self._step < 1:
            raise ValueError(f"sample_rate: expected at least 10 Hz, got {sample_rate}")
        self._filters = [
            (_Biquad(*_high_shelf(sample_rate)), _Biquad(*_high_pass(sample_rate)))
            for _ in range(channels)
        ]
        self._squares: _Floats = np.zeros((channels, 0))
        self._energies: list[_Floats] = []  # per block, mean square of each channel
        self._samples = 0

    def push(self, audio: Audio) -> None:
        """Append samples `(channels, samples)`."""
        if audio.ndim != 2 or audio.shape[0] != len(self._filters):
            raise ValueError(f"audio: expected ({len(self._filters)}, samples), got {audio.shape}")
        self._samples += audio.shape[1]
        self._take(np.asarray(audio, np.float64))

    def _take(self, audio: _Floats) -> None:
        weighted = np.stack(
            [b.run(a.run(x)) for x, (a, b) in zip(audio, self._filters, strict=True)]
        )
        squares = np.concatenate((self._squares, weighted * weighted), axis=1)
        at = 0
        while at + self._block <= squares.shape[1]:
            self._energies.append(self._mean(squares[:, at : at + self._block]))
            at += self._step
        self._squares = squares[:, at:].copy()

    def _mean(self, squares: _Floats) -> _Floats:
        total: _Floats = squares.sum(axis=1)
        return total / (_BLOCK_SECONDS * self._rate)

    def lufs(self) -> float:
        """Loudness of all that was pushed. Ends the measurement."""
        if self._samples < _LEAST_SECONDS * self._rate:
            missing = int((_LEAST_SECONDS - self._samples / self._rate) * self._rate)
            self._take(np.zeros((len(self._filters), missing)))
        # Samples that no block covers yet are covered by one more, zeros behind them.
        covered = self._block - self._step if self._energies else 0
        if self._squares.shape[1] > covered:
            self._energies.append(self._mean(self._squares))
        if not self._energies:
            return SILENCE
        energies = np.stack(self._energies)
        weights = np.array(_WEIGHTS[: energies.shape[1]])
        powers = energies @ weights
        kept = powers > _power(SILENCE)
        if kept.any():
            mean = _decibels(float(powers[kept].mean()))
            kept &= powers > _power(mean + _RELATIVE_GATE)
        return max(SILENCE, _decibels(float(powers[kept].mean()))) if kept.any() else SILENCE


def _decibels(power: float) -> float:
    return _OFFSET + 10.0 * math.log10(power)


def _power(lufs: float) -> float:
    return float(10.0 ** ((lufs - _OFFSET) / 10.0))


def _cookbook(rate: int, frequency: float, q: float) -> tuple[float, float]:
    """Cosine and alpha of the Audio EQ Cookbook (R. Bristow-Johnson)."""
    w = 2.0 * math.pi * frequency / rate
    return math.cos(w), math.sin(w) / (2.0 * q)


def _high_shelf(rate: int) -> tuple[_Floats, _Floats]:
    c, alpha = _cookbook(rate, 1500.0, math.sqrt(0.5))
    a = 10.0 ** (4.0 / 40.0)
    edge = 2.0 * math.sqrt(a) * alpha
    up, down = (a + 1.0) + (a - 1.0) * c, (a + 1.0) - (a - 1.0) * c
    return (
        np.array([a * (up + edge), -2.0 * a * ((a - 1.0) + (a + 1.0) * c), a * (up - edge)]),
        np.array([down + edge, 2.0 * ((a - 1.0) - (a + 1.0) * c), down - edge]),
    )


def _high_pass(rate: int) -> tuple[_Floats, _Floats]:
    c, alpha = _cookbook(rate, 38.0, 0.5)
    half = (1.0 + c) / 2.0
    return np.array([half, -2.0 * half, half]), np.array([1.0 + alpha, -2.0 * c, 1.0 - alpha])


class _Biquad:
    """`y[t] = b0 x[t] + b1 x[t-1] + b2 x[t-2] - a1 y[t-1] - a2 y[t-2]`, many samples at once.

    In transposed direct form II two numbers carry the past. What a span of inputs adds to its
    outputs and to those two is a matrix each, found by filtering unit impulses; only the two
    numbers go from span to span one after the other.
    """

    def __init__(self, b: _Floats, a: _Floats) -> None:
        self._b, self._a = b / a[0], a / a[0]
        self._state = np.zeros(2)
        self._spread, self._stir = np.zeros((_SPAN, _SPAN)), np.zeros((_SPAN, 2))
        for row in range(_SPAN):
            impulse = np.zeros(_SPAN)
            impulse[row] = 1.0
            self._spread[row], self._stir[row] = self._plain(impulse, np.zeros(2))
        self._ring, self._decay = np.zeros((2, _SPAN)), np.zeros((2, 2))
        for row in range(2):
            self._ring[row], self._decay[row] = self._plain(np.zeros(_SPAN), np.eye(2)[row])

    def run(self, x: _Floats) -> _Floats:
        """The next outputs for the next inputs, any number."""
        spans = x.size // _SPAN
        blocks = x[: spans * _SPAN].reshape(spans, _SPAN)
        states = np.zeros((spans, 2))
        stirred = blocks @ self._stir
        for k in range(spans):
            states[k] = self._state
            self._state = self._state @ self._decay + stirred[k]
        head = (blocks @ self._spread + states @ self._ring).reshape(-1)
        tail, self._state = self._plain(x[spans * _SPAN :], self._state)
        return np.concatenate((head, tail))

    def _plain(self, x: _Floats, state: _Floats) -> tuple[_Floats, _Floats]:
        b, a, (s0, s1) = self._b, self._a, state
        y = np.zeros(x.size)
        for t in range(x.size):
            y[t] = b[0] * x[t] + s0
            s0, s1 = b[1] * x[t] - a[1] * y[t] + s1, b[2] * x[t] - a[2] * y[t]
        return y, np.array([s0, s1])
