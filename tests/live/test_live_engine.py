"""The engine without a device, as transports use it: `hopcodec.live.LiveEngine`, and arrays."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from live_session import noise, through_codec, wait_for

import hopcodec
from hopcodec import Codec
from hopcodec.live._device_link import DeviceLink

pytestmark = pytest.mark.live

Audio = npt.NDArray[np.float32]


def converse(engine: hopcodec.live.LiveEngine, audio: Audio, block: int) -> Audio:
    """Write and read in turn, as fast as the worker follows; `(samples,)`, latency in front."""
    heard, before = [], engine.stats().hops
    for first in range(0, len(audio) - block + 1, block):
        assert engine.write(np.ascontiguousarray(audio[None, first : first + block])) == block
        due = before + (first + block) // 320
        wait_for(lambda due=due: engine.stats().hops >= due)  # type: ignore[misc]
        heard.append(engine.read(block)[0])
    return np.concatenate(heard)


@pytest.mark.parametrize("block", [320, 160, 960])
def test_what_is_read_is_what_the_codec_makes_of_what_was_written(tiny: Codec, block: int) -> None:
    audio = noise(1.0)
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6, period=block) as engine:
        heard = converse(engine, audio, block)
        stats = engine.stats()
    latency = round(stats.target_ms * 24)
    expected = through_codec(tiny, audio, 3.6)
    n = min(len(heard) - latency, len(expected))
    np.testing.assert_array_equal(heard[:latency], 0.0)
    np.testing.assert_array_equal(heard[latency : latency + n], expected[:n])
    assert stats.transparent
    assert stats.underruns == stats.overruns == 0


def test_bandwidth_follows_at_once(tiny: Codec) -> None:
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6) as engine:
        engine.bandwidth = 0.45
        assert engine.stats().bandwidth == engine.bandwidth == 0.45
        with pytest.raises(ValueError, match=r"expected one of 0.45, .* got 6"):
            engine.bandwidth = 6.0
        heard = converse(engine, noise(0.5), 320)
    expected = through_codec(tiny, noise(0.5), 0.45)
    np.testing.assert_array_equal(heard[320:], expected[: len(heard) - 320])


def test_bypass_gives_the_input(tiny: Codec) -> None:
    audio = noise(0.5)
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6) as engine:
        engine.bypass = True
        heard = converse(engine, audio, 320)
        assert engine.stats().bypass
    # The beginning may hold the cross-fade from the codec.
    np.testing.assert_array_equal(heard[1280:], audio[960 : len(heard) - 320])


def test_another_codec_while_it_runs(tiny: Codec, codec: Codec) -> None:
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6) as engine:
        converse(engine, noise(0.3), 320)
        engine.switch(codec, 6.0)
        assert engine.bandwidth == 6.0
        hops = engine.stats().hops

        def ten_more() -> bool:
            engine.write(np.zeros((1, 320), np.float32))
            engine.read(320)
            return engine.stats().hops >= hops + 10

        wait_for(ten_more)


def test_a_second_start_begins_anew(tiny: Codec) -> None:
    engine = hopcodec.live.LiveEngine(tiny, bandwidth=3.6)
    heard = []
    for _ in range(2):
        with engine:
            heard.append(converse(engine, noise(0.2), 320))
    np.testing.assert_array_equal(*heard)
    assert engine.stats().device.state == "stopped"


def test_a_burst_is_kept_if_so_wished(tiny: Codec) -> None:
    audio = np.ascontiguousarray(noise(1.0)[None])
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6, backlog_ms=0.0) as engine:
        assert engine.write(audio) == audio.shape[1]
        wait_for(lambda: engine.stats().hops >= 75)
        heard = engine.read(24000)[0]
        assert engine.stats().dropped_hops == 0
    np.testing.assert_array_equal(heard[320:], through_codec(tiny, audio[0], 3.6)[:-320])


def test_what_is_not_audio_is_refused(tiny: Codec) -> None:
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6) as engine:
        with pytest.raises(TypeError, match="expected a C-contiguous float32"):
            engine.write(np.zeros((1, 320), np.int16))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"expected shape \(1, samples\), got \(2, 320\)"):
            engine.write(np.zeros((2, 320), np.float32))


def test_nothing_written_is_concealed_and_counted(tiny: Codec) -> None:
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6) as engine:
        for _ in range(3):
            assert engine.read(320).shape == (1, 320)
        assert engine.stats().underruns >= 1
        assert engine.stats().concealed_ms > 0


def test_an_array_is_played_by_the_clock(tiny: Codec) -> None:
    audio = noise(1.0)[None, :]
    live = hopcodec.live.Loopback(tiny, input=audio, bandwidth=3.6)
    with live:
        wait_for(lambda: live.wait(0.1))
        stats = live.stats()
    heard = live.heard()
    assert heard.shape == audio.shape
    same = heard[0, : 75 * 320] == through_codec(tiny, audio[0], 3.6)
    assert same.mean() == 1.0 or stats.late_hops + stats.underruns > 0
    assert live.progress is not None
    assert live.progress[0] == live.progress[1]
    with live:  # and once more, from the beginning
        wait_for(lambda: live.wait(0.1))
    again = live.heard()[0, : 75 * 320] == heard[0, : 75 * 320]
    assert again.mean() == 1.0 or live.stats().late_hops + live.stats().underruns > 0


def test_an_array_leaves_no_room_for_an_output(tiny: Codec) -> None:
    with pytest.raises(ValueError, match="expected None beside an array"):
        hopcodec.live.Loopback(tiny, input=noise(0.1)[None], output="pulse", bandwidth=3.6)
    with pytest.raises(ValueError, match="expected an array as input"):
        hopcodec.live.Loopback(tiny, bandwidth=3.6).heard()


@pytest.mark.parametrize("live", [hopcodec.live.Loopback, hopcodec.live.LiveEngine])
def test_what_is_no_codec_is_refused(live: Any) -> None:
    with pytest.raises(TypeError, match=r"codec: expected what hopcodec.load\(\) gives, got None"):
        live(None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0}, "rate: expected 1 to 768000, got 0"),
        ({"rate": "fast"}, "rate: expected a whole number, got .fast."),
        ({"block": -1}, "block: expected 1 to 65536, got -1"),
        ({"block": True}, "block: expected a whole number, got True"),
        ({"latency_ms": float("nan")}, "latency_ms: expected 0 to 10000, got nan"),
        ({"extra_ms": "much"}, "extra_ms: expected a number, got .much."),
    ],
)
def test_settings_out_of_range_are_refused(
    tiny: Codec, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        hopcodec.live.Loopback(tiny, bandwidth=3.6, **arguments)


@pytest.mark.parametrize("name", ["input", "output"])
@pytest.mark.parametrize(
    "value", [Path("talk.wav"), 0.0, b"pulse", [0], (0, 1), True, {"name": "pulse"}]
)
def test_a_device_of_a_wrong_kind_is_refused(tiny: Codec, name: str, value: Any) -> None:
    message = f"{name}: expected the number of a device.* got {type(value).__name__}"
    with pytest.raises(TypeError, match=message):
        hopcodec.live.Loopback(tiny, bandwidth=3.6, **{name: value})


@pytest.mark.parametrize("value", ["", " ", -1, np.int64(-1)])
def test_a_device_that_has_no_number_or_name_is_refused(tiny: Codec, value: Any) -> None:
    with pytest.raises(ValueError, match="input: expected"):
        hopcodec.live.Loopback(tiny, bandwidth=3.6, input=value)


def test_a_path_as_input_is_told_how_to_play_it(tiny: Codec) -> None:
    with pytest.raises(TypeError, match=r"input=hopcodec\.read_audio\(\.\.\.\)\[0\] plays a file"):
        hopcodec.live.Loopback(tiny, bandwidth=3.6, input=Path("talk.wav"))  # type: ignore[arg-type]


def test_numbers_of_numpy_are_devices(tiny: Codec) -> None:
    link = hopcodec.live.Loopback(
        tiny,
        bandwidth=3.6,
        input=np.int64(3),
        output=np.uint8(2),
        rate=np.int32(24000),  # type: ignore[arg-type]
        block=np.int64(320),  # type: ignore[arg-type]
        latency_ms=np.float32(5),  # type: ignore[arg-type]
        output_channels=[np.int64(1)],
    )._link
    assert isinstance(link, DeviceLink)
    sent = dataclasses.asdict(link._settings)
    assert json.loads(json.dumps(sent))["output_channels"] == [1]
    assert (sent["input"], sent["output"], sent["block"]) == (3, 2, 320)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"queue_samples": 1.5}, "queue_samples: expected a whole number, got 1.5"),
        ({"queue_samples": -1}, "queue_samples: expected 0 to 1048576, got -1"),
        ({"backlog_ms": "long"}, "backlog_ms: expected a number, got .long."),
        ({"priority": 100}, "priority: expected 0 to 99, got 100"),
    ],
)
def test_settings_of_an_engine_out_of_range_are_refused(
    tiny: Codec, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        hopcodec.live.LiveEngine(tiny, bandwidth=3.6, **arguments)


def test_a_session_says_what_it_is(tiny: Codec) -> None:
    engine = hopcodec.live.LiveEngine(tiny, bandwidth=3.6)
    of_codec = f"of {tiny.name} fp32, 3.6 kbps"
    assert repr(engine) == f"<LiveEngine {of_codec}: stopped, 24 kHz, blocks of 320>"
    live = hopcodec.live.Loopback(tiny, input=noise(0.5)[None], bandwidth=3.6)
    linked = "'memory' -> 'memory' (clock), 24 kHz, blocks of 320"
    with live:
        live._engine.stats()  # clears the peaks
        time.sleep(0.1)
        assert repr(live) == f"<Loopback {of_codec}: running, {linked}>"
        assert live.stats().input_peak > 0.0  # repr read none
    assert repr(live) == f"<Loopback {of_codec}: stopped, {linked}>"
    assert repr(hopcodec.live.Loopback(tiny, bandwidth=3.6)) == f"<Loopback {of_codec}: stopped>"


def test_two_clocks_are_followed_if_so_wished(tiny: Codec) -> None:
    audio = np.ascontiguousarray(noise(0.2)[None])
    with hopcodec.live.LiveEngine(tiny, bandwidth=3.6, one_clock=False) as engine:
        engine.write(audio[:, :320])
        engine.read(320)
        stats = engine.stats()
        assert not stats.transparent
        assert not stats.device.one_clock
        assert stats.target_ms == pytest.approx(40.0)  # a period more than with one clock
    with pytest.raises(TypeError, match="one_clock: expected true or false, got 2"):
        hopcodec.live.LiveEngine(tiny, bandwidth=3.6, one_clock=2)  # type: ignore[arg-type]
