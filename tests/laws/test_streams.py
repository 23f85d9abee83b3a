"""Many streams in one step: each gives the bits it gives alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_models import tiny_codec

from hopcodec import Codec, StreamError

Array = npt.NDArray[np.float32]


def signals(n: int, samples: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((n, 1, samples))).astype(np.float32)


@pytest.mark.parametrize("start", ["exact", "immediate"])
@pytest.mark.parametrize("n", [1, 3, 16, 17, 40])
def test_a_batch_equals_each_alone(tiny: Codec, n: int, start: str) -> None:
    audio = signals(n, 320 * 9 + 100)
    streams = tiny.streams(n, bandwidth=1.8, start=start)
    codes, frames = streams.encode(audio)
    rest, more = streams.flush_encode()
    sound, samples = streams.decode(np.ascontiguousarray(codes[:, :, : frames[0]]))
    end, last = streams.flush_decode()
    for i in range(n):
        encoder, decoder = tiny.encoder(1.8, start=start), tiny.decoder(start=start)
        alone = encoder.push(audio[i])
        np.testing.assert_array_equal(codes[i, :, : frames[i]], alone)
        np.testing.assert_array_equal(rest[i, :, : more[i]], encoder.flush())
        np.testing.assert_array_equal(sound[i, :, : samples[i]], decoder.push(alone))
        np.testing.assert_array_equal(end[i, :, : last[i]], decoder.flush())


def test_a_batch_of_the_released_shape(codec: Codec) -> None:
    audio = signals(5, 3200)
    streams = codec.streams(5, bandwidth=6.0)
    codes, frames = streams.encode(audio)
    assert frames.tolist() == [10] * 5
    for i in range(5):
        np.testing.assert_array_equal(codes[i], codec.encoder(6.0).push(audio[i]))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_streams_join_leave_and_reset_without_touching_others(data: st.DataObject) -> None:
    """Random pushes to random subsets, resets in between, against single streams as the oracle."""
    codec, n = tiny_codec(), 5
    start = data.draw(st.sampled_from(["exact", "immediate"]))
    streams = codec.streams(n, bandwidth=0.9, start=start, max_frames_per_push=2)
    alone = [codec.encoder(0.9, start=start) for _ in range(n)]
    for step in range(data.draw(st.integers(1, 12))):
        slots = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True))
        if data.draw(st.integers(0, 4)) == 0:
            streams.reset(slots)
            for slot in slots:
                alone[slot].reset()
            continue
        audio = signals(len(slots), data.draw(st.integers(0, 1500)), seed=step)
        codes, frames = streams.encode(audio, slots)
        for i, slot in enumerate(slots):
            np.testing.assert_array_equal(codes[i, :, : frames[i]], alone[slot].push(audio[i]))


def test_a_mask_selects_slots(tiny: Codec) -> None:
    streams = tiny.streams(4, bandwidth=0.9, start="immediate")
    audio = signals(2, 640)
    codes, frames = streams.encode(audio, np.array([False, True, False, True]))
    assert codes.shape == (2, 2, 2)
    assert frames.tolist() == [2, 2]
    idle, count = streams.encode(signals(2, 320), [0, 2])
    np.testing.assert_array_equal(count, [1, 1])
    np.testing.assert_array_equal(
        idle[0], tiny.encoder(0.9, start="immediate").push(signals(2, 320)[0])
    )


def test_snapshot_moves_between_batch_and_single(tiny: Codec) -> None:
    audio = signals(3, 4000)
    streams = tiny.streams(3, bandwidth=1.8)
    streams.encode(np.ascontiguousarray(audio[:, :, :2500]))
    single = tiny.encoder(1.8)
    single.restore(streams.snapshot(1)[0])
    codes, frames = streams.encode(np.ascontiguousarray(audio[:, :, 2500:]))
    np.testing.assert_array_equal(
        single.push(np.ascontiguousarray(audio[1, :, 2500:])), codes[1, :, : frames[1]]
    )


def test_bad_slots_and_shapes(tiny: Codec) -> None:
    streams = tiny.streams(3, bandwidth=0.9)
    for slot in (3, -1, 2**32 + 1):
        with pytest.raises(IndexError, match="0 to 2"):
            streams.encode(signals(1, 320), [slot])
    with pytest.raises(IndexError, match="0 to 2"):
        streams.reset([1, 99])
    good = tiny.streams(3, bandwidth=0.9).snapshot(0)
    before = [streams.snapshot(i) for i in range(3)]
    with pytest.raises(StreamError, match="snapshot"):
        streams.restore(1, (good[0], good[0]))
    assert [streams.snapshot(i) for i in range(3)] == before
    with pytest.raises(ValueError, match="each once"):
        streams.encode(signals(2, 320), [1, 1])
    with pytest.raises(TypeError, match=r"\(3, 1, samples\)"):
        streams.encode(signals(2, 320))
    with pytest.raises(TypeError, match="mask of 3"):
        streams.encode(signals(1, 320), np.array([True]))
    with pytest.raises(ValueError, match="1 to 65536"):
        tiny.streams(0)
    bad = signals(3, 320)
    bad[1, 0, 7] = np.nan
    before = [streams.snapshot(i) for i in range(3)]
    with pytest.raises(ValueError, match="sample 7 of stream 1"):
        streams.encode(bad)
    assert [streams.snapshot(i) for i in range(3)] == before
    streams.flush_encode([2])
    with pytest.raises(StreamError, match=r"stream 2 was flushed.*reset"):
        streams.encode(signals(3, 320))
    streams.reset([2])
    streams.encode(signals(3, 320))
