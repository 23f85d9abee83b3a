"""Law one for segments: any partition, then flush, gives the bits of the whole file."""

from __future__ import annotations

import resource
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmented_models import (
    full_48khz,
    full_48khz_weights,
    one_segment_codec,
    stereo,
    tiny_48khz,
    tiny_48khz_spec,
    tiny_48khz_weights,
)

import hopcodec
from hopcodec import (
    Codec,
    Codes,
    StreamError,
    WeightsError,
    _core,
)
from hopcodec.codec import Segment
from hopcodec.codec._codes import join_codes
from hopcodec.codec._segment_streams import loudness
from hopcodec.specs._language import Segments

Array = npt.NDArray[np.float32]
SAMPLES, STRIDE = 3200, 3168  # of the tiny codec


def noise(samples: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((2, samples))).astype(np.float32)


def cuts(sizes: Sequence[int], length: int) -> list[slice]:
    """Slices of the given sizes, repeated until `length` is used up."""
    found, at = [], 0
    while at < length:
        size = sizes[len(found) % len(sizes)]
        found.append(slice(at, min(at + size, length)))
        at += size
    return found


def encode_in_pieces(codec: Codec, audio: Array, sizes: Sequence[int], bandwidth: float) -> Codes:
    encoder = codec.encoder(bandwidth, max_frames_per_push=1)
    parts = [
        encoder.push(np.ascontiguousarray(audio[:, cut])) for cut in cuts(sizes, audio.shape[1])
    ]
    return join_codes([*parts, encoder.flush()])


def decode_in_pieces(codec: Codec, codes: Codes, sizes: Sequence[int]) -> Array:
    decoder = codec.decoder(max_frames_per_push=1)
    parts = [decoder.push(codes[cut]) for cut in cuts(sizes, len(codes))]
    return np.concatenate([*parts, decoder.flush()], axis=1)


