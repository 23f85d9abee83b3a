"""Damaged weights files: refused with a WeightsError, or read as finite numbers all the same."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from reference_models import save_layouts, small_spec
from slow_ones import slow_but_the_first

from hopcodec.errors import WeightsError
from hopcodec.weights import load_weights, seeded_weights

SPEC = small_spec()
SEED = 20240607
ROUNDS = 300
GROWTH_LIMIT_KB = 500_000
LAYOUTS = ("own", "hf_legacy", "original_model", "original_folded")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    layouts = save_layouts(tmp_path_factory.mktemp("fuzz"), SPEC, seeded_weights(SPEC))
    layouts["hf_legacy"] /= "model.safetensors"
    return layouts


@pytest.fixture(autouse=True)
def memory_stays_flat() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_LIMIT_KB


def _structure(data: bytes) -> list[int]:
    """Where the bytes are that say what the file holds, as against the numbers themselves."""
    if not data.startswith(b"PK"):
        return list(range(8 + int.from_bytes(data[:8], "little")))
    name = data.index(b"/data.pkl")
    pickle = range(name, data.index(b"PK\x03\x04", name) + 60)
    directory = range(data.index(b"PK\x01\x02"), len(data))
    return [*pickle, *directory]


def _refused(path: Path) -> bool:
    """Any exception but WeightsError, or unsound weights, fails the test."""
    try:
        loaded = load_weights(path, SPEC)
    except WeightsError:
        return True
    assert {name: array.shape for name, array in loaded.items()} == SPEC.tensors()
    assert all(np.isfinite(array).all() for array in loaded.values())
    return False


@pytest.mark.parametrize("layout", LAYOUTS)
def test_truncated(originals: dict[str, Path], tmp_path: Path, layout: str) -> None:
    data = originals[layout].read_bytes()
    path = tmp_path / originals[layout].name
    rng = np.random.default_rng(SEED)
    for size in [0, 1, 7, 8, 9, len(data) - 1, *rng.integers(0, len(data), ROUNDS).tolist()]:
        path.write_bytes(data[:size])
        assert _refused(path), f"accepted the first {size} of {len(data)} bytes"


@pytest.mark.parametrize("layout", slow_but_the_first(LAYOUTS))
def test_bits_flipped(originals: dict[str, Path], tmp_path: Path, layout: str) -> None:
    data = originals[layout].read_bytes()
    path = tmp_path / originals[layout].name
    rng = np.random.default_rng(SEED)
    structure = _structure(data)
    assert 1000 < len(structure) < len(data) // 2
    refused = 0
    for attempt in range(ROUNDS):
        damaged = bytearray(data)
        for _ in range(1 + attempt % 3):
            anywhere = attempt % 4 == 0
            where = int(rng.integers(len(data))) if anywhere else int(rng.choice(structure))
            damaged[where] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        refused += _refused(path)
    assert ROUNDS // 4 < refused < ROUNDS  # both ways are really taken


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_replaced(originals: dict[str, Path], tmp_path: Path, layout: str) -> None:
    """Runs of extreme bytes: lengths and counts at their limits."""
    data = originals[layout].read_bytes()
    path = tmp_path / originals[layout].name
    rng = np.random.default_rng(SEED + 1)
    structure = _structure(data)
    for _ in range(ROUNDS // 3):
        damaged = bytearray(data)
        where, length = int(rng.choice(structure)), int(rng.integers(1, 9))
        damaged[where : where + length] = bytes([int(rng.choice([0, 0x7F, 0x80, 0xFF]))]) * length
        path.write_bytes(damaged)
        _refused(path)
