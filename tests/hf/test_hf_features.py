"""`hopcodec.torch.hf.EncodecFeatureExtractor` against that of `transformers`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from without_torchaudio import without_torchaudio

import torch
from hopcodec.torch.hf import AutoProcessor, EncodecFeatureExtractor

with without_torchaudio():
    from transformers import EncodecFeatureExtractor as Reference

MONO: dict[str, Any] = {}
STEREO: dict[str, Any] = {"feature_size": 2, "sampling_rate": 48000}
CHUNKED: dict[str, Any] = {**STEREO, "chunk_length_s": 0.1, "overlap": 0.01}
LENGTHS = (5000, 1, 14256, 9000)


def sounds(channels: int) -> list[Any]:
    rng = np.random.default_rng(0)
    shapes = [(channels, n) if channels > 1 else (n,) for n in LENGTHS]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def assert_same(ours: Any, theirs: Any) -> None:
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert type(ours[name]) is type(value), name
        for a, b in zip(ours[name], value, strict=True):
            assert a.dtype == b.dtype
            assert np.array_equal(np.asarray(a), np.asarray(b)), name


@pytest.mark.parametrize("kind", ["np", "pt"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": True},
        {"padding": "longest"},
        {"padding": "max_length", "max_length": 20000},
        {"truncation": True, "max_length": 4000},
    ],
    ids=str,
)
@pytest.mark.parametrize("settings", [MONO, STEREO, CHUNKED], ids=["mono", "stereo", "chunked"])
def test_batches(settings: Any, options: Any, side: str, kind: str) -> None:
    settings = {**settings, "padding_side": side}
    ours, theirs = (extractor(**settings) for extractor in (EncodecFeatureExtractor, Reference))
    batch = sounds(ours.feature_size)
    call: Any = {"sampling_rate": ours.sampling_rate, "return_tensors": kind, **options}
    assert_same(ours(batch, **call), theirs(batch, **call))
    assert_same(ours(batch[0], **call), theirs(batch[0], **call))
    if ours.feature_size == 1:
        assert_same(ours(batch[0].tolist(), **call), theirs(batch[0].tolist(), **call))
        doubles = batch[0].astype(np.float64)
        assert_same(ours(doubles, **call), theirs(doubles, **call))


@pytest.mark.parametrize("settings", [MONO, CHUNKED], ids=["mono", "chunked"])
def test_nothing_is_padded_on_request(settings: Any) -> None:
    ours = EncodecFeatureExtractor(**settings)
    theirs = Reference(**settings)
    batch = sounds(ours.feature_size)
    call: Any = {"sampling_rate": ours.sampling_rate, "padding": False}
    found, expected = ours(batch, **call), theirs(batch, **call)
    assert list(found) == list(expected) == ["input_values"]
    for a, b in zip(found.input_values, expected.input_values, strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="padding=True"):
        ours(batch, return_tensors="pt", **call)


@pytest.mark.parametrize("seconds", [0.05, 0.099, 0.1, 0.25])
def test_whole_chunks(seconds: float) -> None:
    ours, theirs = (extractor(**CHUNKED) for extractor in (EncodecFeatureExtractor, Reference))
    sound = np.zeros((2, round(48000 * seconds)), np.float32)
    for options in ({}, {"truncation": True}):
        if options and seconds < 0.1:
            continue  # the reference cuts to a negative length
        call: Any = {"sampling_rate": 48000, "return_tensors": "np", **options}
        assert_same(ours(sound, **call), theirs(sound, **call))


def test_mono_for_a_stereo_model_is_both_channels(caplog: pytest.LogCaptureFixture) -> None:
    stereo = EncodecFeatureExtractor(**STEREO)
    sound = np.arange(9, dtype=np.float32)
    with caplog.at_level(logging.WARNING):
        found = stereo(sound, sampling_rate=48000, return_tensors="np").input_values
    assert "both channels are that sound" in caplog.text
    assert np.array_equal(found, np.stack([sound, sound])[None])


def test_what_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    mono, stereo = EncodecFeatureExtractor(), EncodecFeatureExtractor(**STEREO)
    sound = np.zeros(9, np.float32)
    with pytest.raises(ValueError, match="with 24000 and not 16000"):
        mono(sound, sampling_rate=16000)
    with caplog.at_level(logging.WARNING):
        mono(sound)
    assert "recommended to pass the `sampling_rate`" in caplog.text
    with pytest.raises(ValueError, match="Both padding and truncation"):
        mono(sound, padding=True, truncation=True, sampling_rate=24000)
    with pytest.raises(ValueError, match="Expected mono audio but example has 2 channels"):
        mono(np.zeros((2, 9)), sampling_rate=24000)
    with pytest.raises(ValueError, match="Expected stereo audio but example has 3 channels"):
        stereo(np.zeros((3, 9)), sampling_rate=48000)
    with pytest.raises(ValueError, match=r"\(channels, length\) but got shape"):
        stereo(np.zeros((1, 2, 9)), sampling_rate=48000)


def test_files_go_both_ways(tmp_path: Path) -> None:
    ours = EncodecFeatureExtractor(**CHUNKED, studio="ours")
    ours.save_pretrained(tmp_path)
    theirs = Reference.from_pretrained(tmp_path)
    assert theirs.to_dict() == ours.to_dict()
    theirs.save_pretrained(tmp_path)
    back = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(back, EncodecFeatureExtractor)
    assert back.to_dict() == ours.to_dict()
    assert AutoProcessor.from_pretrained(tmp_path, sampling_rate=8000).sampling_rate == 8000
    (tmp_path / "preprocessor_config.json").write_text('{"feature_extractor_type": "Other"}')
    with pytest.raises(ValueError, match="Unrecognized processing class"):
        AutoProcessor.from_pretrained(tmp_path)


def test_sounds_may_be_tensors() -> None:
    ours = EncodecFeatureExtractor()
    call: Any = {"sampling_rate": 24000, "return_tensors": "np"}
    batch = sounds(1)
    tensors = [torch.from_numpy(sound) for sound in batch]
    assert_same(ours(tensors, **call), ours(batch, **call))
    assert_same(ours(tensors[0], **call), ours(batch[0], **call))


def test_a_collator_can_pad() -> None:
    ours = EncodecFeatureExtractor()
    padded = ours.pad({"input_values": [[1.0, 2.0], [1.0]]}, padding=True, return_tensors="np")
    assert padded["input_values"].tolist() == [[1.0, 2.0], [1.0, 0.0]]
