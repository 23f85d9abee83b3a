"""DAC hop by hop: the bits of the whole file, with the look-ahead that is reported."""

from __future__ import annotations

import resource
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from dac_models import PUBLISHED, narrow, narrow_weights
from dac_streams import codec_of, decode_in_pieces, encode_in_pieces, noise
from hypothesis import given, settings
from hypothesis import strategies as st

import hopcodec
from hopcodec import Codec, StreamError, _core
from hopcodec.specs._dac import dac
from hopcodec.specs._lookahead import lookahead_rows
from hopcodec.weights import seeded_weights

Array = npt.NDArray[np.float32]
NAMES = list(PUBLISHED)
LONGEST_NAME = "dac_24khz"


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    length=st.integers(1, 20000),
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=6),
    isa=st.sampled_from(_core.available_isas()),
    full_hop=st.booleans(),
)
def test_any_partition(name: str, length: int, sizes: list[int], isa: str, full_hop: bool) -> None:
    if isa == "generic":
        length = min(length, 3000)  # one float at a time is slow
    codec = codec_of(name, isa, full_hop=full_hop)
    audio = noise(length, seed=length)
    whole = codec.encode(audio)
    frames = -(-length // codec.hop_samples)
    assert whole.shape == (codec.codebooks, frames)
    np.testing.assert_array_equal(encode_in_pieces(codec, audio, sizes), whole)
    sound = codec.decode(whole)
    assert sound.shape == (1, codec.samples_for(frames))
    np.testing.assert_array_equal(decode_in_pieces(codec, whole, sizes), sound)


@pytest.mark.parametrize("name", NAMES)
def test_every_isa_gives_the_same_bits(name: str) -> None:
    audio = noise(4001)
    results = []
    for isa in _core.available_isas():
        codes = codec_of(name, isa).encode(audio)
        results.append((codes, codec_of(name, isa).decode(codes)))
    for codes, sound in results[1:]:
        np.testing.assert_array_equal(codes, results[0][0])
        np.testing.assert_array_equal(sound, results[0][1])


@pytest.mark.parametrize("name", NAMES)
def test_the_last_hop_is_filled_with_zeros_before_the_first_layer(name: str) -> None:
    codec = codec_of(name)
    for length in (1, 700, 3 * codec.hop_samples):
        audio = noise(length)
        filled = np.pad(audio, ((0, 0), (0, -length % codec.hop_samples)))
        np.testing.assert_array_equal(codec.encode(audio), codec.encode(filled))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_nothing_out(name: str) -> None:
    codec = codec_of(name)
    assert codec.encode(noise(0)).shape == (codec.codebooks, 0)
    assert codec.decode(np.zeros((3, 0), np.uint16)).shape == (1, 0) == (1, codec.samples_for(0))


@cache
def silent_codec(name: str) -> Codec:
    """Without biases: silence stays silence, so that the faintest influence is seen."""
    weights = {n: a * (not n.endswith(".bias")) for n, a in narrow_weights(name).items()}
    for q in range(narrow(name).quantizer.codebooks):
        weights[f"{narrow(name).quantizer.codebook_name(q)}.codebook.weight"][0] = 0.0
    return Codec(narrow(name), weights)


@pytest.mark.parametrize("name", NAMES)
def test_the_encoders_lookahead_is_the_one_measured(name: str) -> None:
    codec = silent_codec(name)
    hop, ahead = codec.hop_samples, codec.encoder().lookahead_samples
    assert ahead == lookahead_rows(codec.spec.encoder)
    audio = np.zeros((1, 40 * hop), np.float32)
    at = 20 * hop + 17
    audio[0, at] = 1.0
    frames = np.flatnonzero(codec.encoder().latents(audio, last=True).any(axis=0))
    # Frame f spans samples f * hop to (f + 1) * hop - 1.
    assert frames[0] == -(-(at + 1 - ahead - hop) // hop)
    # A frame comes with the hop that completes what it looks at.
    hops = -(-ahead // hop)
    encoder = codec.encoder()
    assert encoder.push(noise((hops + 1) * hop - 1)).shape[1] == 0
    assert encoder.push(noise(1)).shape[1] == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_lookahead_is_tight_to_the_sample(name: str) -> None:
    codec = silent_codec(name)
    hop, ahead = codec.hop_samples, codec.encoder().lookahead_samples
    for offset, seen in ((0, True), (1, False)):
        audio = np.zeros((1, 40 * hop), np.float32)
        audio[0, 13 * hop - 1 + ahead + offset] = 1.0
        latents = codec.encoder().latents(audio, last=True)
        assert latents[:, 12].any() == seen
        assert latents[:, 13].any()


@pytest.mark.parametrize("name", NAMES)
def test_the_decoders_lookahead_is_the_one_measured(name: str) -> None:
    codec = silent_codec(name)
    hop, ahead = codec.hop_samples, codec.decoder().lookahead_samples
    assert ahead == lookahead_rows(codec.spec.decoder) * hop
    codes = np.zeros((codec.codebooks, 40), np.uint16)
    assert not codec.decode(codes).any()
    codes[:, 20] = 7
    assert np.flatnonzero(codec.decode(codes)[0])[0] == 20 * hop - ahead
    assert codec.decoder().push(codes).shape[1] == 40 * hop - ahead
    assert codec.lookahead_samples == ahead + codec.encoder().lookahead_samples
    hops = -(-codec.encoder().lookahead_samples // hop)
    assert codec.latency_samples == (1 + hops) * hop + ahead


def test_the_published_lookaheads() -> None:
    """In samples, encoder and decoder: what half the receptive fields come to."""
    expected = {
        "dac_16khz": (2493, 3141),
        "dac_24khz": (2493, 3141),
        "dac_44khz": (3733, 4757),
        "dac_44khz_16kbps": (3733, 4757),
    }
    for name, (encoder, decoder) in expected.items():
        spec = PUBLISHED[name]()
        assert lookahead_rows(spec.encoder) == encoder
        assert lookahead_rows(spec.decoder) * spec.hop_samples == decoder


@pytest.mark.parametrize("name", ["dac_16khz", "dac_24khz"])
def test_an_odd_stride_costs_eight_samples_unless_hops_are_to_be_full(name: str) -> None:
    codec, full = codec_of(name), codec_of(name, full_hop=True)
    codes = codec.encode(noise(30 * 320))
    short, whole = codec.decode(codes), full.decode(codes)
    assert short.shape == (1, 30 * 320 - 8) == (1, codec.samples_for(30))
    assert whole.shape == (1, 30 * 320) == (1, full.samples_for(30))
    # Nothing moves; only what sees the one row more at the end is another.
    reach = codec.decoder().lookahead_samples
    np.testing.assert_array_equal(
        short[:, : 30 * 320 - 8 - reach], whole[:, : 30 * 320 - 8 - reach]
    )
    assert not np.array_equal(short, whole[:, : short.shape[1]])
    assert codec.decode(codes[:, :1].copy()).shape == (1, 312)
    with pytest.raises(ValueError, match=r"0 to 9592, as many .* full_hop=True"):
        codec.decode(codes, samples=9600)
    assert full.decode(codes, samples=9600).shape == (1, 9600)


def test_full_hop_changes_nothing_where_hops_are_full() -> None:
    codec, full = codec_of("dac_44khz"), codec_of("dac_44khz", full_hop=True)
    codes = codec.encode(noise(9000))
    np.testing.assert_array_equal(codec.decode(codes), full.decode(codes))


@pytest.mark.parametrize("name", NAMES)
def test_a_snapshot_goes_on(name: str) -> None:
    codec = codec_of(name)
    audio = noise(20_000)
    codes = codec.encode(audio)
    encoder, other = codec.encoder(), codec.encoder()
    head = encoder.push(audio[:, :7001].copy())
    other.restore(encoder.snapshot())
    tail = other.push(audio[:, 7001:].copy())
    np.testing.assert_array_equal(np.concatenate([head, tail, other.flush()], axis=1), codes)
    decoder, heard = codec.decoder(), codec.decoder()
    first = decoder.push(codes[:, :11].copy())
    heard.restore(decoder.snapshot())
    rest = [heard.push(codes[:, 11:].copy()), heard.flush()]
    np.testing.assert_array_equal(np.concatenate([first, *rest], axis=1), codec.decode(codes))
    with pytest.raises(StreamError, match="snapshot: expected"):
        codec_of("dac_16khz" if name != "dac_16khz" else "dac_24khz").encoder().restore(
            codec.encoder().snapshot()
        )


def test_many_streams_step_together() -> None:
    codec = codec_of(LONGEST_NAME)
    streams = codec.streams(5, codebooks=7)
    audio = np.stack([noise(12 * 320, seed=s) for s in range(5)])
    codes, frames = streams.encode(audio)
    tail, more = streams.flush_encode()
    for s in range(5):
        joined = np.concatenate([codes[s, :, : frames[s]], tail[s, :, : more[s]]], axis=1)
        np.testing.assert_array_equal(joined, codec.encode(audio[s], codebooks=7))


def test_what_is_no_audio_is_refused_and_leaves_the_stream_as_it_was() -> None:
    codec = codec_of("dac_44khz")
    audio = noise(9000)
    encoder = codec.encoder()
    head = encoder.push(audio[:, :5000].copy())
    for bad in (np.nan, np.inf, -2000.0):
        wrong = audio[:, 5000:].copy()
        wrong[0, 17] = bad
        with pytest.raises(ValueError, match="at sample 17"):
            encoder.push(wrong)
    tail = encoder.push(audio[:, 5000:].copy())
    joined = np.concatenate([head, tail, encoder.flush()], axis=1)
    np.testing.assert_array_equal(joined, codec.encode(audio))
    with pytest.raises(ValueError, match="frame 2"):
        codec.decode(np.array([[0, 1, 256]], np.uint16))
    loud = np.full((1, 4000), 1024.0, np.float32) * np.sign(noise(4000))
    assert np.isfinite(codec.decode(codec.encode(loud))).all()
    assert np.isfinite(codec.encoder().latents(np.zeros((1, 4000), np.float32), last=True)).all()


@pytest.mark.slow
def test_one_hour_in_constant_memory() -> None:
    rate = 4000  # the layers are those of 44.1 kHz
    spec = dac("hour", sample_rate=rate, encoder_dim=1, decoder_dim=16, codebook_size=16)
    codec = Codec(spec, seeded_weights(spec))
    minute = noise(60 * rate)
    encoder, decoder = codec.encoder(codebooks=2), codec.decoder()
    frames = samples = after_first_minutes = 0
    for m in range(60):
        codes = encoder.push(minute)
        frames += codes.shape[1]
        samples += decoder.push(codes).shape[1]
        if m == 4:
            after_first_minutes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    codes = encoder.flush()
    frames += codes.shape[1]
    samples += decoder.push(codes).shape[1] + decoder.flush().shape[1]
    assert frames == 3600 * rate // 512
    assert samples == frames * 512
    # Fifty-five minutes of float32 audio would be 53 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - after_first_minutes < 4096


@pytest.mark.slow
def test_loading_by_name() -> None:
    codec = hopcodec.load("dac_16khz", seeded=True, low_latency=4)
    assert (codec.name, codec.hop_samples, codec.frame_rate) == ("dac_16khz", 320, 50.0)
    assert (codec.codebooks, codec.default_bandwidth, codec.low_latency) == (12, 6.0, 4)
