"""Folders that `transformers` and `hopcodec.torch.hf` write for each other; what is refused."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import tempfile
from functools import cache
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
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

import torch
from hopcodec.errors import WeightsError
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.torch.hf import EncodecConfig, EncodecModel
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
    given, found = ours.config.to_dict(), back.config.to_dict()
    assert found.pop("_name_or_path", "") != given.pop("_name_or_path", "")
    assert found == given


def assert_same_tensors(a: torch.nn.Module, b: torch.nn.Module) -> None:
    first, second = a.state_dict(), b.state_dict()
    assert list(first) == list(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("layout", ["hf_pretrained", "hf_legacy", "hf_bin"])
def test_every_published_folder(layout: str, tmp_path: Path) -> None:
    spec = small_spec(8)
    weights = seeded_weights(spec)
    path = save_layouts(tmp_path, spec, weights)[layout]
    config = {} if (path / "config.json").exists() else {"config": EncodecConfig(**small_fields())}
    model = EncodecModel.from_pretrained(path, **config)
    assert_weights(model, weights)


@pytest.mark.parametrize(
    "layout", ["original_pair", "original_model", "original_folded", "hf_folded", "hf_legacy"]
)
def test_one_file_the_authors_own_included(layout: str, tmp_path: Path) -> None:
    spec = small_spec(8)
    weights = seeded_weights(spec)
    path = save_layouts(tmp_path, spec, weights)[layout]
    if path.is_dir():  # with its config.json
        model = EncodecModel.from_pretrained(path / "model.safetensors")
    else:
        config = EncodecConfig(**small_fields())
        model, info = EncodecModel.from_pretrained(path, config=config, output_loading_info=True)
        assert not any(info.values())
    assert not model.training
    assert_weights(model, weights)
    if layout == "hf_folded":  # without what only training reads
        assert all(layer.codebook.inited.item() == 1 for layer in model.quantizer.layers)


def small_fields() -> dict[str, Any]:
    return {"num_filters": 4, "hidden_size": 16, "target_bandwidths": [1.5, 3.0]}


def assert_weights(model: EncodecModel, weights: Any) -> None:
    """To the unit in the last place that taking weight norm apart may cost."""
    for name, array in weights.items():
        module, _, part = name.rpartition(".")
        found = getattr(model.get_submodule(module), part).detach().numpy()
        np.testing.assert_array_max_ulp(found, array, maxulp=2)


def test_configurations_are_those_of_transformers() -> None:
    assert EncodecConfig is transformers.EncodecConfig
    assert issubclass(EncodecModel, transformers.EncodecModel)
    with pytest.raises(ValueError, match="trim_right_ratio"):
        EncodecModel(EncodecConfig(trim_right_ratio=0.5, use_causal_conv=False))
    with pytest.raises(ValueError, match="power of 2"):
        EncodecModel(EncodecConfig(num_filters=4, codebook_size=1000))


def test_models_are_refused_before_they_are_made() -> None:
    for fields, message in (
        ({"num_lstm_layers": 10**9}, "num_lstm_layers: expected 1 to 64"),
        ({"codebook_dim": 7}, "codebook_dim: expected hidden_size"),
        ({"pad_mode": "circular"}, 'pad_mode: expected "reflect" or "constant"'),
        ({"compress": 64}, "compress: expected 1 to num_filters"),
    ):
        with pytest.raises(ValueError, match=message):
            EncodecModel(EncodecConfig(**fields))


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
        ({**good, "encoder.model.0.conv.conv.bias": good[name]}, "surplus tensor encoder.model"),
        ({**good, name: good[name][:-1].copy()}, r"expected shape \(4,\), got \(3,\)"),
        ({**good, name: np.full(4, np.nan, np.float32)}, "expected finite"),
    ]
    for tensors, message in cases:
        with pytest.raises(WeightsError, match=message):
            load(tensors)
    fields = json.loads(config)
    for text, message in [
        (json.dumps({**fields, "model_type": "dac"}), "expected 'encodec', got 'dac'"),
        (json.dumps({**fields, "norm_type": "none"}), "must be one of"),
        (json.dumps({**fields, "hidden_size": "16"}), "hidden_size"),
        (json.dumps({**fields, "normalize": 1}), "normalize"),
        (json.dumps({**fields, "upsampling_ratios": [8, 0]}), "expected 1 to 16 of 1 to 1024"),
        (json.dumps({**fields, "num_filters": 4096}), "expected shape"),
        (json.dumps({**fields, "num_lstm_layers": 64}), "missing tensor"),
        (json.dumps({**fields, "num_lstm_layers": 10**9}), "num_lstm_layers: expected 1 to 64"),
        (json.dumps({**fields, "target_bandwidths": [1e300]}), "expected positive kbps"),
    ]:
        with pytest.raises(WeightsError, match=message):
            load(good, text)
    with pytest.raises(OSError, match="JSON"):
        load(good, "[")
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        EncodecModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(OSError, match=r"expected a config\.json"):
        EncodecModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("suffix", [".safetensors", ".th"])
def test_what_one_file_may_not_hold(suffix: str, root: Path, tmp_path: Path) -> None:
    folder = folder_of("24khz", root)
    good = load_file(folder / "model.safetensors")
    config = EncodecConfig.from_pretrained(folder)
    name = "encoder.layers.0.conv.bias"
    path = tmp_path / f"weights{suffix}"

    def load(tensors: dict[str, Any]) -> None:
        if suffix == ".safetensors":
            save_file(tensors, path)
        else:
            torch.save({n: torch.from_numpy(a) for n, a in tensors.items()}, path)
        EncodecModel.from_pretrained(path, config=config)

    load(good)
    cases: list[tuple[dict[str, Any], str]] = [
        ({n: a for n, a in good.items() if n != name}, f"missing tensor {name}"),
        ({**good, "more": good[name]}, "surplus tensor more"),
        ({**good, "encoder.model.0.conv.conv.bias": good[name]}, "given twice"),
        ({**good, name: good[name][:-1].copy()}, r"expected shape \(4,\), got \(3,\)"),
        ({**good, name: np.full(4, np.nan, np.float32)}, "expected finite"),
        ({**good, name: np.zeros(4, np.int32)}, "expected float32 or"),
    ]
    for tensors, message in cases:
        with pytest.raises(WeightsError, match=message):
            load(tensors)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match=str(path)):
        EncodecModel.from_pretrained(path, config=config)


class Allocations(TorchDispatchMode):
    """Remembers the largest tensor that was really made."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.device.type != "meta":
                self.largest = max(self.largest, tensor.numel())
        return result


