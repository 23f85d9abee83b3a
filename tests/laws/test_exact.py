"""Law one: any partition of a stream, then flush, gives the bits of the whole file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_models import full_codec, tiny_codec
from slow_ones import slow_but_the_first

from hopcodec import Codec, _core

Start = Literal["exact", "immediate"]
STARTS: tuple[Start, ...] = ("exact", "immediate")


def noise(samples: int, seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((1, samples))).astype(np.float32)


def pieces(sizes: Sequence[int], length: int) -> list[slice]:
    """Slices of the given sizes, repeated until `length` is used up."""
    cuts, at = [], 0
    while at < length:
        size = sizes[len(cuts) % len(sizes)]
        cuts.append(slice(at, min(at + size, length)))
        at += size
    return cuts


def encode_in_pieces(
    codec: Codec,
    audio: npt.NDArray[np.float32],
    sizes: Sequence[int],
    bandwidth: float,
    start: Start,
) -> npt.NDArray[np.uint16]:
    encoder = codec.encoder(bandwidth, start=start, max_frames_per_push=3)
    parts = [
        encoder.push(np.ascontiguousarray(audio[:, cut])) for cut in pieces(sizes, audio.shape[1])
    ]
    return np.concatenate([*parts, encoder.flush()], axis=1)


def decode_in_pieces(
    codec: Codec, codes: npt.NDArray[np.uint16], sizes: Sequence[int], start: Start
) -> npt.NDArray[np.float32]:
    decoder = codec.decoder(start=start, max_frames_per_push=3)
    parts = [
        decoder.push(np.ascontiguousarray(codes[:, cut])) for cut in pieces(sizes, codes.shape[1])
    ]
    return np.concatenate([*parts, decoder.flush()], axis=1)


def check_law(
    codec: Codec, length: int, sizes: Sequence[int], bandwidth: float, start: Start
) -> None:
    audio = noise(length, seed=length)
    whole = codec.encode(audio, bandwidth, start=start)
    assert whole.shape == (codec.codebooks_for(bandwidth), -(-length // codec.hop_samples))
    streamed = encode_in_pieces(codec, audio, sizes, bandwidth, start)
    np.testing.assert_array_equal(streamed, whole)
    sound = codec.decode(whole, start=start)
    assert sound.shape == (1, whole.shape[1] * codec.hop_samples)
    frames = [max(1, size // 400) for size in sizes]
    np.testing.assert_array_equal(decode_in_pieces(codec, whole, frames, start), sound)


partitions = st.lists(st.integers(1, 3000), min_size=1, max_size=6)


@settings(max_examples=120, deadline=None)
@given(
    length=st.integers(1, 20000),
    sizes=partitions,
    bandwidth=st.sampled_from(tiny_codec().bandwidths),
    start=st.sampled_from(STARTS),
    isa=st.sampled_from(_core.available_isas()),
)
def test_any_partition_on_any_isa(
    length: int, sizes: list[int], bandwidth: float, start: Start, isa: str
) -> None:
    if isa == "generic":
        length = min(length, 4000)  # one float at a time is slow
    check_law(tiny_codec(isa), length, sizes, bandwidth, start)


@settings(max_examples=12, deadline=None)
@given(
    length=st.integers(1, 20000),
    sizes=partitions,
    bandwidth=st.sampled_from(full_codec().bandwidths),
    start=st.sampled_from(STARTS),
)
def test_any_partition_of_the_released_shape(
    length: int, sizes: list[int], bandwidth: float, start: Start
) -> None:
    check_law(full_codec(), length, sizes, bandwidth, start)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("remainder", range(320))
def test_every_remainder(remainder: int, start: Start) -> None:
    # 8 hops and a bit: beyond the 7 hops that an exact start waits for.
    check_law(tiny_codec(), 8 * 320 + remainder, (97, 320, 1), 0.9, start)


@pytest.mark.parametrize("start", STARTS)
def test_short_streams_that_end_before_they_start(start: Start) -> None:
    for length in [*range(1, 41), 160, 319, 320, 321, 640, 1600, 2239, 2240, 2241]:
        check_law(tiny_codec(), length, (1,) if length < 50 else (50,), 1.8, start)


@pytest.mark.parametrize("start", STARTS)
def test_one_sample_at_a_time(start: Start) -> None:
    check_law(full_codec(), 2600, (1,), 6.0, start)


@pytest.mark.parametrize("start", STARTS)
def test_nothing_in_nothing_out(start: Start) -> None:
    codec = tiny_codec()
    assert codec.encode(noise(0), 0.9, start=start).shape == (2, 0)
    assert codec.decode(np.zeros((2, 0), np.uint16), start=start).shape == (1, 0)
    encoder = codec.encoder(0.9, start=start)
    assert encoder.push(noise(0)).shape == (2, 0)


@pytest.mark.parametrize("start", slow_but_the_first(reversed(STARTS)))
def test_instruction_sets_agree_bit_for_bit(start: Start) -> None:
    audio = noise(5000, seed=5)
    reference = full_codec("generic")
    codes = reference.encode(audio, 24.0, start=start)
    sound = reference.decode(codes, start=start)
    assert len(np.unique(codes[0])) > 8
    for isa in _core.available_isas():
        other = full_codec(isa)
        np.testing.assert_array_equal(other.encode(audio, 24.0, start=start), codes)
        np.testing.assert_array_equal(other.decode(codes, start=start), sound)


def test_the_law_can_fail() -> None:
    """Stateless chunks, what one writes without a streaming runtime, do not pass it."""
    codec = tiny_codec()
    audio = noise(6400)
    whole = codec.encode(audio, 1.8)
    chunks = [codec.encode(audio[:, i : i + 640], 1.8) for i in range(0, 6400, 640)]
    assert not np.array_equal(np.concatenate(chunks, axis=1), whole)


@pytest.mark.parametrize(("start", "frames"), [("exact", 7), ("immediate", 1)])
def test_first_frame_and_pace(start: Start, frames: int) -> None:
    """What the start costs: 7 hops once, or one; from then on a frame per hop."""
    encoder = full_codec().encoder(start=start)
    counts = [encoder.push(noise(320, seed=i)).shape[1] for i in range(10)]
    assert counts == [0] * (frames - 1) + [frames] + [1] * (10 - frames)
    decoder = full_codec().decoder(start=start)
    samples = [decoder.push(np.zeros((8, 1), np.uint16)).shape[1] for _ in range(10)]
    assert samples == [0] * (frames - 1) + [320 * frames] + [320] * (10 - frames)


def test_causality(codec: Codec) -> None:
    """Once started, a code never depends on a later sample."""
    audio = noise(320 * 20)
    changed = audio.copy()
    changed[:, 320 * 12 :] *= -3
    a, b = codec.encode(audio, 24.0), codec.encode(changed, 24.0)
    np.testing.assert_array_equal(a[:, :12], b[:, :12])
    assert (a[:, 12:] != b[:, 12:]).any()
    assert codec.latency_samples == 320
