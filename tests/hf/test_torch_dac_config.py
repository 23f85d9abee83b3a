"""What a DAC's `config.json` may say, and what of a folder is kept and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from torch_dacs import HOP, SHAPE, drawn, sound

import torch
from hopcodec.errors import WeightsError
from hopcodec.torch.hf import (
    AutoProcessor,
    DacConfig,
    DacFeatureExtractor,
    DacModel,
    EncodecFeatureExtractor,
)
from hopcodec.torch.speechbrain import DAC

SMALL: dict[str, Any] = {
    "encoder_hidden_size": 4,
    "downsampling_ratios": [2, 4, 5, 8],
    "decoder_hidden_size": 64,
    "n_codebooks": 3,
    "codebook_size": 64,
}
FORGED: list[tuple[str, Any]] = [
    ("n_codebooks", 10**7),
    ("n_codebooks", 0),
    ("hidden_size", 10**8),
    ("hidden_size", "x"),
    ("encoder_hidden_size", 10**8),
    ("decoder_hidden_size", 10**8),
    ("decoder_hidden_size", 8),
    ("codebook_size", 1 << 40),
    ("codebook_dim", 10**8),
    ("downsampling_ratios", [2] * 60),
    ("downsampling_ratios", [10**9]),
    ("downsampling_ratios", [1024, 1024]),
    ("downsampling_ratios", []),
    ("downsampling_ratios", [2.5]),
    ("downsampling_ratios", "2458"),
    ("downsampling_ratios", 5),
    ("sampling_rate", 0),
    ("sampling_rate", -1),
    ("quantizer_dropout", 2.0),
]


def folder_with(folder: Path, **fields: Any) -> Path:
    """A small model's folder whose `config.json` says something else."""
    DacModel(DacConfig(**SMALL)).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    del config["hidden_size"]
    (folder / "config.json").write_text(json.dumps({**config, **fields}))
    return folder


@pytest.mark.parametrize(("field", "value"), FORGED, ids=str)
def test_a_forged_field_is_refused_by_name(field: str, value: Any, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, **{field: value})
    with pytest.raises(WeightsError, match=rf"config\.json: .*{field}"):
        DacModel.from_pretrained(folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"n_codebooks": 64, "codebook_size": 1 << 20},
        {"hidden_size": 1 << 20, "decoder_hidden_size": 1 << 20},
        {"codebook_dim": 1 << 20},
        {"encoder_hidden_size": 1 << 16},
    ],
    ids=str,
)
def test_a_model_that_the_file_cannot_hold_is_not_made(
    fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_with(tmp_path, **fields)
    made = []
    own = torch.empty_like  # what transformers makes room with for what a file lacks

    def empty_like(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return own(*args, **kwargs)

    monkeypatch.setattr(torch, "empty_like", empty_like)
    with pytest.raises(WeightsError, match="expected shape"):
        DacModel.from_pretrained(folder)
    assert not made
    with pytest.raises(WeightsError, match="missing tensor"):
        DacModel.from_pretrained(folder_with(tmp_path, n_codebooks=64))
    assert not made
    DacModel.from_pretrained(tmp_path, n_codebooks=4, ignore_mismatched_sizes=True)
    assert made  # where it is asked for


def drawn_model(**options: Any) -> DacModel:
    torch.manual_seed(0)
    made = DacModel(DacConfig(**SMALL), **options)
    drawn(made)
    return made.eval()


def test_whole_hops_stay_so_in_a_folder(tmp_path: Path) -> None:
    audio = sound(1, 4 * HOP)
    for normed in (False, True):
        model = drawn_model(full_hop=True)
        if normed:
            model.apply_weight_norm()
        with torch.no_grad():
            expected = model(audio).audio_values
        model.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "config.json").read_text())["full_hop"] is True
        read = DacModel.from_pretrained(tmp_path)
        with torch.no_grad():
            assert expected.shape == (1, 4 * HOP)
            assert torch.allclose(read(audio).audio_values, expected, atol=1e-5)
            trained = DacModel.from_pretrained(tmp_path, full_hop=False)
            assert trained(audio).audio_values.shape == (1, 4 * HOP - 8)
    transformers.DacModel.from_pretrained(tmp_path)