@pytest.mark.parametrize(
    "fields",
    [
        {"num_filters": 1 << 14},
        {"hidden_size": 1 << 16, "codebook_dim": 1 << 16},
        {"codebook_size": 1 << 16, "target_bandwidths": [1000.0]},
        {"num_lstm_layers": 64},
    ],
    ids=str,
)
def test_nothing_of_a_size_that_no_file_holds_is_allocated(
    fields: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder_of("24khz", root), tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **fields}))
    held = sum(array.size for array in load_file(tmp_path / "model.safetensors").values())
    with Allocations() as made, pytest.raises(WeightsError, match=r"expected shape|missing tensor"):
        EncodecModel.from_pretrained(tmp_path)
    assert made.largest <= held
    with Allocations() as made:
        EncodecModel.from_pretrained(folder_of("24khz", root))
    assert 0 < made.largest <= held


def test_what_is_let_in_on_request(root: Path, tmp_path: Path) -> None:
    """As `transformers` has it: sizes that do not match, and tensors that the caller holds."""
    shutil.copytree(folder_of("24khz", root), tmp_path, dirs_exist_ok=True)
    model = EncodecModel.from_pretrained(tmp_path, num_filters=8, ignore_mismatched_sizes=True)
    assert model.config.num_filters == 8
    config = EncodecConfig(**CONFIGS["24khz"])
    EncodecModel.from_pretrained(None, config=config, state_dict={})


