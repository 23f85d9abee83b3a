"""`low_latency`: what leaves early is what the model makes of a signal that ends there."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from dac_models import PUBLISHED, excused_ties, narrow, narrow_weights, original_dac
from dac_streams import codec_of, decode_in_pieces, encode_in_pieces, noise
from hypothesis import given, settings
from hypothesis import strategies as st

import hopcodec
import torch
from hopcodec import Codec, _core
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.specs._language import CodecSpec, Conv1d, ConvTranspose1d, EuclideanRvq, Padding
from hopcodec.specs._lapped import hopcodec_24khz
from hopcodec.specs._lookahead import truncations
from hopcodec.weights._seeded import seeded_weights

Array = npt.NDArray[np.float32]
NAMES = ("dac_44khz", "dac_24khz")
LEAST = {"dac_44khz": 1, "dac_24khz": 2}  # what the decoder's last layers look ahead
MOST = {"dac_44khz": 17, "dac_24khz": 18}


@cache
def brief(name: str, frames: int, isa: str = "") -> Codec:
    return Codec(narrow(name), narrow_weights(name), low_latency=frames, isa=isa)


def ahead_of(name: str, frames: int) -> tuple[int, int | None]:
    """Frames that encoder and decoder look ahead; None: as far as it does untruncated."""
    encoder, decoder = truncations(narrow(name), frames)
    assert encoder is not None
    return encoder.ahead, None if decoder is None else decoder.ahead


@pytest.mark.parametrize("frames", [2, 5, 9])
@pytest.mark.parametrize("name", NAMES)
def test_a_code_is_that_of_a_signal_cut_off_there(name: str, frames: int) -> None:
    codec, whole, spec = brief(name, frames), codec_of(name), narrow(name)
    hop = codec.hop_samples
    ahead, _ = ahead_of(name, frames)
    audio = noise(14 * hop + 5)
    codes = codec.encode(audio)
    model: Any = original_dac(spec, narrow_weights(name))
    for f in range(codes.shape[1]):
        cut = np.ascontiguousarray(audio[:, : (f + 1 + ahead) * hop])
        np.testing.assert_array_equal(codes[:, f], whole.encode(cut)[:, f])
        with torch.inference_mode():
            padded = model.preprocess(torch.from_numpy(cut)[None], spec.sample_rate)
            expected = model.encode(padded)[1][0, :, f : f + 1].numpy()
        latents = whole.encoder().latents(cut, last=True)[:, f : f + 1].astype(np.float64)
        excused_ties(codes[:, f : f + 1], expected, latents, spec, narrow_weights(name))


@pytest.mark.parametrize("frames", [2, 5, 9])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_heard_is_the_models_own_modules_on_codes_cut_off_there(
    name: str, frames: int
) -> None:
    """The decoder up to its first residual units sees `ahead` frames, the rest what they give."""
    codec, spec = brief(name, frames), narrow(name)
    _, ahead = ahead_of(name, frames)
    assert ahead is not None
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 256, (codec.codebooks, 15)).astype(np.uint16)
    model: Any = original_dac(spec, narrow_weights(name)).double()
    early, late = model.decoder.model[:2], model.decoder.model[2:]
    stride = model.decoder.model[1].block[1].stride[0]
    with torch.inference_mode():
        latents = model.quantizer.from_codes(torch.from_numpy(codes.astype(np.int64))[None])[0]
        given = [
            early(latents[..., : f + 1 + ahead])[..., f * stride : (f + 1) * stride]
            for f in range(codes.shape[1])
        ]
        reference = late(torch.cat(given, dim=-1))[0].numpy()
    heard = codec.decode(codes)
    assert heard.shape == reference.shape
    error = np.square(reference - heard).sum() / np.square(reference).sum()
    assert 10 * np.log10(error) <= -100


@settings(max_examples=50, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    frames=st.integers(2, 17),
    length=st.integers(1, 12000),
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=6),
    isa=st.sampled_from([isa for isa in _core.available_isas() if isa != "generic"] or ["generic"]),
)
def test_any_partition(name: str, frames: int, length: int, sizes: list[int], isa: str) -> None:
    codec = brief(name, frames, isa)
    audio = noise(length, seed=length)
    codes = codec.encode(audio)
    assert codes.shape == (codec.codebooks, -(-length // codec.hop_samples))
    np.testing.assert_array_equal(encode_in_pieces(codec, audio, sizes), codes)
    sound = codec.decode(codes)
    assert sound.shape == (1, codec.samples_for(codes.shape[1]))
    np.testing.assert_array_equal(decode_in_pieces(codec, codes, sizes), sound)


@pytest.mark.parametrize("name", NAMES)
def test_the_lookahead_is_what_was_asked_for(name: str) -> None:
    hop = narrow(name).hop_samples
    full = codec_of(name)
    last = 0
    for frames in range(LEAST[name], MOST[name]):
        codec = brief(name, frames)
        encoder, decoder = codec.encoder(), codec.decoder()
        assert last < codec.lookahead_samples <= frames * hop
        last = codec.lookahead_samples
        assert codec.latency_samples == hop + codec.lookahead_samples or frames > 16
        if encoder.lookahead_samples % hop == 0:  # truncated
            hops = encoder.lookahead_samples // hop
            assert encoder.push(noise((hops + 1) * hop)).shape[1] == 1
        audio = decoder.push(np.zeros((1, 20), np.uint16))
        assert audio.shape[1] == 20 * hop - decoder.lookahead_samples
    assert last < full.lookahead_samples


def test_more_lookahead_is_nearer_to_all_of_it() -> None:
    """In dB of the latents and of what is heard of the same codes."""
    name = "dac_44khz"
    audio = noise(60 * 512)
    full = codec_of(name)
    latents = full.encoder().latents(audio, last=True)
    codes = full.encode(audio)
    heard = full.decode(codes)

    def db(reference: Array, other: Array) -> float:
        return float(
            -10 * np.log10(np.square(reference - other).sum() / np.square(reference).sum())
        )

    prices = []
    for frames in (1, 5, 9, 13):
        codec = brief(name, frames)
        near = codec.encoder().latents(audio, last=True)
        prices.append((db(latents, near), db(heard, codec.decode(codes))))
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(prices))


@pytest.mark.parametrize("name", NAMES)
def test_snapshots_and_many_streams(name: str) -> None:
    codec = brief(name, 4)
    audio = np.stack([noise(9 * codec.hop_samples, seed=s) for s in range(3)])
    streams = codec.streams(3)
    codes, frames = streams.encode(audio)
    tail, more = streams.flush_encode()
    for s in range(3):
        joined = np.concatenate([codes[s, :, : frames[s]], tail[s, :, : more[s]]], axis=1)
        np.testing.assert_array_equal(joined, codec.encode(audio[s]))
    encoder, other = codec.encoder(), codec.encoder()
    head = encoder.push(audio[0, :, :1777].copy())
    other.restore(encoder.snapshot())
    rest = [other.push(audio[0, :, 1777:].copy()), other.flush()]
    np.testing.assert_array_equal(np.concatenate([head, *rest], axis=1), codec.encode(audio[0]))
    with pytest.raises(hopcodec.StreamError, match="snapshot: expected"):
        codec_of(name).encoder().restore(encoder.snapshot())


def test_a_norm_over_the_whole_signal_leaves_nothing_to_cut() -> None:
    padding = Padding(0, 6, "zero", False)
    spec = CodecSpec(
        "normed",
        16000,
        1,
        4,
        (16.0,),
        encoder=(
            Conv1d("e", 1, 8, 4, Padding(0, 0, "zero", False), stride=4, norm="n"),
            Conv1d("f", 8, 8, 7, padding),
        ),
        decoder=(Conv1d("g", 8, 8, 7, padding, norm="m"), ConvTranspose1d("d", 8, 1, 4, 4, 0, 0)),
        quantizer=EuclideanRvq("q{q}", 1, 16, 8),
        whole_hops=True,
    )
    with pytest.raises(ValueError, match="low_latency: expected none for normed, which normalises"):
        Codec(spec, seeded_weights(spec), low_latency=0)


def test_what_cannot_be_had() -> None:
    for name in NAMES:
        spec = PUBLISHED[name]()
        for frames in (-1, LEAST[name] - 1, MOST[name] + 1, 100):
            with pytest.raises(
                ValueError, match=f"low_latency: expected {LEAST[name]} to .* frames"
            ):
                truncations(spec, frames)
        assert truncations(spec, LEAST[name]) is not None
    for make in (encodec_24khz, hopcodec_24khz):
        with pytest.raises(ValueError, match="nothing to cut"):
            truncations(make(), 1)
    with pytest.raises(ValueError, match="low_latency"):
        hopcodec.load(low_latency=1)
    for wrong in (1.0, "1", True):
        with pytest.raises(TypeError, match="low_latency: expected a whole number"):
            truncations(PUBLISHED["dac_44khz"](), wrong)  # type: ignore[arg-type]