def test_whole_hops_are_one_models_own() -> None:
    config = DacConfig(**SMALL)
    whole = DacModel(config, full_hop=True)
    assert whole.config.full_hop
    assert not hasattr(DacModel(config).config, "full_hop")
    assert "full_hop" not in config.to_dict()
    with pytest.raises(TypeError, match="full_hop: expected true or false, got 'yes'"):
        DacModel(DacConfig(**SMALL, full_hop="yes"))


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
@pytest.mark.parametrize("width", [4 * HOP, 4 * HOP + 20], ids=["hops", "ragged"])
def test_audio_is_as_wide_as_the_mask_whatever_is_in_it(width: int, core: bool) -> None:
    model, audio = drawn_model(), sound(2, width)
    with torch.set_grad_enabled(not core):
        frames = set()
        for length in (width, width - 1, 1000):
            mask = (torch.arange(width) < torch.tensor([[width], [length]])).int()
            encoded = model.encode(audio, padding_mask=mask)
            heard = model.decode(audio_codes=encoded.audio_codes, padding_mask=mask)[0]
            assert heard.shape == model(audio, padding_mask=mask).audio_values.shape == (2, width)
            frames.add(encoded.audio_codes.shape[-1])
        assert frames == {-(-width // HOP)}


@pytest.mark.parametrize("kind", [DacModel, DAC], ids=lambda kind: kind.__name__)
def test_a_write_that_no_version_tells_is_seen(kind: type[DacModel] | type[DAC]) -> None:
    model = drawn_model() if kind is DacModel else DAC(**SHAPE).eval()
    drawn(model)
    with torch.no_grad():
        audio = sound(1, 4 * HOP)
        before = model.encode(audio)[1]
        alpha = next(m.alpha for m in model.encoder.modules() if hasattr(m, "alpha"))
        alpha.data[0, 1:-1] *= 7
        after = model.encode(audio)[1]
        handle = model.encoder.register_forward_hook(lambda *_: None)
        expected = model.encode(audio)[1]  # on the modules
        handle.remove()
    assert not torch.allclose(before.float(), expected.float())
    assert torch.allclose(after.float(), expected.float(), atol=1e-4)


def test_what_is_no_batch_of_codes_is_refused() -> None:
    model = drawn_model()
    for wrong in (torch.zeros(1, 3, 4), torch.zeros(1, 3, 4, dtype=torch.bool)):
        with torch.no_grad(), pytest.raises(TypeError, match="audio_codes: expected integers, got"):
            model.decode(audio_codes=wrong)
    with torch.no_grad():
        for empty in (torch.zeros(0, 3, 4, dtype=torch.long), torch.zeros(0, 3, 4).int()):
            with pytest.raises(ValueError, match=r"to decode, got \(0, 3, 4\)"):
                model.decode(audio_codes=empty)
        with pytest.raises(ValueError, match=r"a batch of one or more, got \(0, 1, 640\)"):
            model(torch.zeros(0, 1, 640))


def test_a_path_that_is_not_read_is_said(caplog: pytest.LogCaptureFixture) -> None:
    made = DAC(**SHAPE, load_path="nope.pth")
    assert "nope.pth is not read: expected load_pretrained=True" in caplog.text
    assert made.metadata is None


@pytest.mark.parametrize("name", ["to_dict", "frame_rate", "__class__", "__dict__"])
def test_a_file_hides_no_method(name: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path, **{name: 5})
    with pytest.raises(WeightsError, match=rf"{name}: expected a setting"):
        DacModel.from_pretrained(folder)


SETTINGS: list[tuple[str, Any]] = [
    ("hop_length", 0),
    ("hop_length", 1 << 40),
    ("hop_length", "a"),
    ("feature_size", 7),
    ("sampling_rate", 0),
    ("sampling_rate", 2.5),
    ("padding_value", "x"),
    ("padding_side", "left"),
]
OF_ENCODEC: list[tuple[str, Any]] = [
    ("chunk_length_s", -1.0),
    ("chunk_length_s", "x"),
    ("chunk_length_s", 1e300),
    ("overlap", 1.0),
    ("chunk_length", 4),
]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(DacFeatureExtractor, *case) for case in SETTINGS]
    + [(EncodecFeatureExtractor, *case) for case in OF_ENCODEC],
    ids=str,
)
def test_a_forged_setting_of_an_extractor_is_refused_by_name(
    kind: type[DacFeatureExtractor] | type[EncodecFeatureExtractor],
    name: str,
    value: Any,
    tmp_path: Path,
) -> None:
    content = {"feature_extractor_type": kind.__name__, name: value}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=rf"preprocessor_config\.json: .*{name}"):
        AutoProcessor.from_pretrained(tmp_path)


def test_the_quantizer_is_that_of_transformers() -> None:
    model = drawn_model()
    with torch.no_grad():
        latents = model.encode(sound(1, 4 * HOP)).projected_latents
        quantized, entries = model.quantizer.from_latents(latents=latents)
    assert entries.shape == latents.shape
    assert quantized.shape == (1, model.config.hidden_size, 4)
