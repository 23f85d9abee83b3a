"""The live engine without devices: exact, of constant latency, robust, and free of Python."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from live_sim import (
    START_NS,
    Array,
    Stepped,
    delay_of,
    noise,
    open_port,
    set_coder,
    set_pass_through,
)

from hopcodec import Codec, StreamError, _core
from hopcodec.specs._encodec import causal_encodec
from hopcodec.weights._seeded import seeded_weights

pytestmark = pytest.mark.live


def through_streams(codec: Codec, x: Array, bandwidth: float) -> Array:
    encoder = codec.encoder(bandwidth, start="immediate")
    return codec.decoder(start="immediate").push(encoder.push(x[None]))[0]


@pytest.mark.parametrize("period", [320, 64, 100, 480, 1024])
def test_what_is_heard_is_what_the_streams_give(tiny: Codec, period: int) -> None:
    device = Stepped(period=period)
    set_coder(device.engine, tiny, 1.8)
    device.start()
    x = noise(40 * 1024)
    heard = device.play(x)
    lag = device.engine.target_frames
    assert lag == period + 320 - np.gcd(period, 320) + (np.gcd(period, 320) if period < 320 else 0)
    expected = through_streams(tiny, x, 1.8)
    n = len(heard) - lag
    np.testing.assert_array_equal(heard[:lag], 0)
    np.testing.assert_array_equal(heard[lag:], expected[:n])
    stats = device.engine.stats()
    assert stats["transparent"]
    assert stats["underruns"] == stats["late_hops"] == stats["dropped_hops"] == 0


def test_the_real_threads_give_the_same(codec: Codec, speech: Array) -> None:
    """The full model at the pace of the clock, two device channels from one; no Python in between.

    On a machine that pauses the worker some of it is made up instead, and the counters say so.
    """
    port = _core.live.Port(monitor=True)
    open_port(port, output_channels=2)
    engine = _core.live.Engine(port)
    set_coder(engine, codec, 6.0)
    engine.start(**port.link(), extra_frames=1600)
    lag = engine.target_frames
    assert lag == 320 + 1600
    x = np.ascontiguousarray(speech[0, : 24000 * 2])
    device = _core.live.PacedDevice(
        port,
        rate=24000,
        block=320,
        input=x[:, None],
        output_frames=len(x) + lag,
        output_channels=2,
    )
    device.start()
    assert device.wait(30)
    engine.stop()
    stats = engine.stats()
    assert stats["hops"] + stats["dropped_hops"] == (len(x) + lag) // 320
    heard = device.output
    np.testing.assert_array_equal(heard[:, 0], heard[:, 1])
    np.testing.assert_array_equal(port.heard(len(heard))[0], heard[:, 0])
    np.testing.assert_array_equal(port.captured(len(x))[0], x)
    if stats["late_hops"] == stats["dropped_hops"] == stats["underruns"] == 0:
        np.testing.assert_array_equal(heard[lag : lag + len(x), 0], through_streams(codec, x, 6.0))
    else:
        assert stats["concealed_frames"] + stats["dropped_hops"] > 0


def test_the_interpreter_has_no_part_in_it(tiny: Codec) -> None:
    """A second in which the GIL is held: callbacks and hops go on."""
    port = _core.live.Port()
    open_port(port)
    engine = _core.live.Engine(port)
    set_coder(engine, tiny, 0.9)
    engine.start(**port.link())
    device = _core.live.PacedDevice(
        port, rate=24000, block=320, input=noise(24000 * 3)[:, None], output_frames=24000 * 3
    )
    device.start()
    holding = ctypes.PyDLL(None)  # calls without releasing the GIL
    before = port.counters()["callbacks"], engine.stats()["hops"]
    holding.usleep(1_000_000)
    after = port.counters()["callbacks"], engine.stats()["hops"]
    device.stop()
    engine.stop()
    assert after[0] - before[0] > 30
    assert after[1] - before[1] > 30


def test_bandwidth_switches_at_a_hop(tiny: Codec) -> None:
    device = Stepped()
    set_coder(device.engine, tiny, 3.6)
    device.start()
    x = noise(320 * 40)
    heard = device.play(x[: 320 * 20])
    device.engine.codebooks = tiny.codebooks_for(0.45)
    assert device.engine.stats()["codebooks"] == 1
    heard = np.concatenate([heard, device.play(x[320 * 20 :])])
    encoder, decoder = tiny.encoder(3.6, start="immediate"), tiny.decoder(start="immediate")
    expected = [decoder.push(encoder.push(x[None, : 320 * 20]))]
    encoder.bandwidth = 0.45
    expected.append(decoder.push(encoder.push(x[None, 320 * 20 :])))
    np.testing.assert_array_equal(heard[320:], np.concatenate(expected, axis=1)[0, :-320])
    with pytest.raises(ValueError, match="codebooks: expected 1 to 8, got 9"):
        device.engine.codebooks = 9


def other_codec() -> Codec:
    """Another rate and another hop: 16 kHz, 8 ms."""
    spec = causal_encodec(
        "other",
        sample_rate=16000,
        bandwidths=(1.5,),
        codebooks=2,
        codebook_size=64,
        filters=4,
        latent=8,
        ratios=(4, 4, 4, 2),
    )
    return Codec(spec, seeded_weights(spec))


def test_models_switch_while_it_runs(tiny: Codec) -> None:
    """Back and forth to a codec of another rate and hop; the last one as if it were the first."""
    device = Stepped()
    set_coder(device.engine, tiny, 1.8)
    device.start()
    device.play(noise(320 * 30))
    assert device.engine.target_frames == 320
    set_coder(device.engine, other_codec(), 1.5)
    device.play(noise(320 * 30))
    stats = device.engine.stats()
    assert (stats["sample_rate"], stats["hop_samples"], stats["switches"]) == (16000, 128, 1)
    assert not stats["transparent"]
    set_coder(device.engine, tiny, 1.8)
    device.play(noise(320))  # takes over at the next hop boundary
    x = noise(320 * 30, seed=1)
    device.play(noise(320 * 4))
    heard = device.play(x)
    assert device.engine.stats()["switches"] == 2
    assert device.engine.stats()["transparent"]
    assert device.engine.target_frames == 320
    history = np.concatenate([noise(320), noise(320 * 4), x])
    expected = through_streams(tiny, history, 1.8)[320 * 5 :]
    np.testing.assert_array_equal(heard[320:], expected[:-320])
    assert device.engine.stats()["underruns"] == 0


def test_bypass_is_the_input_at_the_same_latency(tiny: Codec) -> None:
    device = Stepped()
    set_coder(device.engine, tiny, 1.8)
    device.start()
    x = noise(320 * 60)
    device.play(x[: 320 * 20])
    device.engine.bypass = True
    device.play(x[320 * 20 : 320 * 22])
    dry = device.play(x[320 * 22 : 320 * 40])
    np.testing.assert_array_equal(dry, x[320 * 21 : 320 * 39])
    device.engine.bypass = False
    device.play(x[320 * 40 : 320 * 42])
    coded = device.play(x[320 * 42 :])
    np.testing.assert_array_equal(coded, through_streams(tiny, x, 1.8)[320 * 41 : -320])


@pytest.mark.parametrize(
    ("rate", "period"), [(48000, 640), (44100, 588), (44100, 512), (16000, 160)]
)
def test_any_device_rate_at_the_latency_stated(rate: int, period: int) -> None:
    device = Stepped(rate=rate, period=period)
    set_pass_through(device.engine)
    device.start()
    x = noise(rate * 3)
    # What the resamplers stop must not be there to be missed.
    spectrum = np.fft.rfft(x)
    spectrum[int(0.7 * min(rate, 24000) / 2 * len(x) / rate) :] = 0
    x = np.fft.irfft(spectrum, len(x)).astype(np.float32)
    heard = device.play(x)
    stats, latency = device.engine.stats(), device.engine.latency()
    assert not stats["transparent"]
    assert stats["underruns"] == stats["late_hops"] == 0
    assert delay_of(x, heard) == pytest.approx(latency["added"] * rate / 1000, abs=0.1)
    parts = sum(v for k, v in latency.items() if k not in ("total", "added"))
    assert latency["total"] == pytest.approx(parts)


def test_a_gap_is_made_up_and_the_latency_returns() -> None:
    device = Stepped()
    set_pass_through(device.engine)
    device.start()
    x = np.sin(0.05 * np.arange(320 * 60)).astype(np.float32)
    device.play(x[: 320 * 20])
    gap = np.concatenate([device.play(x[320 * 20 : 320 * 35], step=False)])
    assert np.abs(gap[320:640]).max() > 0.9  # the last hop goes on
    assert np.abs(np.diff(gap)).max() < 0.11  # without a jump
    np.testing.assert_array_equal(gap[320 * 12 :], 0)  # and fades away
    device.play(x[320 * 35 : 320 * 37])
    heard = device.play(x[320 * 37 :])
    np.testing.assert_array_equal(heard, x[320 * 36 : -320])
    stats = device.engine.stats()
    # The first silent callback still had a hop in hand; each later one had none.
    assert stats["underruns"] == 1
    assert stats["concealed_frames"] == 320 * 15
    assert stats["late_hops"] + stats["dropped_hops"] >= 15


def test_sessions_that_someone_else_uses_are_silent_not_fatal(tiny: Codec) -> None:
    """A finished session refuses; the engine goes on and plays silence."""
    device = Stepped()
    encoder = tiny.sessions.cpu_encoder(1, "immediate", 1)
    decoder = tiny.sessions.cpu_decoder(1, "immediate", 1)
    device.engine.set_coder(encoder, decoder, codebooks=2, sample_rate=24000, hop_samples=320)
    device.start()
    device.play(noise(320 * 5))
    encoder.flush(2)
    heard = device.play(noise(320 * 5))
    np.testing.assert_array_equal(heard[640:], 0)
    assert device.engine.stats()["refused_hops"] == 5


CHILD = """
import sys, time
import numpy as np
from hopcodec import _core
port = _core.live.Port.attach(int(sys.argv[1]))
port.open(input_rate=24000, output_rate=24000, input_channels=1, output_channels=1,
          input_period=320, output_period=320, one_clock=True, name="child")
