"""Damaged DAC files, whose own words pick the codec: a WeightsError, or a sound codec."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dac_models import narrow, narrow_weights, save_dac_layouts
from slow_ones import slow_but_the_first

from hopcodec.errors import WeightsError
from hopcodec.weights import load_codec

NAME = "dac_16khz"
SEED = 20240608
ROUNDS = 120
GROWTH_LIMIT_KB = 500_000
FILES = ("original", "original_folded", "hf", "config")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    found = save_dac_layouts(folder, narrow(NAME), narrow_weights(NAME))
    return {
        "original": found["original"],
        "original_folded": found["original_folded"],
        "hf": found["hf"] / "model.safetensors",
        "config": found["hf"] / "config.json",
    }


@pytest.fixture(autouse=True)
def memory_stays_flat() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_LIMIT_KB


def target(originals: dict[str, Path], name: str, folder: Path) -> tuple[Path, Path]:
    """Where the damaged file goes, and what to open: a Hugging Face file needs its neighbour."""
    path = folder / originals[name].name
    if name not in ("hf", "config"):
        return path, path
    other = originals["config" if name == "hf" else "hf"]
    (folder / other.name).write_bytes(other.read_bytes())
    return path, folder


def structure(name: str, data: bytes) -> list[int]:
    """Where the bytes are that say what the file holds, as against the numbers themselves."""
    if name == "config":
        return list(range(len(data)))
    if name == "hf":
        return list(range(8 + int.from_bytes(data[:8], "little")))
    at = data.index(b"/data.pkl")
    return [
        *range(at, data.index(b"PK\x03\x04", at) + 60),
        *range(data.index(b"PK\x01\x02"), len(data)),
    ]


def refused(path: Path) -> bool:
    """Any exception but WeightsError, or unsound weights, fails the test."""
    try:
        spec, weights = load_codec(path)
    except WeightsError:
        return True
    assert {name: array.shape for name, array in weights.items()} == spec.tensors()
    assert all(np.isfinite(array).all() for array in weights.values())
    return False


@pytest.mark.parametrize("name", slow_but_the_first(FILES))
def test_bits_flipped(originals: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = originals[name].read_bytes()
    path, opened = target(originals, name, tmp_path)
    rng = np.random.default_rng(SEED)
    places = structure(name, data)
    count = 0
    for attempt in range(ROUNDS):
        damaged = bytearray(data)
        for _ in range(1 + attempt % 3):
            anywhere = attempt % 4 == 0
            where = int(rng.integers(len(data))) if anywhere else int(rng.choice(places))
            damaged[where] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        count += refused(opened)
    assert ROUNDS // 8 < count < ROUNDS  # both ways are really taken


@pytest.mark.parametrize("name", FILES)
def test_truncated(originals: dict[str, Path], tmp_path: Path, name: str) -> None:
    data = originals[name].read_bytes()
    path, opened = target(originals, name, tmp_path)
    rng = np.random.default_rng(SEED)
    end = len(data.rstrip()) - 1  # without a line break, a config.json is still whole
    for size in [0, 1, 8, end, *rng.integers(0, end, 40).tolist()]:
        path.write_bytes(data[:size])
        assert refused(opened), f"accepted the first {size} of {len(data)} bytes"
