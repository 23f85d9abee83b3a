"""What users may import: names in an `__all__`, and nothing else without an underscore."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
from shared_models import Array
from without_torchaudio import without_torchaudio

import hopcodec
from hopcodec import _show, errors

PLAIN_MODULES = {"hopcodec.errors", "hopcodec.typing"}
FOUND = list(pkgutil.walk_packages(hopcodec.__path__, "hopcodec."))
PACKAGES = ["hopcodec", *(module.name for module in FOUND if module.ispkg)]


def test_modules_are_private_unless_a_package_lists_them() -> None:
    wrong = []
    for module in FOUND:
        parent, _, last = module.name.rpartition(".")
        listed = getattr(importlib.import_module(parent), "__all__", [])
        private = last.startswith("_") or module.name in PLAIN_MODULES
        if not (module.ispkg or private or last in listed):
            wrong.append(module.name)
    assert not wrong


@pytest.mark.parametrize("name", PACKAGES)
def test_every_listed_name_exists(name: str) -> None:
    package = importlib.import_module(name)
    listed = getattr(package, "__all__", [])
    assert sorted(set(listed)) == sorted(listed)
    with without_torchaudio():  # which transformers imports beside its extractors
        missing = [each for each in listed if each != "__version__" and not hasattr(package, each)]
    assert not missing


def test_one_face() -> None:
    assert dir(hopcodec) == sorted(hopcodec.__all__)
    own = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert own <= set(hopcodec.__all__)
    for lazy in ("audio", "evaluation", "files", "live", "ops", "torch", "training"):
        assert getattr(hopcodec, lazy) is importlib.import_module(f"hopcodec.{lazy}")
    with pytest.raises(AttributeError, match="no attribute 'Loopback'"):
        _ = hopcodec.Loopback


def test_streams_are_of_the_public_types() -> None:
    for name in ("encodec_24khz", "encodec_48khz"):
        codec = hopcodec.load(name, seeded=True)
        assert isinstance(codec, hopcodec.Codec)
        assert isinstance(codec.encoder(), hopcodec.Encoder)
        assert isinstance(codec.decoder(), hopcodec.Decoder)
    assert isinstance(hopcodec.load("encodec_24khz", seeded=True).streams(2), hopcodec.StreamPool)


def test_codes_of_pushes_are_joined(codec: hopcodec.Codec, speech: Array) -> None:
    encoder = codec.encoder(6.0)
    parts = [encoder.push(np.ascontiguousarray(speech[:, at : at + 700])) for at in (0, 700)]
    codes = codec.join([*parts, encoder.flush()])
    assert isinstance(codes, np.ndarray)
    np.testing.assert_array_equal(codes, codec.encode(speech[:, :1400].copy(), 6.0))
    assert codec.samples_for(codes) == codec.samples_for(codes.shape[1]) == 1600
    with pytest.raises(TypeError, match="expected an array or a number of frames, got float"):
        codec.samples_for(1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="codes: expected a C-contiguous uint16 array"):
        codec.decode(hopcodec.Codes([], 8))


def test_the_configuration_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    hopcodec.show_config()
    printed = capsys.readouterr().out
    found = _show.configuration()
    assert list(found) == ["hopcodec", "numpy", "python", "platform", "instruction set", "CUDA"]
    assert printed.splitlines() == [f"{name:17}{value}" for name, value in found.items()]
    assert found["numpy"] == np.__version__
    assert hopcodec._core.isa() in found["instruction set"]