while not port.going:
    time.sleep(0.005)
x = np.random.default_rng(0).standard_normal(24000 * 60).astype(np.float32) * 0.1
device = _core.live.PacedDevice(port, rate=24000, block=320, input=x[:, None], output_frames=len(x))
device.start()
port.run()
while not port.stopping:
    port.beat()
    time.sleep(0.01)
device.stop()
port.closed()
"""


def wait_for(port: _core.live.Port, state: str) -> None:
    deadline = time.monotonic() + 30
    while port.state != state:
        assert time.monotonic() < deadline, f"expected state {state}, got {port.state}"
        time.sleep(0.005)


def spawn(port: _core.live.Port) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(port.fd)], pass_fds=[port.fd])


def test_the_device_may_live_and_die_in_another_process(tiny: Codec) -> None:
    port = _core.live.Port(monitor=True)
    engine = _core.live.Engine(port)
    set_coder(engine, tiny, 1.8)
    x = noise(24000 * 60)
    for ending in ("killed", "asked"):
        child = spawn(port)
        wait_for(port, "open")
        assert port.name == "child"
        engine.start(**port.link(), extra_frames=2400)
        port.go()
        wait_for(port, "running")
        while port.counters()["played_frames"] < 24000 * (1 if ending == "killed" else 2):
            assert child.poll() is None
            time.sleep(0.01)
        assert time.monotonic_ns() - port.last_callback_ns < 10**9
        if ending == "killed":
            child.send_signal(signal.SIGKILL)
        else:
            port.stop()
        assert child.wait(timeout=30) == (-signal.SIGKILL if ending == "killed" else 0)
        engine.stop()
        heard = port.heard(24000)[0]
        stats = engine.stats()
        if stats["dropped_hops"] == stats["underruns"] == 0:
            expected = through_streams(tiny, x[:24000], 1.8)
            lag = 320 + 2400
            np.testing.assert_array_equal(heard[lag:], expected[: len(heard) - lag])
        port.reset()
        assert port.state == "new"
        assert port.last_callback_ns == 0
        assert port.counters()["largest_block"] == 0
    assert engine.stats()["starts"] == 2


def test_texts_of_any_bytes_are_read() -> None:
    """The room for a text may end within a character, and a host's names need not be text."""
    port = _core.live.Port()
    open_port(port, name="\u00e9" * 200)
    assert port.name == "\u00e9" * 127 + "\ufffd"
    port.fail("\u00e9" * 300)
    assert port.error == "\u00e9" * 255 + "\ufffd"


