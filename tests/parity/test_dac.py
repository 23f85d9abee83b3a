"""DAC in the runtime against the published implementations, from the same weights."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from dac_models import (
    IN_TRANSFORMERS,
    PUBLISHED,
    excused_ties,
    hf_dac,
    narrow,
    narrow_weights,
    original_dac,
)
from slow_ones import slow_but_the_first

import torch
from hopcodec import Codec
from hopcodec.audio import shipped_speech
from hopcodec.specs._language import CodecSpec
from hopcodec.weights import seeded_weights

LENGTHS = (1, 319, 320, 511, 512, 513, 7777, 60_001)


LATENT_TOLERANCE = 5e-6  # relative to the largest latent
AUDIO_SNR_DB = 100.0

Array = npt.NDArray[np.float32]


@cache
def narrow_codec(name: str) -> Codec:
    return Codec(narrow(name), narrow_weights(name))


@cache
def original(name: str, dtype: torch.dtype) -> Any:
    return original_dac(narrow(name), narrow_weights(name)).to(dtype)


@cache
def huggingface(name: str, dtype: torch.dtype) -> Any:
    return hf_dac(narrow(name), narrow_weights(name)).to(dtype)


def sound(spec: CodecSpec, samples: int) -> Array:
    return shipped_speech(spec.sample_rate, 1, (samples + 1) / spec.sample_rate)[:, :samples].copy()


def filled(audio: Array, hop: int) -> torch.Tensor:
    """`DAC.preprocess`: zeros up to whole hops; batch in front."""
    return torch.from_numpy(np.pad(audio, ((0, 0), (0, -audio.shape[1] % hop))))[None]


def snr_db(reference: npt.NDArray[np.float64], ours: Array) -> float:
    assert reference.shape == ours.shape
    return float(10 * np.log10(np.square(reference).sum() / np.square(reference - ours).sum()))


def check_latents(ours: Array, reference: npt.NDArray[np.float64]) -> None:
    assert ours.shape == reference.shape
    assert np.abs(ours - reference).max() <= LATENT_TOLERANCE * np.abs(reference).max()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", slow_but_the_first(PUBLISHED))
def test_against_the_original(name: str, length: int) -> None:
    codec, spec = narrow_codec(name), narrow(name)
    audio = sound(spec, length)
    with torch.inference_mode():
        padded = original(name, torch.float32).preprocess(
            torch.from_numpy(audio)[None], spec.sample_rate
        )
        latents = original(name, torch.float64).encoder(padded.double())[0].numpy()
        z, expected, *_ = original(name, torch.float32).encode(padded)
        every = expected[0].numpy()
        check_latents(codec.encoder().latents(audio, last=True), latents)
        codes = codec.encode(audio)
        assert codes.shape == (codec.codebooks, -(-length // codec.hop_samples))
        excused = excused_ties(codes, every, latents, spec, narrow_weights(name))
        assert excused <= 1 + 0.002 * codes.shape[1]
        # What encode() gives as z is the sum of the entries but for its straight-through addition.
        summed = original(name, torch.float64).quantizer.from_codes(expected)[0]
        assert (z.double() - summed).abs().max() <= 1e-4 * summed.abs().max()
        for books in {1, 2, codec.codebooks - 1, codec.codebooks}:
            part = np.ascontiguousarray(codes[:books])
            summed = original(name, torch.float64).quantizer.from_codes(
                torch.from_numpy(part.astype(np.int64))[None]
            )[0]
            reference = original(name, torch.float64).decoder(summed)[0].numpy()
            assert snr_db(reference, codec.decode(part)) >= AUDIO_SNR_DB


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", IN_TRANSFORMERS)
def test_against_transformers(name: str, length: int) -> None:
    codec, spec = narrow_codec(name), narrow(name)
    audio = sound(spec, length)
    padded = filled(audio, codec.hop_samples)
    with torch.inference_mode():
        latents = huggingface(name, torch.float64).encoder(padded.double())[0].numpy()
        check_latents(codec.encoder().latents(audio, last=True), latents)
        for books in {1, 3, codec.codebooks}:
            expected = huggingface(name, torch.float32).encode(padded, n_quantizers=books)
            codes = codec.encode(audio, codebooks=books)
            every = expected.audio_codes[0].numpy()
            excused = excused_ties(codes, every, latents, spec, narrow_weights(name))
            assert excused <= 1 + 0.002 * codes.shape[1]
        given = torch.from_numpy(codes.astype(np.int64))[None]
        reference = huggingface(name, torch.float64).decode(audio_codes=given).audio_values
        assert snr_db(reference.numpy(), codec.decode(codes)) >= AUDIO_SNR_DB


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_ten_seconds_and_an_odd_rest(name: str) -> None:
    test_against_the_original(name, 10 * narrow(name).sample_rate + 3)
    if name in IN_TRANSFORMERS:
        test_against_transformers(name, 10 * narrow(name).sample_rate + 3)


@pytest.mark.parametrize("name", slow_but_the_first(PUBLISHED))
def test_every_number_of_codebooks(name: str) -> None:
    """Fewer codebooks are the first of all; the original agrees on each."""
    codec, spec = narrow_codec(name), narrow(name)
    audio = sound(spec, 9001)
    padded = filled(audio, codec.hop_samples)
    everything = codec.encode(audio)
    with torch.inference_mode():
        latents = original(name, torch.float64).encoder(padded.double())[0].numpy()
        for books in range(1, codec.codebooks + 1):
            codes = codec.encode(audio, codebooks=books)
            np.testing.assert_array_equal(codes, everything[:books])
            expected = original(name, torch.float32).encode(padded, n_quantizers=books)[1]
            excused_ties(codes, expected[0].numpy(), latents, spec, narrow_weights(name))
            assert codec.encode(audio, codec.bandwidths[books - 1]).shape == codes.shape


@pytest.mark.slow
@pytest.mark.parametrize(("name", "samples"), [("dac_44khz", 17_001), ("dac_24khz", 9_999)])
def test_full_size(name: str, samples: int) -> None:
    spec = PUBLISHED[name]()
    weights = seeded_weights(spec)
    codec = Codec(spec, weights)
    audio = sound(spec, samples)
    padded = filled(audio, codec.hop_samples)
    reference = original_dac(spec, weights) if name == "dac_44khz" else hf_dac(spec, weights)
    with torch.inference_mode():
        expected = (
            reference.encode(padded)[1]
            if name == "dac_44khz"
            else reference.encode(padded).audio_codes
        )[0].numpy()
        model: Any = reference.double()
        latents = model.encoder(padded.double())[0].numpy()
        check_latents(codec.encoder().latents(audio, last=True), latents)
        codes = codec.encode(audio)
        assert excused_ties(codes, expected, latents, spec, weights) <= 1
        summed = model.quantizer.from_codes(torch.from_numpy(codes.astype(np.int64))[None])[0]
        decoded = model.decoder(summed)[0].numpy()
    assert snr_db(decoded, codec.decode(codes)) >= AUDIO_SNR_DB


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_models_are_not_degenerate(name: str) -> None:
    """A codec whose codes hardly vary would agree with anything."""
    codec = narrow_codec(name)
    audio = sound(codec.spec, 60_001)
    codes = codec.encode(audio)
    assert min(len(np.unique(book)) for book in codes) >= 20
    decoded = codec.decode(codes)
    assert 0.3 * audio.std() < decoded.std() < 3 * audio.std()
    assert np.abs(decoded).max() < 0.99  # not up against the tanh


def test_the_near_tie_rule_catches_a_wrong_code() -> None:
    name = "dac_44khz"
    codec, spec = narrow_codec(name), narrow(name)
    audio = sound(spec, 9001)
    latents = codec.encoder().latents(audio, last=True).astype(np.float64)
    codes = codec.encode(audio)
    assert excused_ties(codes, codes, latents, spec, narrow_weights(name)) == 0
    wrong = codes.copy()
    wrong[3, 11] = (wrong[3, 11] + 1) % codec.codebook_size
    with pytest.raises(AssertionError, match="frame 11, codebook 3"):
        excused_ties(wrong, codes, latents, spec, narrow_weights(name))
