"""Many streams on a GPU: company, both sides, their ends, snapshots and moves between devices.

Without a GPU these tests are skipped, and say so; with HOPCODEC_REQUIRE_CUDA=1 they fail instead.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from shared_models import tiny_spec, tiny_weights

from hopcodec import Codec, StreamError

Array = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint16]


@pytest.fixture(scope="module")
def tiny_gpu(gpu: None) -> Codec:
    return Codec(tiny_spec(), tiny_weights(), device="cuda")


def noise(rng: np.random.Generator, *shape: int) -> Array:
    return 0.1 * rng.standard_normal(shape, np.float32)


def codes_of(rng: np.random.Generator, n: int, codebooks: int, frames: int) -> Codes:
    return rng.integers(0, 64, (n, codebooks, frames), np.uint16)


@pytest.mark.parametrize("start", ["exact", "immediate"])
def test_decoders_join_pause_end_and_begin_anew(tiny: Codec, tiny_gpu: Codec, start: str) -> None:
    """Of any age, with any number of codebooks and frames in a call: as each alone on the CPU."""
    rng = np.random.default_rng(5)
    n = 10  # beyond eight lanes input and output are copied
    streams = tiny_gpu.streams(n, start=start, max_frames_per_push=2)
    alone = [tiny.decoder(start=start) for _ in range(n)]
    heard = 0
    for step in range(16):
        slots = np.flatnonzero(rng.random(n) < 0.8).astype(np.int32)
        if step % 8 == 7:
            sound, samples = streams.flush_decode(slots)
            for i, slot in enumerate(slots):
                np.testing.assert_array_equal(sound[i, :, : samples[i]], alone[slot].flush())
            streams.reset(slots)
            for slot in slots:
                alone[slot].reset()
            continue
        codes = codes_of(rng, len(slots), int(rng.integers(1, 9)), int(rng.choice([0, 1, 1, 4])))
        sound, samples = streams.decode(codes, slots)
        for i, slot in enumerate(slots):
            np.testing.assert_array_equal(sound[i, :, : samples[i]], alone[slot].push(codes[i]))
        heard += int(samples.sum())
    assert heard > 0


@pytest.mark.parametrize("start", ["exact", "immediate"])
def test_streams_of_many_ages_end_together(tiny: Codec, tiny_gpu: Codec, start: str) -> None:
    rng = np.random.default_rng(6)
    n = 10
    streams = tiny_gpu.streams(n, bandwidth=1.8, start=start)
    encoders = [tiny.encoder(1.8, start=start) for _ in range(n)]
    decoders = [tiny.decoder(start=start) for _ in range(n)]
    for slot in range(n):
        audio = noise(rng, 1, 1, int(rng.integers(0, 4000)))
        codes = codes_of(rng, 1, 4, int(rng.integers(0, 12)))
        streams.encode(audio, [slot])
        streams.decode(codes, [slot])
        encoders[slot].push(audio[0])
        decoders[slot].push(codes[0])
    for slots in (np.arange(0, n, 2), np.arange(1, n, 2)):
        codes, frames = streams.flush_encode(slots)
        sound, samples = streams.flush_decode(slots)
        for i, slot in enumerate(slots):
            np.testing.assert_array_equal(codes[i, :, : frames[i]], encoders[slot].flush())
            np.testing.assert_array_equal(sound[i, :, : samples[i]], decoders[slot].flush())
        assert frames.max() > 0
        assert (samples.max() > 0) == (start == "exact")  # a causal decoder holds nothing else back
    with pytest.raises(StreamError, match="reset"):
        streams.decode(codes_of(rng, 1, 4, 1), [3])


def test_a_slot_goes_back_to_its_snapshot(tiny_gpu: Codec) -> None:
    rng = np.random.default_rng(7)
    streams = tiny_gpu.streams(3, bandwidth=1.8)
    audio, codes = noise(rng, 3, 1, 3000), codes_of(rng, 3, 4, 9)
    streams.encode(audio)
    streams.decode(codes)
    kept = [streams.snapshot(slot) for slot in range(3)]
    after, frames = streams.encode(audio)
    sound, samples = streams.decode(codes)
    assert frames.min() > 0
    assert samples.min() > 0
    streams.reset(2)
    streams.restore(2, kept[1])  # another slot's
    streams.restore(1, kept[1])
    assert [streams.snapshot(slot) for slot in (1, 2)] == [kept[1], kept[1]]
    twice = np.stack([audio[1], audio[1]]), np.stack([codes[1], codes[1]])
    again, frames = streams.encode(twice[0], [1, 2])
    same_sound, samples = streams.decode(twice[1], [1, 2])
    for i in range(2):
        np.testing.assert_array_equal(again[i, :, : frames[i]], after[1, :, : frames[i]])
        np.testing.assert_array_equal(same_sound[i, :, : samples[i]], sound[1, :, : samples[i]])
    before = streams.snapshot(0)
    with pytest.raises(StreamError, match="snapshot"):
        streams.restore(0, (kept[0][0], kept[0][0]))  # neither side, when one does not fit
    assert streams.snapshot(0) == before


def test_slots_move_from_device_to_device(tiny: Codec, tiny_gpu: Codec) -> None:
    """CPU, GPU, CPU, ... and another slot each time, in the company of others."""
    rng = np.random.default_rng(8)
    audio, codes = noise(rng, 1, 9000), codes_of(rng, 1, 4, 30)[0]
    encoder, decoder = tiny.encoder(1.8), tiny.decoder()
    sides = [tiny.streams(4, bandwidth=1.8), tiny_gpu.streams(4, bandwidth=1.8)]
    slot = 0
    for turn in range(10):
        here, there = sides[turn % 2], sides[(turn + 1) % 2]
        piece = np.ascontiguousarray(audio[:, 900 * turn : 900 * (turn + 1)])
        some = np.ascontiguousarray(codes[:, 3 * turn : 3 * (turn + 1)])
        others = (slot + 1) % 4
        got, frames = here.encode(np.stack([noise(rng, 1, 900), piece]), [others, slot])
        sound, samples = here.decode(np.stack([codes_of(rng, 1, 4, 3)[0], some]), [others, slot])
        np.testing.assert_array_equal(got[1, :, : frames[1]], encoder.push(piece))
        np.testing.assert_array_equal(sound[1, :, : samples[1]], decoder.push(some))
        to = int(rng.integers(0, 4))
        there.restore(to, here.snapshot(slot))
        slot = to
    np.testing.assert_array_equal(sides[0].flush_encode([slot])[0][0], encoder.flush())
    np.testing.assert_array_equal(sides[0].flush_decode([slot])[0][0], decoder.flush())
