"""The runtime against the published implementations, from the same weights in every layout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from near_ties import excused_ties
from reference_models import hf_model, original_model, save_layouts
from shared_models import full_codec, full_weights, read_fixture
from slow_ones import slow_but_the_first

import hopcodec
import torch
from hopcodec.specs._encodec import encodec_24khz

SPEC = encodec_24khz()
LENGTHS = (1, 319, 320, 321, 7777, pytest.param(240_000, marks=pytest.mark.slow))
STARTS = {"exact": "reflect", "immediate": "constant"}
LATENT_TOLERANCE = 2e-6  # relative to the largest latent
AUDIO_SNR_DB = 100.0
DECODED = (1.5, 24.0)  # of the longest signal; the shorter ones are decoded at every bandwidth

Array = npt.NDArray[np.float32]
tally = {"compared": 0, "excused": 0}


@pytest.fixture(scope="module", autouse=True)
def report_ties() -> Iterator[None]:
    yield
    print(f"\nnear-ties excused: {tally['excused']} of {tally['compared']} frames")
    assert tally["excused"] <= 0.002 * tally["compared"], "this many near-ties point at a fault"


def compare_codes(
    codes: npt.NDArray[np.uint16], expected: npt.NDArray[Any], latents: npt.NDArray[np.float64]
) -> None:
    tally["compared"] += codes.shape[1]
    tally["excused"] += excused_ties(codes, expected, latents, codebooks())


@cache
def hf64(pad_mode: str) -> Any:
    return hf_model(SPEC, full_weights(), pad_mode).double()


@cache
def hf32(pad_mode: str) -> Any:
    return hf_model(SPEC, full_weights(), pad_mode)


@cache
def codebooks() -> Array:
    names = [SPEC.quantizer.codebook_name(q) for q in range(SPEC.quantizer.codebooks)]
    return np.stack([full_weights()[f"{name}.embed"] for name in names])


def sound(length: int) -> Array:
    """Real speech, repeated with changed loudness where it is too short."""
    clip = np.concatenate([read_fixture("demo_en_m.flac"), read_fixture("fixture_en_f.flac")], 1)
    clip = np.concatenate([clip[:, 12000:], 0.5 * clip, 0.1 * clip[:, ::-1]], axis=1)
    assert clip.shape[1] >= length
    return np.ascontiguousarray(clip[:, :length], dtype=np.float32)


def snr_db(reference: npt.NDArray[np.float64], ours: Array) -> float:
    assert reference.shape == ours.shape
    error = np.square(reference - ours).sum()
    return float(10 * np.log10(np.square(reference).sum() / error))


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("length", LENGTHS)
def test_against_transformers(length: int, start: str) -> None:
    codec = full_codec()
    model = hf64(STARTS[start])
    audio = sound(length)
    with torch.inference_mode():
        latents = model.encoder(torch.from_numpy(audio)[None].double())[0].numpy()
    ours = codec.encoder(start=start).latents(audio, last=True)
    assert ours.shape == latents.shape == (128, -(-length // 320))
    assert np.abs(ours - latents).max() <= LATENT_TOLERANCE * np.abs(latents).max()

    single = hf32(STARTS[start])
    for bandwidth in SPEC.bandwidths:
        codes = codec.encode(audio, bandwidth, start=start)
        with torch.inference_mode():
            encoded = single.encode(torch.from_numpy(audio)[None], bandwidth=bandwidth)
        expected = encoded.audio_codes[0, 0].numpy()
        compare_codes(codes, expected, latents)
        if length > 10_000 and bandwidth not in DECODED:
            continue
        with torch.inference_mode():
            summed = model.quantizer.decode(torch.from_numpy(codes.astype(np.int64))[:, None])
            reference = model.decoder(summed.double())[0].numpy()
        assert snr_db(reference, codec.decode(codes, start=start)) >= AUDIO_SNR_DB


@pytest.mark.parametrize("length", LENGTHS)
def test_against_the_original(length: int) -> None:
    codec = full_codec()
    model = original32()
    audio = sound(length)
    with torch.inference_mode():
        latents = original64().encoder(torch.from_numpy(audio)[None].double())[0].numpy()
        for bandwidth in SPEC.bandwidths:
            model.set_target_bandwidth(bandwidth)
            ((expected, scale),) = model.encode(torch.from_numpy(audio)[None])
            assert scale is None
            codes = codec.encode(audio, bandwidth)
            compare_codes(codes, expected[0].numpy(), latents)
            if length > 10_000 and bandwidth not in DECODED:
                continue
            decoded = model.decode([(torch.from_numpy(codes.astype(np.int64))[None], None)])
            assert snr_db(decoded[0].double().numpy(), codec.decode(codes)) >= AUDIO_SNR_DB


@cache
def original32() -> Any:
    return original_model(SPEC, full_weights())


@cache
def original64() -> Any:
    return original_model(SPEC, full_weights()).double()


def test_the_model_is_not_degenerate() -> None:
    """A codec whose codes hardly vary would agree with anything."""
    codes = full_codec().encode(sound(240_000), 24.0)
    used = [len(np.unique(book)) for book in codes]
    assert min(used) > 100, used


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_layouts(tmp_path_factory.mktemp("layouts"), SPEC, full_weights())


LAYOUTS = 9


@pytest.mark.parametrize("index", slow_but_the_first(range(LAYOUTS)))
def test_every_published_layout(layouts: dict[str, Path], index: int) -> None:
    assert len(layouts) == LAYOUTS
    name = sorted(layouts)[index]
    codec = hopcodec.load(layouts[name])
    assert not codec.seeded
    audio = sound(48_123)
    with torch.inference_mode():
        latents = hf64("reflect").encoder(torch.from_numpy(audio)[None].double())[0].numpy()
    ours = codec.encoder().latents(audio, last=True)
    assert np.abs(ours - latents).max() <= LATENT_TOLERANCE * np.abs(latents).max(), name
    expected = full_codec().encode(audio, 24.0)
    compare_codes(codec.encode(audio, 24.0), expected, latents)


def test_the_near_tie_rule_catches_a_wrong_code() -> None:
    audio = sound(7777)
    with torch.inference_mode():
        latents = hf64("reflect").encoder(torch.from_numpy(audio)[None].double())[0].numpy()
    codes = full_codec().encode(audio, 6.0)
    wrong = codes.copy()
    wrong[3, 11] = (wrong[3, 11] + 1) % 1024
    with pytest.raises(AssertionError, match="frame 11, codebook 3"):
        excused_ties(wrong, codes, latents, codebooks())
