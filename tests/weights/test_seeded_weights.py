"""Seeded weights: the same bits everywhere, and signals of sensible size through the model."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib import resources

import numpy as np
import soundfile  # type: ignore[import-untyped]
from reference_models import hf_model, small_spec

import torch
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.specs._language import Conv1d, Padding
from hopcodec.weights import seeded_weights
from hopcodec.weights._seeded import uniform

MASK = (1 << 64) - 1


def _splitmix64(state: int) -> int:
    """Plain integers, as published; `state` already advanced."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def test_splitmix64_is_the_published_one() -> None:
    gamma = 0x9E3779B97F4A7C15
    assert _splitmix64((1234567 + gamma) & MASK) == 6457827717110365317
    assert _splitmix64((1234567 + 2 * gamma) & MASK) == 3203168211198807973


def test_uniform_in_plain_integers() -> None:
    gamma, key = 0x9E3779B97F4A7C15, 0xCBF29CE484222325
    for byte in b"a.name":
        key = ((key ^ byte) * 0x100000001B3) & MASK
    key ^= _splitmix64((7 * gamma) & MASK)
    numbers = uniform(7, "a.name", 1000)
    assert numbers.dtype == np.float32
    for i, number in enumerate(numbers.tolist()):
        top = _splitmix64((key + (i + 1) * gamma) & MASK) >> 40
        assert number == (2 * top + 1 - 2**24) / 2**24


def test_uniform_is_uniform() -> None:
    numbers = uniform(1, "x", 200_000).astype(np.float64)
    assert np.abs(numbers).max() < 1.0
    assert abs(numbers.mean()) < 0.01
    assert abs(numbers.var() - 1 / 3) < 0.005
    counts = np.histogram(numbers, 100, (-1, 1))[0]
    assert np.abs(counts - 2000).max() < 6 * 2000**0.5
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.01
    assert abs(np.corrcoef(numbers, uniform(1, "y", 200_000))[0, 1]) < 0.01
    assert abs(np.corrcoef(numbers, uniform(2, "x", 200_000))[0, 1]) < 0.01


def test_every_tensor_is_there_and_its_bits_never_change() -> None:
    spec = small_spec()
    weights = seeded_weights(spec)
    assert {name: array.shape for name, array in weights.items()} == spec.tensors()
    digest = hashlib.sha256()
    for array in weights.values():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        digest.update(array.astype("<f4").tobytes())
    assert digest.hexdigest()[:16] == "068bd1beac5f5a32"
    other = seeded_weights(spec, seed=2)
    assert all(not np.array_equal(weights[name], other[name]) for name in weights)


def test_snake_is_never_divided_by_zero() -> None:
    layer = Conv1d("c", 4, 8, 3, Padding(2, 0, "zero", False), activation="snake", alpha="a.alpha")
    weights = seeded_weights(replace(small_spec(), encoder=(layer,)))
    assert weights["a.alpha"].shape == (4,)
    assert (np.abs(weights["a.alpha"] - 1) < 0.5).all()


def test_speech_through_the_model() -> None:
    """Latents about 1 that move, many codes in use, each codebook a gain, audio out audible."""
    clip = resources.files("hopcodec") / "assets" / "demo_en_f.flac"
    with clip.open("rb") as file:
        audio, rate = soundfile.read(file, frames=72_000, dtype="float32")
    spec = encodec_24khz()
    assert rate == spec.sample_rate
    model = hf_model(spec, seeded_weights(spec))
    with torch.no_grad():
        latents = model.encoder(torch.from_numpy(audio)[None, None])
        assert 0.7 < latents.std().item() < 1.4
        assert 0.6 < latents[0].std(dim=1).mean().item() < 1.4
        codes = model.quantizer.encode(latents, 24.0)
        assert codes.shape[0] == 32
        rest = [
            (latents - model.quantizer.decode(codes[:count])).square().mean().item()
            for count in range(1, 33)
        ]
        assert (np.diff(rest) < 0).all()
        assert all(len(book.unique()) > 60 for book in codes)
        for count in (2, 8, 32):
            out = model.decoder(model.quantizer.decode(codes[:count]))
            assert 0.02 < out.std().item() < 0.3
            assert out.abs().max().item() < 1.0
