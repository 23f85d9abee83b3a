"""How long the queue is: as long as the device's delivery and the codec's compute make it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_sounddevice import JACK, FakeSoundDevice
from live_sim import START_NS, open_port, sessions, set_pass_through

from hopcodec import Codec, _core
from hopcodec.live._device_settings import DeviceSettings
from hopcodec.live.device import _streams
from hopcodec.live.device._jack import JackTiming

SETTINGS = DeviceSettings(input=None, output=None, codec_rate_hz=24000, hop_samples=320, channels=1)


def opened(block: int | None, period: int, monkeypatch: pytest.MonkeyPatch) -> _streams.Opened:
    monkeypatch.setattr(_streams, "query_timing", lambda *names: JackTiming(period, 0, 0))
    card = FakeSoundDevice(("system", JACK, 2, 2))
    return _streams.open_streams(card, replace(SETTINGS, block=block), 1, 2)


@pytest.mark.parametrize(
    ("block", "period", "delivered", "grouped"),
    [
        (None, 320, 320, 0),
        (320, 320, 320, 0),
        (160, 320, 320, 0),  # two at a time, never less
        (240, 320, 480, 240),  # one or two at a time
        (100, 320, 400, 100),
        (640, 320, 640, 0),
        (500, 320, 500, 0),
    ],
)
def test_blocks_come_as_jack_delivers_them(
    block: int | None,
    period: int,
    delivered: int,
    grouped: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_stream = opened(block, period, monkeypatch)
    assert of_stream.link["input_period"] == of_stream.link["output_period"] == delivered
    assert of_stream.report["grouped_block"] == grouped
    assert of_stream.report["output_block"] == (block or period)


@pytest.mark.parametrize(("block", "period"), [(None, 256), (100, 300)])
def test_jack_beside_another_host_keeps_its_period(
    block: int | None, period: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streams, "query_timing", lambda *names: JackTiming(256, 0, 0))
    card = FakeSoundDevice(("system", JACK, 2, 2), ("card (hw:0,0)", "ALSA", 2, 2))
    settings = replace(SETTINGS, input="system", output="card", block=block)
    link = _streams.open_streams(card, settings, 1, 2).link
    assert (link["input_period"], link["output_period"]) == (period, block or 320)
    assert card.opened[0]["blocksize"] == (block or 0)


def play_in_groups(frames: int, period: int, **settings: Any) -> tuple[int, int]:
    """Late hops and the queue of an engine whose device delivers blocks once a period."""
    port = _core.live.Port()
    open_port(port, period=-(-period // frames) * frames)
    engine = _core.live.Engine(port, lock_memory=False)
    set_pass_through(engine)
    engine.start(**port.link(), thread=False, **settings)
    audio, done = np.zeros((frames, 1), np.float32), 0
    for k in range(1, 60):
        now = START_NS + k * period * 10**9 // 24000
        while done + frames <= k * period:
            port.callback(audio, frames, now)
            done += frames
        engine.step(now)
    late = engine.stats()["late_hops"]
    queue = engine.target_frames
    engine.stop()
    return late, queue


@pytest.mark.parametrize(
    ("block", "period"), [(240, 320), (100, 320), (240, 1024), (512, 1024), (48, 64), (100, 256)]
)
def test_the_queue_lasts_for_a_group_of_blocks(block: int, period: int) -> None:
    grouped = 0 if period % block == 0 else block
    late, queue = play_in_groups(block, period, block=grouped)
    assert late == 0
    delivered = -(-period // block) * block
    assert queue <= delivered + 320
    if delivered >= 320:
        assert queue == delivered + 320 - math.gcd(block if grouped else delivered, 320)


def test_a_block_is_no_longer_than_what_comes_at_once() -> None:
    with pytest.raises(ValueError, match="block: expected 0 to 480, got 481"):
        play_in_groups(240, 320, block=481)


def started(codec: Codec, period: int, **settings: Any) -> dict[str, Any]:
    """Counters of an engine just started."""
    port = _core.live.Port()
    open_port(port, period=period)
    engine = _core.live.Engine(port, lock_memory=False)
    engine.set_coder(*sessions(codec), codebooks=2, sample_rate=24000, hop_samples=320)
    engine.start(**port.link(), **settings)
    stats = engine.stats()
    engine.stop()
    return stats


def test_a_hop_that_takes_longer_than_a_period_is_given_the_time(tiny: Codec) -> None:
    """A period of one frame is 42 microseconds, in which no codec is done."""
    stats = started(tiny, 1)
    added = stats["compute_frames"]
    assert 0 < added <= 320
    assert stats["target_frames"] == 1 + 320 + added
    assert stats["hops"] == 0  # the measurement is no part of the stream


@pytest.mark.parametrize(
    ("period", "settings"), [(320, {}), (1, {"queue_frames": 640}), (1, {"thread": False})]
)
def test_nothing_is_added_where_a_hop_has_time_or_the_queue_is_given(
    tiny: Codec, period: int, settings: dict[str, Any]
) -> None:
    assert started(tiny, period, **settings)["compute_frames"] == 0
