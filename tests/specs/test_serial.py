"""A spec survives the file it is written into, and a forged one is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared_models import tiny_spec, tiny_weights

import hopcodec
from hopcodec.errors import WeightsError
from hopcodec.specs._json import spec_from_json, spec_to_json
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._names import SPECS
from hopcodec.weights import load_weights, save_weights, seeded_weights, spec_in


@pytest.mark.parametrize("spec", [*(make() for make in SPECS.values()), tiny_spec()])
def test_every_spec_comes_back(spec: CodecSpec) -> None:
    text = spec_to_json(spec)
    assert spec_from_json(json.loads(text)) == spec
    assert text == spec_to_json(spec_from_json(json.loads(text)))


def test_a_file_says_which_codec_it_is(tmp_path: Path, speech: Any) -> None:
    """A shape that no name is known for still loads: the file describes it."""
    path = tmp_path / "mine.safetensors"
    save_weights(path, tiny_spec(), tiny_weights())
    assert spec_in(path) == tiny_spec()
    codec = hopcodec.load(path)
    assert codec.name == "tiny_24khz"
    assert codec.encode(speech[:, :3200].copy(), bandwidth=1.8).shape[1] == 10


def test_weights_of_another_spec_of_the_same_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, tiny_spec(), tiny_weights())
    from dataclasses import replace

    other = replace(tiny_spec(), bandwidths=(0.45,))
    with pytest.raises(WeightsError, match="spec: expected the tiny_24khz given, got another"):
        load_weights(path, other)


def test_the_built_in_weights_load_without_a_name() -> None:
    assert hopcodec.load().spec == SPECS["hopcodec_24khz"]()
    assert not hopcodec.load().seeded


def test_noise_on_request(tmp_path: Path) -> None:
    codec = hopcodec.load("encodec_24khz", seeded=True)
    assert codec.seeded
    with pytest.raises(WeightsError, match="to be seeded, got"):
        hopcodec.load(tmp_path, seeded=True)


def _set(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(spec: Any) -> None:
        for key in path[:-1]:
            spec = spec[key]
        spec[path[-1]] = value

    return change


def _drop(*path: Any) -> Callable[[Any], None]:
    def change(spec: Any) -> None:
        for key in path[:-1]:
            spec = spec[key]
        del spec[path[-1]]

    return change


def _nest(spec: Any) -> None:
    layer = spec["encoder"][0]
    for _ in range(40):
        layer = {"kind": "Residual", "branch": [layer], "shortcut": []}
    spec["encoder"] = [layer]


def _lstm_of(layers: int) -> Callable[[Any], None]:
    lstm = {"kind": "Lstm", "name": "lstm", "channels": 8, "layers": layers, "skip": True}
    return _set("encoder", 0, value=lstm)


def _far_back(spec: Any) -> None:
    spec["encoder"] = [{**spec["encoder"][0], "kernel": 7, "dilation": (1 << 20) - 1}] * 100


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (
            _set("kind", value="Codec"),
            "spec: expected an object of .kind. CodecSpec, got",
        ),
        (_set("encoder", 0, "kind", value="CodecSpec"), r"encoder\[0\]: expected an object"),
        (_set("encoder", 0, "kind", value=["Conv1d"]), r"encoder\[0\]: expected an object"),
        (_set("encoder", 0, value=5), r"encoder\[0\]: expected an object"),
        (_drop("encoder", 0, "kernel"), r"encoder\[0\]: missing field 'kernel' of Conv1d"),
        (_set("encoder", 0, "extra", value=1), r"encoder\[0\]: surplus field 'extra'"),
        (_set("encoder", 0, "stride", value=True), "stride: expected a whole number, got True"),
        (_set("encoder", 0, "stride", value=1.5), "stride: expected a whole number, got 1.5"),
        (_set("encoder", 0, "stride", value=-1), "stride: expected 0 to 1048576, got -1"),
        (_set("encoder", 0, "out_channels", value=10**12), "out_channels: expected 0 to"),
        (_set("encoder", 0, "name", value="n" * 300), "name: expected at most 256 characters"),
        (_set("encoder", 0, "activation", value="relu"), "activation: expected one of none, elu"),
        (_set("encoder", 0, "activation", value=[]), "activation: expected one of none, elu"),
        (_set("encoder", 0, "padding", "mode", value="wrap"), "mode: expected one of reflect"),
        (_set("encoder", value={}), "encoder: expected a list of 0 to 512"),
        (_set("bandwidths", value=["6"]), r"bandwidths\[0\]: expected a number, got '6'"),
        (_set("quantizer", value=None), "quantizer: expected an object"),
        (_nest, "nested or repeated beyond any codec"),
        # Few bytes that much memory or time would pay for.
        (_set("quantizer", "codebooks", value=1 << 20), "codebooks: expected 1 to 1024"),
        (_lstm_of(1 << 20), r"encoder\[0\]\.layers: expected 1 to 16"),
        (_far_back, "expected convolutions that keep at most 67108864 numbers of a stream"),
        (
            lambda spec: spec["encoder"].extend(spec["encoder"][:1] * 600),
            "of 0 to 512 items",
        ),
    ],
)
def test_forged_specs_are_refused(forge: Callable[[Any], None], message: str) -> None:
    fields = json.loads(spec_to_json(tiny_spec()))
    forge(fields)
    with pytest.raises(WeightsError, match=message):
        spec_from_json(fields)


@pytest.mark.parametrize(
    "text", ["[]", "{", "null", '{"kind": "CodecSpec", "kind": 1}', "[" * 9999]
)
def test_a_spec_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.safetensors"
    spec = tiny_spec()
    save_weights(path, spec, tiny_weights())
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    table["__metadata__"]["spec"] = text
    head = json.dumps(table).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data[8 + size :])
    with pytest.raises(WeightsError, match=r"mine\.safetensors: "):
        hopcodec.load(path)


def test_nonsense_of_the_right_types_is_still_an_error_of_ours(tmp_path: Path) -> None:
    """Fields that each make sense but not together: the core says so, nothing crashes."""
    fields = json.loads(spec_to_json(tiny_spec()))
    fields["encoder"][0]["stride"] = 9  # more than the window
    spec = spec_from_json(fields)
    path = tmp_path / "mine.safetensors"
    save_weights(path, spec, seeded_weights(spec))
    with pytest.raises(WeightsError, match="stride"):
        hopcodec.load(path)
    assert np.isfinite(seeded_weights(spec)["encoder.layers.0.conv.weight"]).all()


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (_set("sample_rate", value=0), "sample_rate: expected at least 1, got 0"),
        (_set("hop_samples", value=0), "hop_samples: expected at least 1, got 0"),
        (_set("bandwidths", value=[]), "bandwidths: expected multiples of 0.45 kbps"),
        (_set("bandwidths", value=[0.5]), "1 to 8 codebooks, got 0.5"),
        (_set("bandwidths", value=[99.0]), "1 to 8 codebooks, got 99"),
        (
            _set("quantizer", "codebooks", value=0),
            "codebooks: expected 1 to 1024, got 0",
        ),
    ],
)
def test_specs_that_nothing_could_use_are_refused(
    forge: Callable[[Any], None], message: str
) -> None:
    fields = json.loads(spec_to_json(tiny_spec()))
    forge(fields)
    with pytest.raises(WeightsError, match=message):
        spec_from_json(fields)


def test_a_forged_name_is_not_a_format() -> None:
    fields = json.loads(spec_to_json(tiny_spec()))
    fields["quantizer"]["name"] = "{q:>999999999}"
    assert "{q:>999999999}.embed" in spec_from_json(fields).tensors()


def test_another_spelling_of_the_same_spec_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, tiny_spec(), tiny_weights())
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    fields = json.loads(table["__metadata__"]["spec"])
    table["__metadata__"]["spec"] = json.dumps(fields, indent=2)
    head = json.dumps(table).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data[8 + size :])
    assert hopcodec.load(path).spec == tiny_spec()
