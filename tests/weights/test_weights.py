"""Every published layout gives the same weights; everything else gives an error that says why."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reference_models import (
    hf_model,
    original_model,
    original_name,
    save_layouts,
    small_spec,
    unfold,
)
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

import torch
from hopcodec.errors import WeightsError
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.weights import fold_weight_norm, load_weights, save_weights, seeded_weights
from hopcodec.weights._raw import FloatArray
from hopcodec.weights.config._encodec import hf_fields

SPEC = small_spec()
WEIGHTS = seeded_weights(SPEC)
FOLDED = ("original_folded", "hf_folded", "own")
PAIRS = (
    "original_pair", "original_model", "hf_names_in_torch", "hf_pretrained", "hf_legacy", "hf_bin",
)  # fmt: skip

Tensors = dict[str, NDArray[np.generic]]
Writer = Callable[[Path, Tensors], Path]

CONV = "encoder.layers.0.conv.weight"
TRANSPOSED = "decoder.layers.3.conv.weight"  # (in, out, kernel): g is per input channel


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_layouts(tmp_path_factory.mktemp("layouts"), SPEC, WEIGHTS)


def as_safetensors(folder: Path, tensors: Tensors) -> Path:
    save_file(tensors, folder / "x.safetensors")
    return folder / "x.safetensors"


def as_torch(folder: Path, tensors: Tensors) -> Path:
    state = {original_name(SPEC, name): torch.from_numpy(a) for name, a in tensors.items()}
    torch.save(state, folder / "x.th")
    return folder / "x.th"


@pytest.fixture(params=[as_safetensors, as_torch])
def write(request: pytest.FixtureRequest) -> Writer:
    writer: Writer = request.param
    return writer


def refused(path: str | os.PathLike[str], *parts: object) -> None:
    """`path` must fail, and the message must hold every one of `parts`."""
    with pytest.raises(WeightsError) as caught:
        load_weights(path, SPEC)
    for part in parts:
        assert str(part) in str(caught.value)


def test_layouts_are_all_tested(layouts: dict[str, Path]) -> None:
    assert sorted(layouts) == sorted(FOLDED + PAIRS)


@pytest.mark.parametrize("layout", FOLDED + PAIRS)
def test_layout_loads(layouts: dict[str, Path], layout: str) -> None:
    loaded = load_weights(layouts[layout], SPEC)
    assert {name: array.shape for name, array in loaded.items()} == SPEC.tensors()
    assert list(loaded) == list(SPEC.tensors())
    for name, array in loaded.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        if layout in FOLDED or not name.endswith(".conv.weight"):
            np.testing.assert_array_equal(array, WEIGHTS[name], strict=True)
        else:
            np.testing.assert_allclose(array, WEIGHTS[name], rtol=1.2e-7, atol=0)


def test_pairs_fold_to_the_same_bits(layouts: dict[str, Path]) -> None:
    first, *others = (load_weights(layouts[layout], SPEC) for layout in PAIRS)
    for other in others:
        for name, array in first.items():
            np.testing.assert_array_equal(array, other[name], strict=True)


@pytest.mark.parametrize("name", [CONV, TRANSPOSED])
def test_fold_is_rounded_once(name: str) -> None:
    shape = encodec_24khz().tensors()[name]
    rng = np.random.default_rng(1)
    g = rng.uniform(0.1, 3.0, (shape[0], 1, 1)).astype(np.float32)
    v = rng.normal(size=shape).astype(np.float32)
    folded = fold_weight_norm(g, v)
    for row, gain, direction in zip(folded, g.ravel(), v.astype(np.float64), strict=True):
        exact = float(gain) * direction / math.sqrt(math.fsum((direction**2).ravel()))
        assert (np.abs(row - exact) <= 0.50001 * np.spacing(np.abs(row))).all()
    as_torch_does = torch._weight_norm(torch.from_numpy(v), torch.from_numpy(g), 0).numpy()
    np.testing.assert_allclose(folded, as_torch_does, rtol=1e-6, atol=0)


def test_fold_refuses_a_gain_that_does_not_fit() -> None:
    with pytest.raises(WeightsError, match=re.escape("(3,) does not fit v of shape (2, 3, 4)")):
        fold_weight_norm(np.ones(3, np.float32), np.ones((2, 3, 4), np.float32))


def test_half_precision(tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        state = {name: torch.from_numpy(array).to(dtype) for name, array in WEIGHTS.items()}
        save_torch_file(state, tmp_path / "half.safetensors")
        torch.save(state, tmp_path / "half.pt")
        for file in ("half.safetensors", "half.pt"):
            for name, array in load_weights(tmp_path / file, SPEC).items():
                np.testing.assert_array_equal(array, state[name].float().numpy(), strict=True)


def test_full_size_model(tmp_path: Path) -> None:
    spec = encodec_24khz()
    weights = seeded_weights(spec)
    hf_model(spec, weights)  # raises unless names and shapes are exactly its own
    save_weights(tmp_path / "full.safetensors", spec, weights)
    loaded = load_weights(tmp_path / "full.safetensors", spec)
    assert loaded.keys() == weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)


def test_reference_models_agree() -> None:
    audio = torch.from_numpy(np.random.default_rng(2).normal(0, 0.1, (1, 1, 7777))).float()
    original = original_model(SPEC, WEIGHTS)
    hf: Any = hf_model(SPEC, WEIGHTS)  # its outputs are unions of every form
    original.set_target_bandwidth(1.5)
    with torch.no_grad():
        codes = original.encode(audio)[0][0]
        assert codes.shape == (1, 2, 25)
        assert torch.equal(codes, hf.encode(audio, bandwidth=1.5).audio_codes[0])
        decoded = hf.decode(codes[None], [None]).audio_values
        assert torch.equal(original.decode([(codes, None)]), decoded)


@pytest.mark.parametrize(
    ("name", "replacement", "message"),
    [
        (CONV, None, "missing tensor"),
        ("decoder.layers.1.lstm.bias_hh_l1", None, "missing tensor"),
        (CONV, np.zeros((2, 1, 5), np.float32), "expected shape (2, 1, 7), got (2, 1, 5)"),
        (CONV, np.zeros((2, 1, 7), np.float64), "expected float32 or float16 or bfloat16, got "),
        (CONV, np.zeros((2, 1, 7), np.int64), "expected float32 or float16 or bfloat16, got "),
        (CONV, np.full((2, 1, 7), np.nan, np.float32), "expected finite numbers, got 14 of 14 not"),
        (CONV, np.full((2, 1, 7), -np.inf, np.float16), "the first -inf"),
        (CONV, np.zeros((), np.float32), "expected shape (2, 1, 7), got ()"),
    ],
)
def test_bad_tensor(
    tmp_path: Path, write: Writer, name: str, replacement: NDArray[np.generic] | None, message: str
) -> None:
    tensors: Tensors = {**WEIGHTS}
    del tensors[name]
    if replacement is not None:
        tensors[name] = replacement
    label = name if write is as_safetensors or replacement is None else original_name(SPEC, name)
    refused(write(tmp_path, tensors), "tensor " + label, message)


@pytest.mark.parametrize(
    ("name", "part", "replacement", "message"),
    [
        (CONV, "_g", None, "missing tensor encoder.layers.0.conv.weight_g"),
        (CONV, "_v", None, "missing tensor encoder.layers.0.conv.weight_v"),
        (TRANSPOSED, "_g", np.ones((16, 1, 1), np.float32), "shape (32, 1, 1), got (16, 1, 1)"),
        (TRANSPOSED, "_v", np.zeros((32, 16, 16), np.float32), "row 0 of v is all zeros"),
        (CONV, "_g", np.full((2, 1, 1), 3e38, np.float32), None),
    ],
)
def test_bad_pair(
    tmp_path: Path,
    write: Writer,
    name: str,
    part: str,
    replacement: NDArray[np.generic] | None,
    message: str | None,
) -> None:
    tensors: Tensors = {**unfold(WEIGHTS)}
    del tensors[name + part]
    if replacement is not None:
        tensors[name + part] = replacement
    path = write(tmp_path, tensors)
    if message is None:  # a huge gain is legal
        assert np.abs(load_weights(path, SPEC)[name]).max() > 1e37
    else:
        refused(path, message)


def test_surplus_tensors(tmp_path: Path, write: Writer) -> None:
    book = "quantizer.layers.{}.codebook.{}"
    extra = np.ones(3, np.float32)
    unneeded = {book.format(3, part): extra for part in ("inited", "cluster_size", "embed_avg")}
    assert load_weights(write(tmp_path, {**WEIGHTS, **unneeded}), SPEC).keys() == WEIGHTS.keys()
    refused(write(tmp_path, {**WEIGHTS, book.format(4, "inited"): extra}), "surplus", "4", "(3,)")
    refused(write(tmp_path, {**WEIGHTS, "lm.a": extra, "lm.b": extra}), "tensor lm.a (and 1 more)")
    refused(write(tmp_path, {**WEIGHTS, f"{CONV}_g": np.ones((2, 1, 1))}), "surplus tensor", "_g")


def test_tensor_in_two_spellings(tmp_path: Path) -> None:
    twice: Tensors = {**WEIGHTS, original_name(SPEC, CONV): WEIGHTS[CONV]}
    refused(as_safetensors(tmp_path, twice), "given twice", CONV, original_name(SPEC, CONV))


def test_hf_fields_of_the_published_model() -> None:
    assert hf_fields(encodec_24khz()) == {
        "sampling_rate": 24000, "audio_channels": 1, "target_bandwidths": [1.5, 3, 6, 12, 24],
        "normalize": False, "chunk_length_s": None, "overlap": None,
        "upsampling_ratios": [8, 5, 4, 2],
        "num_filters": 32, "hidden_size": 128, "kernel_size": 7, "last_kernel_size": 7,
        "residual_kernel_size": 3, "compress": 2, "num_residual_layers": 1, "num_lstm_layers": 2,
        "use_conv_shortcut": True, "use_causal_conv": True, "trim_right_ratio": 1.0,
        "pad_mode": "reflect", "norm_type": "weight_norm", "codebook_size": 1024,
        "codebook_dim": 128,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", '"dac"'), ("sampling_rate", "48000"), ("audio_channels", "2"),
        ("upsampling_ratios", "[8, 5, 4, 4]"), ("num_filters", "64"), ("hidden_size", "9"),
        ("codebook_size", "2048"), ("use_causal_conv", "false"), ("pad_mode", '"constant"'),
        ("norm_type", '"time_group_norm"'), ("use_conv_shortcut", "false"),
        ("num_lstm_layers", "1"), ("chunk_length_s", "1.0"), ("codebook_dim", "64"),
        ("target_bandwidths", "[2.2]"),
    ],
)  # fmt: skip
def test_config_contradicts(tmp_path: Path, field: str, value: str) -> None:
    save_file({**WEIGHTS}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(f'{{"codebook_dim": null, "{field}": {value}}}')
    if field == "codebook_dim":
        (tmp_path / "config.json").write_text(f'{{"{field}": {value}}}')
    refused(tmp_path, "config.json", f"{field}: ", "expects", "got")


def test_config_says_little(tmp_path: Path) -> None:
    save_file({**WEIGHTS}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"codebook_dim": null, "new_field": 1}')
    load_weights(tmp_path, SPEC)
    (tmp_path / "config.json").unlink()
    load_weights(tmp_path, SPEC)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": 1, "a": 1}', '{"a": NaN}', "[" * 100_000, "\xff", " " * 1_000_001],
)
def test_config_malformed(tmp_path: Path, text: str) -> None:
    save_file({**WEIGHTS}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes(text.encode("latin1"))
    refused(tmp_path, "config.json")


def test_source_that_is_no_weights_file(tmp_path: Path) -> None:
    refused(tmp_path, "model.safetensors or pytorch_model.bin")
    refused(tmp_path / "absent.th", "does not exist")
    refused(str(tmp_path / "absent.onnx"), "'.onnx'", ".safetensors, .th")
    refused("nul\0.th", "")
    os.mkfifo(tmp_path / "pipe.th")
    refused(tmp_path / "pipe.th", "is not a regular file")


def test_save_is_reproducible_and_described(tmp_path: Path) -> None:
    digests = set()
    for attempt in range(4):
        path = tmp_path / f"{attempt}.safetensors"
        save_weights(path, SPEC, WEIGHTS, {"source": "a test", "note": "b", "author": "c"})
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1
    assert b'"format":"hopcodec","model":"encodec_24khz","note":"b"' in path.read_bytes()[:200]
    assert load_file(path).keys() == WEIGHTS.keys()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{n}.safetensors" for n in range(4)]


def test_save_refuses(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"

    def check(weights: dict[str, FloatArray], message: str) -> None:
        with pytest.raises(WeightsError, match=re.escape(message)):
            save_weights(path, SPEC, weights)
        assert not list(tmp_path.iterdir())

    check({**WEIGHTS, CONV: WEIGHTS[CONV][:1]}, "expected shape (2, 1, 7), got (1, 1, 7)")
    check({**WEIGHTS, CONV: WEIGHTS[CONV] * np.float32(np.nan)}, "expected finite numbers")
    check({**WEIGHTS, CONV: WEIGHTS[CONV].astype(np.float64)}, "expected float32")
    check({**WEIGHTS, "more": WEIGHTS[CONV]}, "surplus tensor more")
    check({name: a for name, a in WEIGHTS.items() if name != CONV}, f"missing tensor {CONV}")
    with pytest.raises(WeightsError, match="'model' is written by hopcodec itself"):
        save_weights(path, SPEC, WEIGHTS, {"model": "other"})
    with pytest.raises(WeightsError, match="cannot be written"):
        save_weights(tmp_path / "absent" / "x.safetensors", SPEC, WEIGHTS)


@pytest.mark.parametrize("key", ["model", "version"])
def test_own_file_of_another_kind(tmp_path: Path, key: str) -> None:
    metadata = {"format": "hopcodec", "model": SPEC.name, "version": "1", key: "other"}
    save_file({**WEIGHTS}, tmp_path / "x.safetensors", metadata)
    refused(tmp_path / "x.safetensors", f"{key}: expected", "got 'other'")
