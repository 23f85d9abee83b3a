"""Lags found by correlation are those that were put in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hopcodec.live._latency import find_lag, find_offset, measure_lags

RATE = 24000


@pytest.fixture
def noise() -> npt.NDArray[np.float32]:
    return (0.1 * np.random.default_rng(1).standard_normal(5 * RATE)).astype(np.float32)


@pytest.mark.parametrize("lag", [0, 1, 320, 4799])
def test_a_delay_is_found(noise: npt.NDArray[np.float32], lag: int) -> None:
    late = np.concatenate([np.zeros(lag, np.float32), noise])[: len(noise)]
    assert find_lag(noise, late, 4800)[0] == lag
    found = measure_lags(noise, late, RATE)
    assert found.p50_ms == found.min_ms == found.max_ms == pytest.approx(1000 * lag / RATE)
    assert found.correlation > 0.999
    assert found.jumps == 0


def test_a_delay_may_be_negative(noise: npt.NDArray[np.float32]) -> None:
    assert find_lag(noise[100:], noise[:-100], 200, -200)[0] == 100
    assert find_lag(noise[:-100], noise[100:], 200, -200)[0] == -100


def test_a_jump_is_counted(noise: npt.NDArray[np.float32]) -> None:
    late = noise.copy()
    late[3 * RATE :] = noise[3 * RATE - 480 : -480]
    found = measure_lags(noise, late, RATE)
    assert found.jumps == 1
    assert found.max_ms - found.min_ms == pytest.approx(20.0)


def test_strangers_do_not_correlate(noise: npt.NDArray[np.float32]) -> None:
    other = np.random.default_rng(2).standard_normal(len(noise)).astype(np.float32)
    assert measure_lags(noise, other, RATE).correlation < 0.1


def test_silence_is_refused(noise: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="got silence"):
        measure_lags(noise, np.zeros_like(noise), RATE)
    with pytest.raises(ValueError, match="expected more than 800 samples, got 100"):
        find_lag(noise[:100], noise[:100], 800)


def test_a_part_is_found_in_the_whole(noise: npt.NDArray[np.float32]) -> None:
    at, correlation = find_offset(noise[7000:9000], noise)
    assert at == 7000
    assert correlation == pytest.approx(1.0)
    with pytest.raises(ValueError, match="expected a part of 1 to 10 samples, got 20"):
        find_offset(noise[:20], noise[:10])