def test_a_descriptor_that_is_no_port() -> None:
    read, write = os.pipe()
    with pytest.raises(ValueError, match="descriptor of at least"):
        _core.live.Port.attach(read)
    os.close(read)
    os.close(write)


def test_misuse_is_refused(tiny: Codec) -> None:
    device = Stepped()
    with pytest.raises(StreamError, match="set_coder"):
        device.start()
    with pytest.raises(TypeError):
        device.engine.set_coder("x", "y", codebooks=1, sample_rate=24000, hop_samples=320)
    with pytest.raises(ValueError, match="an encoder and a decoder, or neither"):
        device.engine.set_coder(
            tiny.sessions.cpu_encoder(1, "immediate", 1),
            None,
            codebooks=1,
            sample_rate=24000,
            hop_samples=320,
        )
    set_pass_through(device.engine)
    device.start()
    with pytest.raises(StreamError, match=r"stop\(\) before another start"):
        device.start()
    second = _core.live.Engine(device.port)
    set_pass_through(second)
    with pytest.raises(StreamError, match="without a running engine"):
        second.start(**device.port.link())
    with pytest.raises(StreamError, match="no running engine"):
        device.port.reset()
    with pytest.raises(StreamError, match="monitor=True"):
        device.port.heard(1)
    with pytest.raises(ValueError, match=r"expected shape \(1, \*\)"):
        device.port.write(np.zeros((2, 5), np.float32))
    with pytest.raises(TypeError):
        device.port.write(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="artificial_work: expected 0 to 1000"):
        device.engine.artificial_work = -1.0
    device.engine.stop()
    device.engine.stop()
    device.port.reset()
    with pytest.raises(StreamError, match="thread=False"):
        device.engine.step(START_NS)
