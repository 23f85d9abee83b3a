"""The core between audio and codes: latents out of an encoder, latents into a decoder."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_models import Array, tiny_codec, tiny_weights

from hopcodec import StreamError, ops
from hopcodec.codec._codec import Codec
from hopcodec.specs._dac import dac
from hopcodec.weights._seeded import seeded_weights


def small_dac() -> Codec:
    spec = dac(
        "small",
        sample_rate=16000,
        encoder_dim=4,
        encoder_rates=(2, 5),
        decoder_dim=16,
        decoder_rates=(5, 2),
        n_codebooks=3,
        codebook_size=32,
    )
    return Codec(spec, seeded_weights(spec))


CODECS = {"encodec": tiny_codec, "dac": small_dac}


@pytest.mark.parametrize("make", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("samples", [0, 1, 319, 320, 4001])
def test_codes_come_with_the_latents_they_are_of(
    make: Callable[[], Codec], samples: int, speech: Array
) -> None:
    codec = make()
    audio = np.ascontiguousarray(speech[:, 5000 : 5000 + samples])
    session = codec.sessions.cpu_encoder(1, "exact", 4)
    for books in (1, codec.codebooks):
        codes, latents = session.analyse(audio, books)
        session.reset()
        assert np.array_equal(codes, codec.encode(audio, codebooks=books))
        assert np.array_equal(latents, codec.encoder(codebooks=1).latents(audio, last=True))
    with pytest.raises(ValueError, match="codebooks: expected 1 to"):
        session.analyse(audio, codec.codebooks + 1)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=4), seed=st.integers(0, 99))
def test_latents_of_codes_decode_as_the_codes_do(cuts: list[int], seed: int) -> None:
    codec = tiny_codec()
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, codec.codebook_size, (codec.codebooks, 30)).astype(np.uint16)
    names = (codec.spec.quantizer.codebook_name(q) for q in range(codec.codebooks))
    weights = tiny_weights()
    latents = ops.rvq_decode(codes, np.stack([weights[f"{name}.embed"] for name in names]))
    session = codec.sessions.cpu_decoder(1, "exact", 4)
    bounds = [0, *sorted(cuts), 30]
    pieces = [
        session.push_latents(np.ascontiguousarray(latents[:, a:b]))
        for a, b in itertools.pairwise(bounds)
    ]
    streamed = np.concatenate([*pieces, session.flush()], axis=1)
    assert np.array_equal(streamed, codec.decode(codes))
    with pytest.raises(StreamError, match="was flushed"):
        session.push_latents(latents)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e6])
def test_latents_that_are_no_numbers_change_nothing(bad: float) -> None:
    codec = tiny_codec()
    good = np.random.default_rng(1).standard_normal((16, 9)).astype(np.float32)
    session = codec.sessions.cpu_decoder(1, "exact", 4)
    head = session.push_latents(good[:, :5].copy())
    wrong = good.copy()
    wrong[3, 7] = bad
    with pytest.raises(
        ValueError, match=r"latents: expected finite numbers within \+-1e6, got .* in frame 7"
    ):
        session.push_latents(wrong)
    for shape in ((15, 9), (16,)):
        with pytest.raises((ValueError, TypeError), match="latents"):
            session.push_latents(np.zeros(shape, np.float32))
    streamed = np.concatenate([head, session.push_latents(good[:, 5:].copy()), session.flush()], 1)
    whole = codec.sessions.cpu_decoder(1, "exact", 16)
    assert np.array_equal(streamed, np.concatenate([whole.push_latents(good), whole.flush()], 1))
