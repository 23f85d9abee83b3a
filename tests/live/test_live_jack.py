"""End to end on a real PortAudio device: JACK's dummy driver at the codec's rate.

At 24 kHz and 320 frames a callback that copies its input takes exactly one period from microphone
to speaker, 13.33 ms; two, where PortAudio is asked for blocks of 320, as it then buffers once more
even though that is JACK's own period. The engine answers in the next callback: one period more.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from live_servers import jack_server, virtual_card
from live_session import noise, run_session, through_codec
from slow_ones import slow

from hopcodec import Codec
from hopcodec.live._latency import find_offset

pytestmark = pytest.mark.live

PERIOD = 320
BASELINE = PERIOD  # JACK's own, between a client that is both source and sink and another

_COPY = """
import sys, sounddevice
def copy(indata, outdata, frames, time, status):
    outdata[:] = indata
devices, asked = ("virtualcard", "virtualcard"), int(sys.argv[1])
with sounddevice.Stream(24000, asked, devices, 1, "float32", callback=copy):
    sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "periods"), [(0, 1), (PERIOD, 2)])
def test_the_card_itself_takes_whole_periods(asked: int, periods: int, tmp_path: Path) -> None:
    with jack_server(24000, PERIOD), virtual_card(noise(30.0), tmp_path) as card:
        copying = subprocess.Popen(
            [sys.executable, "-c", _COPY, str(asked)], stdin=subprocess.PIPE, text=True
        )
        with pytest.raises(subprocess.TimeoutExpired):
            copying.wait(4.0)
        copying.communicate("stop\n", timeout=20)
        mic, speaker, _ = card.stop()
    at = len(speaker) // 2
    lag = find_offset(speaker[at : at + 12000], mic)
    assert at - lag[0] == periods * PERIOD
    assert lag[1] > 0.999


@pytest.mark.parametrize("period", [320, *slow(64, 160, 640, 1024)])
def test_pass_through_adds_what_the_formula_says(tiny: Codec, period: int, tmp_path: Path) -> None:
    """At most one hop and one period; exactly one period where a period is a hop."""
    with jack_server(24000, period):
        session = run_session(tiny, tmp_path, bypass=True, bandwidth=3.6)
    added, correlation = session.latency(session.captured)
    added -= period
    assert correlation > 0.999
    assert added == round(session.stats.target_ms * 24)
    assert added <= tiny.hop_samples + period
    if period == tiny.hop_samples:
        assert added == period
    assert session.stats.device.block == period
    assert session.stats.transparent


def test_the_speaker_plays_what_the_codec_makes_of_the_microphone(
    tiny: Codec, tmp_path: Path
) -> None:
    with jack_server(24000, PERIOD):
        session = run_session(tiny, tmp_path, bandwidth=3.6)
    answer = through_codec(tiny, session.captured, 3.6)
    total, correlation = session.latency(answer)
    assert total == BASELINE + PERIOD
    assert correlation > 0.99
    late = session.heard[PERIOD:][: len(answer)]
    hops = len(late) // PERIOD * PERIOD
    same = (late[:hops] == answer[:hops]).reshape(-1, PERIOD).all(axis=1)
    # Bit for bit, but for hops that a busy machine made late: those were concealed and counted.
    assert np.count_nonzero(~same) <= 4 * session.stats.late_hops
    assert session.stats.hops > 200


@pytest.mark.slow
def test_the_estimate_of_the_latency_is_what_is_measured(tiny: Codec, tmp_path: Path) -> None:
    with jack_server(24000, PERIOD):
        session = run_session(tiny, tmp_path, bandwidth=3.6)
    total, _ = session.latency(through_codec(tiny, session.captured, 3.6))
    assert session.stats.latency.total == pytest.approx(total / 24, abs=0.1)
    assert session.stats.latency.added == pytest.approx(PERIOD / 24, abs=0.1)


@pytest.mark.parametrize("rate", [48000, *slow(44100)])
def test_another_rate_is_resampled(tiny: Codec, rate: int, tmp_path: Path) -> None:
    with jack_server(rate, 512):
        session = run_session(tiny, tmp_path, bypass=True, bandwidth=3.6)
    assert session.stats.device.input_rate_hz == rate
    assert not session.stats.transparent
    n = len(session.captured)
    # The clearest of three half seconds: a busy machine conceals a hop here and there.
    windows = [session.captured[n * k // 5 : n * k // 5 + rate // 2] for k in (1, 2, 3)]
    answers = [find_offset(window, session.speaker) for window in windows]
    best = int(np.argmax([correlation for _, correlation in answers]))
    into, _ = find_offset(windows[best], session.mic)
    found, correlation = answers[best]
    # White noise to 22 or 24 kHz; the codec's 12 kHz let half of its power through.
    assert correlation > 0.6
    assert 1000 * (found - into) / rate == pytest.approx(session.stats.latency.total, abs=1.0)


@pytest.mark.slow
def test_bandwidth_and_model_change_while_it_runs(tiny: Codec, tmp_path: Path) -> None:
    from live_session import wait_for

    def change(live) -> None:  # type: ignore[no-untyped-def]
        hops = live.stats().hops
        live.bandwidth = 0.45
        wait_for(lambda: live.stats().hops > hops + 20)
        live.switch(tiny, 1.8)
        wait_for(lambda: live.stats().hops > hops + 60)

    with jack_server(24000, PERIOD):
        session = run_session(tiny, tmp_path, bandwidth=3.6, during=change, seconds=1.0)
    assert session.stats.bandwidth == 1.8
    assert np.abs(session.heard[-12000:]).max() > 0.0
