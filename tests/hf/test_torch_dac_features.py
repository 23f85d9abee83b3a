"""`DacFeatureExtractor` beside the `transformers` class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

import torch
from hopcodec.torch.hf import DacConfig, DacFeatureExtractor

SHORT, LONG = (np.linspace(-1, 1, n, dtype=np.float32) for n in (700, 1500))


def pair(**settings: Any) -> tuple[DacFeatureExtractor, Any]:
    return DacFeatureExtractor(**settings), transformers.DacFeatureExtractor(**settings)


@pytest.mark.parametrize("tensors", ["pt", "np"])
@pytest.mark.parametrize(
    ("raw", "options"),
    [
        (SHORT, {}),
        ([SHORT, LONG], {}),
        ([SHORT, LONG], {"padding": "longest"}),
        ([SHORT, LONG], {"padding": "max_length", "max_length": 2000}),
        ([SHORT, LONG], {"padding": None, "truncation": True, "max_length": 640}),
        (SHORT.tolist(), {}),
        (SHORT.astype(np.float64), {}),
        (SHORT, {"padding": False}),
        ([SHORT[:640], LONG[:640]], {"padding": True}),
    ],
    ids=["one", "two", "longest", "max_length", "truncated", "list", "float64", "bare", "full"],
)
@pytest.mark.parametrize("settings", [{"hop_length": 320}, {"padding_value": 0.5}], ids=str)
def test_it_gives_what_the_reference_gives(
    raw: Any, options: dict[str, Any], settings: dict[str, Any], tensors: str
) -> None:
    ours, theirs = pair(**settings)
    got, expected = (
        extractor(raw, sampling_rate=16000, return_tensors=tensors, **options)
        for extractor in (ours, theirs)
    )
    assert set(got) == set(expected)
    for name in expected:
        assert type(got[name]) is type(expected[name])
        assert got[name].shape == expected[name].shape
        assert got[name].dtype == expected[name].dtype
        assert np.array_equal(np.asarray(got[name]), np.asarray(expected[name]))


def test_without_a_kind_of_tensor_it_gives_arrays() -> None:
    ours, theirs = pair()
    got, expected = (e([SHORT, LONG], sampling_rate=16000) for e in (ours, theirs))
    for mine, reference in zip(got["input_values"], expected["input_values"], strict=True):
        assert np.array_equal(mine, reference)


def test_what_is_wrong_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    ours = DacFeatureExtractor()
    with pytest.raises(ValueError, match="with 16000 and not 44100"):
        ours(SHORT, sampling_rate=44100)
    with pytest.raises(ValueError, match="Both padding and truncation were set"):
        ours(SHORT, padding=True, truncation=True, max_length=100, sampling_rate=16000)
    with pytest.raises(ValueError, match="Expected mono audio but example has 2 channels"):
        ours(np.zeros((2, 100), np.float32), sampling_rate=16000)
    with pytest.raises(ValueError, match="Stereo audio isn't supported for now"):
        DacFeatureExtractor(feature_size=2)(np.zeros((2, 100), np.float32), sampling_rate=16000)
    ours(SHORT)
    assert "strongly recommended to pass the `sampling_rate`" in caplog.text


def test_folders_are_read_both_ways(tmp_path: Path) -> None:
    ours, theirs = pair(sampling_rate=24000, hop_length=320)
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    back = transformers.DacFeatureExtractor.from_pretrained(tmp_path / "ours")
    again = DacFeatureExtractor.from_pretrained(tmp_path / "theirs")
    for read in (back, again):
        assert (read.sampling_rate, read.hop_length, read.feature_size) == (24000, 320, 1)
    with pytest.raises(OSError, match=r"preprocessor_config\.json"):
        DacFeatureExtractor.from_pretrained(tmp_path)


def test_the_hop_is_the_models(tmp_path: Path) -> None:
    """The folders of the 16 and 24 kHz models said 512 for a while."""
    DacFeatureExtractor().save_pretrained(tmp_path)
    assert DacFeatureExtractor.from_pretrained(tmp_path).hop_length == 512
    DacConfig(downsampling_ratios=[2, 4, 5, 8]).save_pretrained(tmp_path)
    right = DacFeatureExtractor.from_pretrained(tmp_path)
    reference = DacFeatureExtractor.from_pretrained(tmp_path, exact_reference=True)
    chosen = DacFeatureExtractor.from_pretrained(tmp_path, hop_length=640)
    assert (right.hop_length, reference.hop_length, chosen.hop_length) == (320, 512, 640)
    assert json.loads((tmp_path / "preprocessor_config.json").read_text())["hop_length"] == 512
    values = right(SHORT, sampling_rate=16000, return_tensors="pt")["input_values"]
    assert torch.equal(values[0, 0, :700], torch.from_numpy(SHORT))
    assert values.shape == (1, 1, 960)
