"""What a loopback says that runs but does not sound right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hopcodec.cli._loopback_advice import Advice, advice_on_late_hops
from hopcodec.live._link import LinkStatus
from hopcodec.live._stats import Durations, Latency, LiveStats


def times(ms: float) -> Durations:
    return Durations(100, ms, ms, ms, ms, ms, ms)


def reading(**changes: Any) -> LiveStats:
    """A healthy reading: 1.5 of 13.3 ms."""
    values: dict[str, Any] = dict.fromkeys(LiveStats.__dataclass_fields__, 0)
    values.update(
        hops=0,
        deadline_ms=13.3,
        allowed_ms=13.3,
        compute=times(1.5),
        wake=times(0.1),
        slack=times(11.0),
        input_peak=0.01,
        latency=Latency(*[0.0] * 10),
        device=LinkStatus(state="running", host="ALSA"),
    )
    return LiveStats(**{**values, **changes})


def test_few_late_hops_need_no_advice() -> None:
    assert advice_on_late_hops(reading(), 1, 750) == ""
    assert advice_on_late_hops(reading(), 0, 0) == ""


@pytest.mark.parametrize(
    ("allowed_ms", "compute_ms", "words"),
    [
        (13.3, 1.5, "--extra 5,"),
        (2.7, 11.0, "--extra 10,"),  # longer than a short device period leaves
        (13.3, 20.0, "too slow for the codec"),
    ],
)
def test_late_hops_are_told_their_cure(allowed_ms: float, compute_ms: float, words: str) -> None:
    stats = reading(allowed_ms=allowed_ms, compute=times(compute_ms))
    assert words in advice_on_late_hops(stats, 100, 750)


def test_late_hops_are_counted_over_some_seconds() -> None:
    advice = Advice()

    def look(now: float, late: int) -> str:
        return advice.look(reading(hops=round(75 * now), late_hops=late), now)

    assert look(6.0, 100) == ""  # while everything starts
    assert look(12.0, 101) == ""
    assert "late" in look(18.0, 201)
    assert "late" in look(20.0, 201)
    assert look(24.0, 202) == ""  # it passed
    assert advice.look(reading(hops=3), 25.0) == ""  # counted from zero again


def test_a_silent_microphone_is_told() -> None:
    advice = Advice()
    silent = reading(input_peak=0.0)
    assert advice.look(silent, 1.0) == ""
    assert "exact silence" in advice.look(silent, 6.0)
    assert advice.look(reading(), 6.1) == ""
    assert advice.look(silent, 7.0) == ""


@pytest.mark.parametrize("device", [{"state": "stalled"}, {"host": "clock"}])
def test_what_may_be_silent_is_told_nothing(device: dict[str, str]) -> None:
    advice = Advice()
    stats = reading(input_peak=0.0)
    silent = replace(stats, device=replace(stats.device, **device))
    assert advice.look(silent, 1.0) == advice.look(silent, 9.0) == ""