def check_law(codec: Codec, length: int, sizes: Sequence[int], bandwidth: float) -> None:
    audio = noise(length, seed=length)
    whole = codec.encode(audio, bandwidth)
    starts = range(0, length, codec.segments.stride)
    frames = [-(-min(length - at, codec.segments.samples) // codec.hop_samples) for at in starts]
    books = codec.codebooks_for(bandwidth)
    assert [segment.codes.shape for segment in whole] == [(books, n) for n in frames]
    assert encode_in_pieces(codec, audio, sizes, bandwidth) == whole
    sound = codec.decode(whole)
    ends = [at + n * codec.hop_samples for at, n in zip(starts, frames, strict=True)]
    assert sound.shape == (2, max(ends, default=0))
    assert codec.samples_for(whole) == sound.shape[1]
    segments = [max(1, size // 3000) for size in sizes]
    np.testing.assert_array_equal(decode_in_pieces(codec, whole, segments), sound)


@settings(max_examples=80, deadline=None)
@given(
    length=st.integers(0, 20000),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
    bandwidth=st.sampled_from(tiny_48khz_spec().bandwidths),
    isa=st.sampled_from(_core.available_isas()),
)
def test_any_partition_on_any_isa(
    length: int, sizes: list[int], bandwidth: float, isa: str
) -> None:
    if isa == "generic":
        length = min(length, 5000)  # one float at a time is slow
    check_law(tiny_48khz(isa), length, sizes, bandwidth)


@pytest.mark.parametrize(
    "length", [*range(1, 6), *range(STRIDE - 2, STRIDE + 3), *range(3198, 3203)]
)
def test_lengths_around_the_seams(length: int) -> None:
    check_law(tiny_48khz(), length, (1,), 1.8)
    check_law(tiny_48khz(), STRIDE + length, (997, 1), 1.8)


@pytest.mark.slow
def test_the_released_shape() -> None:
    check_law(full_48khz(), 97_531, (20_011, 1, 48_000), 6.0)


def test_a_long_stream_takes_any_number_of_segments_per_step() -> None:
    """Together or one at a time: the bits are the same."""
    audio = noise(SAMPLES * 11)
    whole = tiny_48khz().encode(audio, 3.6)
    for frames in (1, 10, 20, 30, 1000):
        encoder = tiny_48khz().encoder(3.6, max_frames_per_push=frames)
        assert join_codes((encoder.push(audio), encoder.flush())) == whole


def test_instruction_sets_and_threads_agree_bit_for_bit() -> None:
    audio = stereo(4000)
    reference = tiny_48khz("generic")
    codes = reference.encode(audio, 3.6)
    sound = reference.decode(codes)
    assert len(np.unique(codes[0].codes)) > 8
    others = [tiny_48khz(isa) for isa in _core.available_isas()]
    for other in [*others, tiny_48khz("", 2)]:
        assert other.encode(audio, 3.6) == codes
        np.testing.assert_array_equal(other.decode(codes), sound)


def test_the_law_can_fail() -> None:
    """Segments without their overlap, what one writes without reading further, do not pass it."""
    audio = noise(4 * SAMPLES)
    whole = tiny_48khz().encode(audio, 1.8)
    chunks = [
        tiny_48khz().encode(np.ascontiguousarray(audio[:, at : at + SAMPLES]), 1.8)
        for at in range(0, audio.shape[1], SAMPLES)
    ]
    assert join_codes(chunks) != whole


def test_when_a_segment_comes() -> None:
    encoder, decoder = tiny_48khz().encoder(1.8), tiny_48khz().decoder()
    assert len(encoder.push(noise(SAMPLES - 1))) == 0
    first = encoder.push(noise(1))
    assert len(first) == 1
    assert decoder.push(first).shape == (2, STRIDE)
    assert len(encoder.push(noise(STRIDE - 1))) == 0
    assert len(encoder.push(noise(1))) == 1
    assert encoder.lookahead_samples == decoder.lookahead_samples == SAMPLES - 320
    assert tiny_48khz().latency_samples == SAMPLES


def test_bandwidth_changes_with_the_next_segment() -> None:
    audio = noise(3 * STRIDE)
    encoder = tiny_48khz().encoder(0.9)
    low = encoder.push(np.ascontiguousarray(audio[:, :SAMPLES]))
    encoder.bandwidth = 3.6
    rest = encoder.push(np.ascontiguousarray(audio[:, SAMPLES:]))
    high = join_codes((rest, encoder.flush()))
    assert (low.codebooks, high.codebooks, encoder.bandwidth) == (1, 4, 3.6)
    whole = tiny_48khz().encode(audio, 3.6)
    np.testing.assert_array_equal(low[0].codes, whole[0].codes[:1])
    assert high[0] == whole[1]
    decoder = tiny_48khz().decoder()
    heard = np.concatenate([decoder.push(low), decoder.push(high), decoder.flush()], axis=1)
    assert heard.shape == (2, 2 * STRIDE + SAMPLES)


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 9000), segment=st.integers(0, 3))
def test_a_snapshot_goes_on_elsewhere(cut: int, segment: int) -> None:
    audio = noise(9000)
    whole = tiny_48khz().encode(audio, 1.8)
    encoder = tiny_48khz().encoder(1.8)
    head = encoder.push(np.ascontiguousarray(audio[:, :cut]))
    other = tiny_48khz("generic").encoder(1.8)
    other.push(noise(100))
    other.restore(encoder.snapshot())
    tail = other.push(np.ascontiguousarray(audio[:, cut:]))
    assert join_codes((head, tail, other.flush())) == whole

    decoder, second = tiny_48khz().decoder(), tiny_48khz("generic").decoder()
    begin = decoder.push(whole[:segment])
    second.restore(decoder.snapshot())
    heard = np.concatenate([begin, second.push(whole[segment:]), second.flush()], axis=1)
    np.testing.assert_array_equal(heard, tiny_48khz().decode(whole))


def test_foreign_and_damaged_snapshots() -> None:
    encoder, decoder = tiny_48khz().encoder(1.8), tiny_48khz().decoder()
    encoder.push(noise(700))
    decoder.push(tiny_48khz().encode(noise(SAMPLES), 1.8))
    for stream, foreign in ((encoder, decoder), (decoder, encoder)):
        blob = stream.snapshot()
        with pytest.raises(StreamError, match="expected the mark"):
            stream.restore(foreign.snapshot())
        for at in range(8, len(blob), 97):
            damaged = bytearray(blob)
            damaged[at] ^= 1
            with pytest.raises(StreamError, match="damaged"):
                stream.restore(damaged)
        with pytest.raises(StreamError):
            stream.restore(blob[:-1])
        with pytest.raises(TypeError, match="expected bytes"):
            stream.restore(3)  # type: ignore[arg-type]
        stream.restore(blob)
    others = {name: array + np.float32(1) for name, array in tiny_48khz_weights().items()}
    codec = Codec(tiny_48khz_spec(), others)
    with pytest.raises(StreamError, match="same codec and weights"):
        codec.encoder(1.8).restore(encoder.snapshot())


def test_refusals_leave_the_stream_as_it_was() -> None:
    audio = noise(2 * SAMPLES)
    whole = tiny_48khz().encode(audio, 1.8)
    encoder, decoder = tiny_48khz().encoder(1.8), tiny_48khz().decoder()
    parts = [encoder.push(np.ascontiguousarray(audio[:, :5000]))]
    for value in (np.nan, np.inf, -1025.0):
        bad = audio.copy()
        bad[1, 4321] = value
        with pytest.raises(ValueError, match=r"expected finite samples .* got .* at sample 4321"):
            encoder.push(bad)
    with pytest.raises(TypeError, match="audio: expected"):
        encoder.push(audio.astype(np.float64))  # type: ignore[arg-type]
    parts.append(encoder.push(np.ascontiguousarray(audio[:, 5000:])))
    assert join_codes([*parts, encoder.flush()]) == whole
    with pytest.raises(StreamError, match="was flushed"):
        encoder.push(audio)
    with pytest.raises(StreamError, match="was flushed"):
        encoder.flush()
    encoder.reset()
    assert join_codes((encoder.push(audio), encoder.flush())) == whole

    heard = [decoder.push(whole[:1])]
    short = Codes([Segment(whole[0].codes[:, :3].copy(), np.float32(1))], 2)
    long = Codes([Segment(np.zeros((2, 11), np.uint16), np.float32(1))], 2)
    wrong = Codes([Segment(np.full((2, 10), 64, np.uint16), np.float32(1))], 2)
    more = Codes([Segment(np.zeros((5, 10), np.uint16), np.float32(1))], 5)
    with pytest.raises(ValueError, match="segment 1: expected at most 10 frames, got 11"):
        decoder.push(long)
    with pytest.raises(ValueError, match="segment 1: expected codes below 64, got 64"):
        decoder.push(wrong)
    with pytest.raises(TypeError, match="at most 4 codebooks, got 5"):
        decoder.push(more)
    with pytest.raises(TypeError, match="expected Codes, got ndarray"):
        decoder.push(whole[0].codes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="segment 2: expected none behind one shorter"):
        decoder.push(Codes([*short, *whole[:1]], 2))
    heard += [decoder.push(whole[1:]), decoder.flush()]
    np.testing.assert_array_equal(np.concatenate(heard, axis=1), tiny_48khz().decode(whole))
    with pytest.raises(StreamError, match="was flushed"):
        decoder.push(whole)


def test_what_a_segmented_codec_does_not_do() -> None:
    codec = tiny_48khz()
    assert (codec.full_hop, codec.low_latency) == (True, None)
    assert codec.lookahead_samples == codec.encoder().lookahead_samples == SAMPLES - 320
    with pytest.raises(TypeError, match="expected Codes, got int"):
        codec.samples_for(11)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=r"expected a codec of hopcodec\.load"):
        codec.reload()
    with pytest.raises(StreamError, match=r"whole segments of 3200 samples and has no streams"):
        codec.streams(4)
    with pytest.raises(ValueError, match="start: expected \"exact\", got 'immediate'"):
        codec.encoder(start="immediate")
    with pytest.raises(ValueError, match=r"expected one of 0\.9, 1\.8, 3\.6 kbps"):
        codec.encoder(6.0)
    with pytest.raises(ValueError, match="low_latency: expected none for tiny_48khz, whose segm"):
        Codec(tiny_48khz_spec(), tiny_48khz_weights(), low_latency=1)
    with pytest.raises(StreamError, match="tiny_48khz codes whole segments: expected push"):
        codec.encoder().latents(noise(320))
    with pytest.raises(TypeError, match="out: expected None with segments, got ndarray"):
        codec.encoder().push(noise(320), out=np.zeros((4, 1), np.uint16))
    with pytest.raises(TypeError, match="out: expected None with segments, got ndarray"):
        codec.decoder().push(codec.encode(noise(320)), out=noise(320))
    for live in (hopcodec.live.Loopback, hopcodec.live.LiveEngine):
        with pytest.raises(StreamError, match="tiny_48khz codes whole segments, which no live"):
            live(codec)  # type: ignore[arg-type]


def test_a_segment_is_all_that_a_normalised_stream_takes() -> None:
    codec = one_segment_codec(tiny_48khz_spec(), tiny_48khz_weights())
    encoder = codec.encoder(1.8, max_frames_per_push=10)
    decoder = codec.decoder(max_frames_per_push=16)
    assert encoder.push(noise(SAMPLES)).shape == (2, 0)
    with pytest.raises(StreamError, match="expected at most 3200 samples or frames"):
        encoder.push(noise(1))
    assert encoder.flush().shape == (2, 10)
    with pytest.raises(StreamError, match="expected at most 16 samples or frames"):
        decoder.push(np.zeros((2, 17), np.uint16))


def test_any_partition_of_one_normalised_segment() -> None:
    """The core's own law, which the streams above use with a single push."""
    codec = one_segment_codec(tiny_48khz_spec(), tiny_48khz_weights())
    audio = noise(3111) / loudness(noise(3111))
    encoder, decoder = (codec.encoder(1.8, max_frames_per_push=10), codec.decoder())
    whole = np.concatenate([encoder.push(audio), encoder.flush()], axis=1)
    sound = np.concatenate([decoder.push(whole), decoder.flush()], axis=1)
    for size in (1, 7, 320, 1000):
        encoder.reset()
        decoder.reset()
        parts = [encoder.push(np.ascontiguousarray(audio[:, cut])) for cut in cuts((size,), 3111)]
        assert all(part.shape[1] == 0 for part in parts)
        np.testing.assert_array_equal(encoder.flush(), whole)
        for cut in cuts((1 + size // 320,), whole.shape[1]):
            assert decoder.push(np.ascontiguousarray(whole[:, cut])).shape == (2, 0)
        np.testing.assert_array_equal(decoder.flush(), sound)


@pytest.mark.slow
def test_a_long_stream_in_constant_memory() -> None:
    seconds = noise(5 * 48_000)
    encoder, decoder = tiny_48khz().encoder(0.9), tiny_48khz().decoder()
    segments = samples = after_first = 0
    for push in range(40):
        codes = encoder.push(seconds)
        segments += len(codes)
        samples += decoder.push(codes).shape[1]
        if push == 7:
            after_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert segments == (40 * 5 * 48_000 - SAMPLES) // STRIDE + 1
    assert samples == segments * STRIDE
    # The other 32 pushes are 61 MB of audio each way.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - after_first < 8192


def test_loudness_is_the_definition() -> None:
    audio = noise(4001)
    mono = audio.astype(np.float64).mean(axis=0)
    assert loudness(audio) == pytest.approx(1e-8 + np.sqrt(np.mean(mono**2)), rel=1e-7)
    assert loudness(np.zeros((2, 5), np.float32)) == np.float32(1e-8)
    assert loudness(np.array([[1.0], [-1.0]], np.float32)) == np.float32(1e-8)


def test_one_codec_by_name() -> None:
    codec = hopcodec.load("encodec_48khz", seeded=True)
    assert isinstance(codec, Codec)
    assert (codec.sample_rate, codec.channels, codec.hop_samples) == (48000, 2, 320)
    assert codec.segments == Segments(samples=48000, stride=47520, normalise=True)
    assert codec.encode(noise(48000))[0].codes.shape[1] == 150
    assert [codec.codebooks_for(kbps) for kbps in codec.bandwidths] == [2, 4, 8, 16]
    assert (codec.default_bandwidth, codec.bits_per_code, codec.codebooks) == (6.0, 10, 16)
    assert full_48khz_weights().keys() == codec.spec.tensors().keys()
    spec, weights = codec.reload()
    assert spec == codec.spec
    assert weights.keys() == spec.tensors().keys()
