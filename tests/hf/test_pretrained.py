"""Folders that `transformers` and `hopcodec.torch` write for each other, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from encodec_configs import CONFIGS, folder_of, reference, seeded_model, sound
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_models import save_layouts, small_spec
from safetensors.numpy import load_file, save_file

import torch
from hopcodec.errors import WeightsError
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.torch.hf import EncodecConfig, EncodecModel
from hopcodec.torch.hf._outputs import ModelOutput
from hopcodec.weights._seeded import seeded_weights


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("name", CONFIGS)
def test_folders_go_both_ways(name: str, root: Path, tmp_path: Path) -> None:
    """Parameters and buffers, bit for bit, those that only training reads included."""
    ours = EncodecModel.from_pretrained(folder_of(name, root))
    torch.manual_seed(0)
    for layer in ours.quantizer.layers:
        layer.codebook.cluster_size.uniform_(0, 9)
        layer.codebook.embed_avg.normal_()
        layer.codebook.inited.fill_(0)
    ours.save_pretrained(tmp_path / "ours")
    theirs = reference(tmp_path / "ours")
    assert_same_tensors(ours, theirs)
    theirs.save_pretrained(tmp_path / "theirs")
    back = EncodecModel.from_pretrained(tmp_path / "theirs")
    assert not back.training
    assert_same_tensors(back, ours)
    for field, value in ours.config.to_dict().items():
        assert getattr(back.config, field) == value, field


def assert_same_tensors(a: torch.nn.Module, b: torch.nn.Module) -> None:
    first, second = a.state_dict(), b.state_dict()
    assert list(first) == list(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("layout", ["hf_pretrained", "hf_legacy", "hf_folded", "hf_bin"])
def test_every_published_folder(layout: str, tmp_path: Path) -> None:
    spec = small_spec(8)
    weights = seeded_weights(spec)
    path = save_layouts(tmp_path, spec, weights)[layout]
    config = {} if (path / "config.json").exists() else {"config": EncodecConfig(**small_fields())}
    model = EncodecModel.from_pretrained(path, **config)
    assert_weights(model, weights)


@pytest.mark.parametrize("layout", ["original_pair", "original_model", "original_folded"])
def test_the_authors_own_files(layout: str, tmp_path: Path) -> None:
    spec = small_spec(8)
    weights = seeded_weights(spec)
    path = save_layouts(tmp_path, spec, weights)[layout]
    model = EncodecModel.from_pretrained(path, config=EncodecConfig(**small_fields()))
    assert_weights(model, weights)


def small_fields() -> dict[str, Any]:
    return {"num_filters": 4, "hidden_size": 16, "target_bandwidths": [1.5, 3.0]}


def assert_weights(model: EncodecModel, weights: Any) -> None:
    """To the unit in the last place that taking weight norm apart may cost."""
    for name, array in weights.items():
        module, _, part = name.rpartition(".")
        found = getattr(model.get_submodule(module), part).detach().numpy()
        np.testing.assert_array_max_ulp(found, array, maxulp=2)


def test_every_field_and_its_default_is_that_of_transformers() -> None:
    theirs = transformers.EncodecConfig()
    ours = EncodecConfig()
    names = [field.name for field in dataclasses.fields(EncodecConfig)]
    for name in [*names, *properties()]:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert set(names) == {
        n for n in vars(theirs) if n in transformers.EncodecConfig.__annotations__
    }
    with pytest.raises(ValueError, match="must be one of"):
        EncodecConfig(norm_type="batch_norm")
    with pytest.raises(ValueError, match="trim_right_ratio"):
        EncodecModel(EncodecConfig(trim_right_ratio=0.5, use_causal_conv=False))
    with pytest.raises(ValueError, match="power of 2"):
        EncodecModel(EncodecConfig(codebook_size=1000))


def properties() -> list[str]:
    return [name for name, value in vars(EncodecConfig).items() if isinstance(value, property)]


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_go_both_ways(name: str, tmp_path: Path) -> None:
    ours = EncodecConfig(**CONFIGS[name], studio="ours")
    ours.save_pretrained(tmp_path)
    theirs = transformers.EncodecConfig.from_pretrained(tmp_path)
    theirs.save_pretrained(tmp_path)
    back = EncodecConfig.from_pretrained(tmp_path, hidden_size=24)
    assert back.studio == "ours"  # type: ignore[attr-defined]
    assert back.hidden_size == 24
    back.hidden_size = ours.hidden_size
    for field in [*(f.name for f in dataclasses.fields(EncodecConfig)), *properties()]:
        found, expected = getattr(back, field), getattr(ours, field)
        if isinstance(expected, (list, tuple)):
            found, expected = list(found), list(expected)
        if field != "codebook_dim":
            assert found == getattr(theirs, field) == expected, field


def test_configuration_arguments() -> None:
    assert EncodecConfig([1.5], 16000).sampling_rate == 16000
    assert EncodecConfig(return_dict=False).use_return_dict is False
    with pytest.raises(TypeError, match="target_bandwidths is given twice"):
        EncodecConfig([1.5], target_bandwidths=[1.5])
    with pytest.raises(ValueError, match="expected 'encodec', got 'dac'"):
        EncodecConfig(model_type="dac")


def test_what_a_folder_may_not_hold(root: Path, tmp_path: Path) -> None:
    good = load_file(folder_of("24khz", root) / "model.safetensors")
    config = (folder_of("24khz", root) / "config.json").read_text()
    name = "encoder.layers.0.conv.bias"

    def load(tensors: dict[str, Any], text: str = config) -> EncodecModel:
        save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
        (tmp_path / "config.json").write_text(text)
        return EncodecModel.from_pretrained(tmp_path)

    without = {n: a for n, a in good.items() if n != name}
    load(good)
    cases: list[tuple[dict[str, Any], str]] = [
        (without, f"missing tensor {name}"),
        ({**good, "more": good[name]}, "surplus tensor more"),
        ({**good, "encoder.model.0.conv.conv.bias": good[name]}, "given twice"),
        ({**good, name: good[name][:-1].copy()}, r"expected shape \(4,\), got \(3,\)"),
        ({**good, name: np.full(4, np.nan, np.float32)}, "expected finite"),
        ({**good, name: np.zeros(4, np.int32)}, "got I32"),
    ]
    for tensors, message in cases:
        with pytest.raises(WeightsError, match=message):
            load(tensors)
    fields = json.loads(config)
    for text, message in [
        ("[]", "JSON object"),
        (json.dumps({**fields, "model_type": "dac"}), "expected 'encodec', got 'dac'"),
        (json.dumps({**fields, "norm_type": "none"}), "must be one of"),
        (json.dumps({**fields, "hidden_size": "16"}), "hidden_size: expected int, got '16'"),
        (json.dumps({**fields, "normalize": 1}), "normalize: expected bool, got 1"),
        (json.dumps({**fields, "upsampling_ratios": [8, 0]}), "expected 1 to 16 of 1 to 1024"),
        (json.dumps({**fields, "num_filters": 4096}), "bytes at least, got"),
        (json.dumps({**fields, "num_lstm_layers": 10**9}), "num_lstm_layers: expected 1 to 64"),
        (json.dumps({**fields, "target_bandwidths": [1e300]}), "expected positive kbps"),
    ]:
        with pytest.raises(WeightsError, match=message):
            load(good, text)
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors or pytorch_model\.bin"):
        EncodecModel.from_pretrained(tmp_path)


FIELDS = st.sampled_from([field.name for field in dataclasses.fields(EncodecConfig)])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-3, 70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(-2, 3000), max_size=20),
    st.lists(st.floats(-2, 50), max_size=4),
)


@given(st.dictionaries(FIELDS, VALUES, min_size=1, max_size=3), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_forged_folders_are_refused_by_name(fields: dict[str, Any], seed: int) -> None:
    """Any configuration beside any bytes of weights: the model, or a WeightsError."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeded_model("24khz").save_pretrained(folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **fields}))
        data = bytearray((folder / "model.safetensors").read_bytes())
        if seed % 3 == 1:
            data[int(rng.integers(20_000))] ^= 1 << int(rng.integers(8))
        elif seed % 3 == 2:
            data = data[: int(rng.integers(len(data)))]
        (folder / "model.safetensors").write_bytes(data)
        try:
            model = EncodecModel.from_pretrained(folder)
        except WeightsError:
            return
        with torch.no_grad():
            model(sound(1, model.config.audio_channels, 960))


