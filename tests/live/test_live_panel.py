"""The loopback's panel, keys and screen, without a device."""

from __future__ import annotations

import io
import os
import pty
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from hopcodec import Codec
from hopcodec.cli._keys import Keys, decode
from hopcodec.cli._loopback_panel import WIDTH, LoopbackPanel
from hopcodec.cli._terminal import Meter, Screen
from hopcodec.live._link import LinkStatus
from hopcodec.live._stats import LiveStats, read_stats

TIMES = {"count": 750, "mean_us": 1400, "p50_us": 1350, "p90_us": 1500, "p99_us": 1620}
PORT = {"callbacks": 750, "input_overflows": 0, "output_underflows": 1}
CORE: dict[str, Any] = {
    "hops": 750,
    "late_hops": 2,
    "dropped_hops": 0,
    "underruns": 1,
    "overruns": 0,
    "concealed_frames": 320,
    "discarded_frames": 320,
    "bypass": False,
    "sample_rate": 24000,
    "hop_samples": 320,
    "deadline_us": 13333.3,
    "compute": {**TIMES, "p999_us": 1900, "max_us": 2100},
    "wake": {**TIMES, "p999_us": 1900, "max_us": 2100},
    "queue": {**TIMES, "p999_us": 1900, "max_us": 2100},
    "input_peak": 0.1,
    "output_peak": 0.5,
    "queue_frames": 320,
    "target_frames": 320,
    "compute_frames": 0,
    "drift_ppm": 12.0,
    "transparent": True,
    "clipped_samples": 0,
    "bad_samples": 0,
    "scheduling": "fifo 3",
    "scheduling_error": "",
    "memory_locked": True,
    "memory_error": "",
    "port": PORT,
}
LATENCY = {
    "input_buffer": 13.33,
    "resampler_in": 0.0,
    "framing": 0.0,
    "lookahead": 0.0,
    "compute": 1.4,
    "queue": 11.93,
    "resampler_out": 0.0,
    "output_buffer": 13.33,
    "total": 40.0,
    "added": 13.33,
}
DEVICE = LinkStatus(
    state="running",
    input="a microphone with quite a long name",
    output="headphones with an even longer name than that",
    host="ALSA",
    input_rate_hz=24000,
    output_rate_hz=24000,
    block=320,
)


@pytest.fixture
def stats() -> LiveStats:
    return read_stats(CORE, LATENCY, 6.0, DEVICE)


def picture(codec: Codec, stats: LiveStats, **options: Any) -> list[str]:
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        console.print(LoopbackPanel(several_models=True).picture(codec, stats, 12.0, **options))
    return capture.get().splitlines()


def test_frames_become_milliseconds(stats: LiveStats) -> None:
    assert stats.concealed_ms == pytest.approx(320 / 24)
    assert stats.queue_ms == stats.target_ms == pytest.approx(320 / 24)
    assert stats.compute.p99_ms == 1.62
    assert stats.as_dict()["latency"]["total"] == 40.0


def test_the_panel_fits_a_narrow_terminal(codec: Codec, stats: LiveStats) -> None:
    lines = picture(codec, stats)
    assert {len(line) for line in lines} == {WIDTH}
    assert len(lines) <= 16
    text = "\n".join(lines)
    for words in (
        "running",
        "-20 dBFS",
        "-6 dBFS",
        "p50 1.35  p99 1.62 of 13.33 ms",
        "40.0 ms in all",
        "queue 11.9",
        "1 underruns",
        "2 late hops",
        "6 kbps = 8 codebooks",
        "fifo 3",
        "space bypass",
        "q quit",
    ):
        assert words in text
    assert "BYPASS" not in text


def test_the_panel_tells_of_trouble(codec: Codec, stats: LiveStats) -> None:
    lost = replace(DEVICE, state="reopening", last_fault="no callback for 0.27 s", faults=1)
    lines = picture(codec, replace(stats, device=lost, bypass=True), message="loading ...")
    text = "\n".join(lines)
    for words in ("reopening", "BYPASS", "no callback for 0.27 s", "1 faults", "loading"):
        assert words in text
    assert "q quit" not in text


def test_the_panel_shows_the_time_that_a_hop_has_and_advice(codec: Codec, stats: LiveStats) -> None:
    short = read_stats(CORE, {**LATENCY, "compute": 1.35, "queue": 1.31}, 6.0, DEVICE)
    assert (short.allowed_ms, short.deadline_ms) == (pytest.approx(2.66), pytest.approx(13.3333))
    lines = picture(codec, short, advice="hops are late: --extra 5")
    assert {len(line) for line in lines} == {WIDTH}
    text = "\n".join(lines)
    assert "p99 1.62 of 2.66 ms" in text
    assert "hops are late: --extra 5" in text
    assert "q quit" in text


def test_meters_rise_at_once_and_fall_slowly() -> None:
    meter = Meter(1.5)
    meter.feed(1.0)
    assert meter.db == 0.0
    meter.feed(0.0)
    assert -3.0 < meter.db < 0.0
    for _ in range(100):
        meter.feed(0.0)
    assert meter.db == -60.0


def test_keys_have_names() -> None:
    assert decode(b"b \x1b[A\x1bOBq") == ["b", " ", "up", "down", "q"]
    assert decode(b"\x1b[15~") == []
    assert decode(b"\xff\x00\t+") == ["+"]


def test_keys_come_from_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "r") as terminal, Keys() as none:
        assert not none.available  # pytest's stdin is no terminal
        monkeypatch.setattr("sys.stdin", terminal)
        with Keys() as keys:
            assert keys.available
            assert keys.wait(0.0) == []
            threading.Timer(0.05, os.write, (leader, b"m")).start()
            assert keys.wait(10.0) == ["m"]
    os.close(leader)


def test_waiting_without_a_terminal_only_waits() -> None:
    with Keys() as keys:
        begin = time.monotonic()
        assert keys.wait(0.02) == []
        assert time.monotonic() - begin >= 0.02


def test_a_picture_is_painted_over_the_last() -> None:
    file = io.StringIO()
    with Screen(Console(file=file, force_terminal=True, width=80)) as screen:
        screen.paint("one\ntwo")
        first = file.getvalue()
        screen.paint("three\nfour")
        second = file.getvalue()[len(first) :]
    assert "\x1b[2A" in second  # back to the first line
    assert "\x1b[2J" not in file.getvalue()  # never erased as a whole
    assert file.getvalue().endswith("\x1b[?25h")  # the cursor is given back


def test_nothing_is_painted_into_a_pipe() -> None:
    file = io.StringIO()
    with Screen(Console(file=file)) as screen:
        screen.paint("one")
    assert file.getvalue() == ""
