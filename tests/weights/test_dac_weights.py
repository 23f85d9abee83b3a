"""Every published layout of a DAC is recognised and read; everything else says what is wrong."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dac_models import (
    IN_TRANSFORMERS,
    PUBLISHED,
    hf_name,
    kwargs_of,
    narrow,
    narrow_weights,
    save_dac_layouts,
)
from safetensors.numpy import load_file, save_file
from slow_ones import slow_but_the_first

import hopcodec
import torch
from hopcodec.errors import WeightsError
from hopcodec.specs._dac import dac
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._names import SPECS
from hopcodec.weights import fetch, load_codec, load_weights
from hopcodec.weights._hub import ORIGINAL_URLS, REPOSITORIES
from hopcodec.weights.config._dac import dac_from_config, dac_from_kwargs, dac_from_shapes

FOLDED = ("original_folded", "own", "hf", "hf_bin")


@cache
def layouts(name: str, folder: Path) -> dict[str, Path]:
    return save_dac_layouts(folder, narrow(name), narrow_weights(name))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: tmp_path_factory.mktemp(name) for name in PUBLISHED}


def unnamed(spec: CodecSpec) -> CodecSpec:
    """A file does not say what a codec that nobody published is called."""
    from dataclasses import replace

    return replace(spec, name="")


@pytest.mark.parametrize("name", slow_but_the_first(PUBLISHED))
def test_every_layout_is_recognised(folders: dict[str, Path], name: str) -> None:
    found = layouts(name, folders[name])
    assert len(found) == (6 if name in IN_TRANSFORMERS else 4)
    for layout, path in found.items():
        spec, weights = load_codec(path)
        assert unnamed(spec) == unnamed(narrow(name)), layout
        assert list(weights) == list(spec.tensors())
        for tensor, array in weights.items():
            expected = narrow_weights(name)[tensor]
            assert array.dtype == np.float32
            assert array.flags.c_contiguous
            if layout in FOLDED or array.ndim != 3:
                np.testing.assert_array_equal(array, expected, strict=True)
            else:
                np.testing.assert_allclose(array, expected, rtol=1.2e-7, atol=0)
        for tensor, array in load_weights(path, spec).items():
            np.testing.assert_array_equal(array, weights[tensor])


def test_load_finds_out_what_a_path_holds(folders: dict[str, Path]) -> None:
    audio = np.sin(np.arange(4000, dtype=np.float32))[None]
    name = "dac_24khz"
    expected = hopcodec.Codec(narrow(name), narrow_weights(name)).encode(audio)
    for layout in ("original_folded", "hf"):
        codec = hopcodec.load(layouts(name, folders[name])[layout])
        assert (codec.sample_rate, codec.hop_samples, codec.codebooks) == (24000, 320, 32)
        np.testing.assert_array_equal(codec.encode(audio), expected)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_arguments_are_the_published_specs(name: str) -> None:
    spec = PUBLISHED[name]()
    assert SPECS[name]() == spec
    assert dac_from_kwargs(kwargs_of(spec)) == spec
    shapes = spec.tensors()
    assert dac_from_shapes(shapes) == spec
    if name in IN_TRANSFORMERS:
        assert dac_from_shapes({hf_name(spec, n): s for n, s in shapes.items()}) == spec


def test_defaults_are_those_of_the_references() -> None:
    assert dac_from_kwargs({}) == PUBLISHED["dac_44khz"]()
    assert dac_from_kwargs({"latent_dim": None, "anything_else": object()}).name == "dac_44khz"
    assert dac_from_kwargs({"codebook_dim": [8] * 9}) == PUBLISHED["dac_44khz"]()
    assert dac_from_config({"sampling_rate": 44100}) == PUBLISHED["dac_44khz"]()
    sixteen = {"downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 12}
    assert dac_from_config(sixteen) == PUBLISHED["dac_16khz"]()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"encoder_dim": 0}, "encoder_dim: expected 1 to 1048576, got 0"),
        ({"encoder_dim": True}, "encoder_dim: expected"),
        ({"encoder_dim": 64.0}, "encoder_dim: expected"),
        ({"n_codebooks": 2000}, "n_codebooks: expected 1 to 1024, got 2000"),
        ({"codebook_size": 1}, "codebook_size: expected 2 to 1048576, got 1"),
        ({"codebook_dim": [8, 16]}, "codebook_dim: expected"),
        ({"encoder_rates": [2, 4, 8]}, "the same hop"),
        ({"encoder_rates": 8}, "encoder_rates: expected a list of 1 to 8 items, got 8"),
        ({"encoder_rates": [1, 4, 8, 16]}, "encoder_rates: expected 2 to 64, got 1"),
        ({"encoder_rates": [2] * 9, "decoder_rates": [2] * 9}, "a list of 1 to 8"),
        ({"encoder_rates": [64] * 3, "decoder_rates": [64] * 3}, "at most 65536, got 262144"),
        ({"decoder_dim": 100}, "halves 4 times, got 100"),
        ({"sample_rate": "44100"}, "sample_rate: expected"),
    ],
)
def test_arguments_that_make_no_codec(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=re.escape(message)):
        dac_from_kwargs(kwargs)


@pytest.mark.parametrize(
    ("field", "value"),
    [("hidden_size", 65), ("codebook_dim", 9), ("upsampling_ratios", [8, 8, 2, 4])],
)
def test_a_config_that_contradicts_itself(
    folders: dict[str, Path], tmp_path: Path, field: str, value: object
) -> None:
    found = layouts("dac_44khz", folders["dac_44khz"])["hf"]
    config = json.loads((found / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, field: value}))
    (tmp_path / "model.safetensors").write_bytes((found / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError):
        load_codec(tmp_path)


def test_the_wrong_codec_for_a_file(folders: dict[str, Path]) -> None:
    found = layouts("dac_44khz", folders["dac_44khz"])
    with pytest.raises(WeightsError, match="tensor"):
        load_weights(found["original"], narrow("dac_16khz"))
    with pytest.raises(WeightsError, match="sampling_rate: dac_16khz expects 16000, got 44100"):
        load_weights(found["hf"], narrow("dac_16khz"))
    with pytest.raises(WeightsError, match="model: expected 'dac_16khz'"):
        load_weights(found["own"], narrow("dac_16khz"))


def test_a_bare_state_dict_of_unknown_size_does_not_tell_its_rate(tmp_path: Path) -> None:
    state = {n: torch.from_numpy(a) for n, a in narrow_weights("dac_44khz").items()}
    torch.save(state, tmp_path / "bare.pth")
    with pytest.raises(WeightsError, match=r"bare\.pth: expected the sizes of a published DAC"):
        load_codec(tmp_path / "bare.pth")
    save_file({n: t.numpy() for n, t in state.items()}, tmp_path / "bare.safetensors")
    with pytest.raises(WeightsError, match=r"config\.json"):
        hopcodec.load(tmp_path / "bare.safetensors")
    # Given the codec, they are read.
    assert load_weights(tmp_path / "bare.pth", narrow("dac_44khz")).keys() == state.keys()


@pytest.mark.parametrize(
    "metadata", [{}, {"kwargs": []}, [1, 2], {"kwargs": {"encoder_rates": "2488"}}]
)
def test_metadata_that_is_none(tmp_path: Path, metadata: object) -> None:
    state = {n: torch.from_numpy(a) for n, a in narrow_weights("dac_44khz").items()}
    torch.save({"state_dict": state, "metadata": metadata}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth: "):
        load_codec(tmp_path / "x.pth")


def test_alphas_of_another_shape_and_missing_tensors(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    found = layouts("dac_44khz", folders["dac_44khz"])["hf"]
    tensors = load_file(found / "model.safetensors")
    spec = narrow("dac_44khz")
    name = "encoder.block.0.res_unit1.snake1.alpha"
    assert tensors[name].shape == (1, 4, 1)
    for wrong, message in (
        ({**tensors, name: np.ones((2, 4, 1), np.float32)}, "expected shape (4,), got (2, 4, 1)"),
        ({**tensors, name: np.ones((1, 5, 1), np.float32)}, "expected shape (4,), got (5,)"),
        ({n: t for n, t in tensors.items() if n != name}, "encoder.block.1.block.0.block.0.alpha"),
        ({**tensors, "decoder.block.9.conv_t1.weight": np.ones((1, 1, 1), np.float32)}, "surplus"),
        ({**tensors, "decoder.block.0.conv_t9.weight": np.ones((1, 1, 1), np.float32)}, "surplus"),
    ):
        save_file(wrong, tmp_path / "x.safetensors")
        with pytest.raises(WeightsError, match=re.escape(message)):
            load_weights(tmp_path / "x.safetensors", spec)


def test_a_codec_of_any_size(tmp_path: Path) -> None:
    """Neither of the four, and no powers of two: the arguments in the file are enough."""
    from hopcodec.weights import seeded_weights

    spec = dac(
        "dac",
        sample_rate=22050,
        encoder_dim=3,
        encoder_rates=(3, 5),
        latent_dim=7,
        decoder_dim=20,
        decoder_rates=(5, 3),
        n_codebooks=2,
        codebook_size=10,
        codebook_dim=3,
    )
    state = {n: torch.from_numpy(a) for n, a in seeded_weights(spec).items()}
    torch.save({"state_dict": state, "metadata": {"kwargs": kwargs_of(spec)}}, tmp_path / "d.pth")
    codec = hopcodec.load(tmp_path / "d.pth", full_hop=True)
    assert codec.name == "dac"
    assert codec.bits_per_code == 4
    assert codec.bandwidths == (5.88, 11.76)
    codes = codec.encode(np.ones((1, 1000), np.float32))
    assert codec.decode(codes).shape == (1, codes.shape[1] * 15)


def test_where_the_published_files_are() -> None:
    assert {name for name in REPOSITORIES if name.startswith("dac")} == set(IN_TRANSFORMERS)
    # Of EnCodec 32 kHz its authors published no file of their own.
    assert set(ORIGINAL_URLS) == {*REPOSITORIES, "dac_44khz_16kbps"} - {"encodec_32khz"}
    with pytest.raises(WeightsError, match=r"on no hub: download https://.*16kbps\.pth and give"):
        fetch("dac_44khz_16kbps")