FIELDS = st.sampled_from([n for n in EncodecConfig.__annotations__ if n != "model_type"])
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
    """Any configuration beside any bytes of weights: the model, or an error that says why."""
    rng = np.random.default_rng(seed)
    text, weights = saved_24khz()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps({**json.loads(text), **fields}))
        data = bytearray(weights)
        if seed % 3 == 1:
            data[int(rng.integers(20_000))] ^= 1 << int(rng.integers(8))
        elif seed % 3 == 2:
            data = data[: int(rng.integers(len(data)))]
        (folder / "model.safetensors").write_bytes(data)
        try:
            model = EncodecModel.from_pretrained(folder)
        except (WeightsError, OSError):
            return
        with torch.no_grad():
            model(sound(1, model.config.audio_channels, 960))


@cache
def saved_24khz() -> tuple[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        seeded_model("24khz").save_pretrained(name)
        folder = Path(name)
        text = (folder / "config.json").read_text()
        return text, (folder / "model.safetensors").read_bytes()


def test_options_of_loading(root: Path, tmp_path: Path) -> None:
    folder = folder_of("24khz", root)
    for auto in ({"dtype": "auto"}, {"torch_dtype": "auto"}, {"use_safetensors": True}, {}):
        assert EncodecModel.from_pretrained(folder, **auto).dtype == torch.float32
    EncodecModel.from_pretrained(folder, dtype=torch.float16).save_pretrained(tmp_path)
    assert EncodecModel.from_pretrained(tmp_path).dtype == torch.float16
    assert EncodecModel.from_pretrained(tmp_path, dtype="float32").dtype == torch.float32
    model = EncodecModel.from_pretrained(folder, return_dict=False, exact_reference=True)
    assert model.exact_reference
    with torch.no_grad():
        assert type(model.encode(sound(1, 1, 960))) is tuple
    model, info = EncodecModel.from_pretrained(
        pretrained_model_name_or_path=folder, output_loading_info=True
    )
    assert not any(info.values())
    with pytest.raises(TypeError, match="nonsense"):
        EncodecModel.from_pretrained(folder, nonsense=1)


def test_the_hub_is_asked_for_the_published_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def asks(source: str, **options: Any) -> Any:
        asked.append((source, options))
        raise OSError("not here")

    monkeypatch.setattr(EncodecConfig, "get_config_dict", asks)
    for name in ("facebook/encodec_24khz", "encodec_24khz"):
        with pytest.raises(OSError, match="not here"):
            EncodecModel.from_pretrained(name, revision="main")
    assert asked == [("facebook/encodec_24khz", {"revision": "main"})] * 2


def test_automatic_classes_may_choose_ours(root: Path) -> None:
    from transformers import AutoModel

    folder = folder_of("24khz", root)
    assert type(AutoModel.from_pretrained(folder)) is transformers.EncodecModel
    mapping = transformers.models.auto.modeling_auto.MODEL_MAPPING
    AutoModel.register(EncodecConfig, EncodecModel, exist_ok=True)
    try:
        assert type(AutoModel.from_pretrained(folder)) is EncodecModel
    finally:
        del mapping._extra_content[EncodecConfig]


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


def test_results_can_be_rebuilt() -> None:
    """As Accelerate, Trainer and DataParallel do."""
    model = seeded_model("24khz")
    with torch.no_grad():
        output = model(sound(1, 1, 960))
    for rebuilt in (type(output)(dict(output)), type(output)(list(output.items()))):
        assert torch.equal(rebuilt.audio_values, output.audio_values)
    assert len(tree_leaves(output)) == 2
    doubled = tree_map(lambda tensor: 2 * tensor, output)
    assert torch.equal(doubled.audio_values, 2 * output.audio_values)


def test_chunks_of_half_precision_are_joined() -> None:
    model = seeded_model("48khz").bfloat16()
    audio = sound(2, 2, 9600).bfloat16()
    with torch.no_grad():
        heard = model(audio).audio_values
        assert heard.dtype == torch.bfloat16
        assert heard.isfinite().all()
        wanted = seeded_model("48khz")(audio.float()).audio_values
    assert (heard.float() - wanted).square().mean() < 0.3 * wanted.square().mean()


def test_a_published_name_is_the_published_model() -> None:
    """Layer for layer what the runtime calls encodec_24khz."""
    model = EncodecModel(EncodecConfig())
    assert model.codec.spec.tensors() == encodec_24khz().tensors()
    assert model.codec.spec.encoder == encodec_24khz().encoder
    assert model.codec.spec.decoder == encodec_24khz().decoder