def test_options_of_loading(root: Path) -> None:
    folder = folder_of("24khz", root)
    assert EncodecModel.from_pretrained(folder, dtype="float16").dtype == torch.float16
    assert EncodecModel.from_pretrained(folder, torch_dtype=torch.float64).dtype == torch.float64
    model = EncodecModel.from_pretrained(folder, return_dict=False, exact_reference=True)
    assert model.exact_reference
    with torch.no_grad():
        assert type(model.encode(sound(1, 1, 960))) is tuple
    with pytest.raises(TypeError, match="nonsense"):
        EncodecModel.from_pretrained(folder, nonsense=1)
    with pytest.raises(TypeError, match="expected EncodecConfig, got dict"):
        EncodecModel({})  # type: ignore[arg-type]


def test_the_hub(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name there or ours; a stand-in answers for huggingface_hub."""
    asked = []

    def hf_hub_download(repository: str, filename: str, **options: Any) -> str:
        asked.append((repository, filename, options))
        path = folder_of("24khz", root) / filename
        if not path.exists():
            raise FileNotFoundError(filename)
        return str(path)

    hub = types.SimpleNamespace(hf_hub_download=hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)  # type: ignore[arg-type]
    EncodecModel.from_pretrained("facebook/encodec_24khz", revision="main")
    EncodecModel.from_pretrained("encodec_24khz")
    files = ["config.json", "model.safetensors"]
    expected = [("facebook/encodec_24khz", file, {"revision": "main"}) for file in files]
    assert asked == expected + [(repository, file, {}) for repository, file, _ in expected]
    from hopcodec.torch.hf import EncodecFeatureExtractor

    with pytest.raises(WeightsError, match="'facebook/encodec_24khz': expected a folder with"):
        EncodecFeatureExtractor.from_pretrained("facebook/encodec_24khz")


def test_half_precision_models_run_on_torch(root: Path, tmp_path: Path) -> None:
    model = EncodecModel.from_pretrained(folder_of("24khz", root), dtype=torch.bfloat16)
    with torch.no_grad():
        heard = model(sound(1, 1, 3200).bfloat16()).audio_values
    assert heard.dtype == torch.bfloat16
    assert model.codec.sample_rate == 24000  # folded all the same, for streams
    assert heard.isfinite().all()
    model.save_pretrained(tmp_path)
    assert reference(tmp_path).dtype == torch.bfloat16


def test_a_model_can_be_copied_and_pickled() -> None:
    model = seeded_model("24khz")
    audio = sound(1, 1, 3200)
    with torch.no_grad():
        expected = model(audio).audio_values
        twin = copy.deepcopy(model)
        for parameter in twin.parameters():
            parameter.mul_(0.5)
        assert torch.equal(model(audio).audio_values, expected)
        assert not torch.equal(twin(audio).audio_values, expected)
    model = seeded_model("48khz")  # torch does not pickle weight norm
    audio = sound(1, 2, 9600)
    with torch.no_grad():
        expected = model(audio).audio_values
        assert torch.equal(pickle.loads(pickle.dumps(model))(audio).audio_values, expected)


def test_outputs_are_records_dictionaries_and_tuples() -> None:
    @dataclasses.dataclass(eq=False)
    class Result(ModelOutput):
        codes: Any = None
        scale: Any = None
        audio: Any = None

    result = Result(codes=1, audio=3)
    assert (result[0], result[1], result["audio"], result[-1]) == (1, 3, 3, 3)
    assert result[:] == result.to_tuple() == (1, 3)
    assert list(result) == ["codes", "audio"]
    assert result.scale is None
    result.scale = 2
    assert result.to_tuple() == (1, 3, 2)
    result["codes"] = 7
    assert result.codes == 7
    assert dict(result) == {"codes": 7, "audio": 3, "scale": 2}
    twin = copy.copy(result)
    assert (twin.codes, twin["scale"]) == (7, 2)
    with pytest.raises(KeyError):
        result["nothing"]


def test_a_published_name_is_the_published_model() -> None:
    """Layer for layer what the runtime calls encodec_24khz."""
    model = EncodecModel(EncodecConfig())
    assert model.codec.spec.tensors() == encodec_24khz().tensors()
    assert model.codec.spec.encoder == encodec_24khz().encoder
    assert model.codec.spec.decoder == encodec_24khz().decoder
