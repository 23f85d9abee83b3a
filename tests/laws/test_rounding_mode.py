"""The bits do not depend on the rounding mode of the host program."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from shared_models import Array

import hopcodec
from hopcodec import _core, ops

NEAREST = 0
UPWARD = {"x86_64": 0x800, "AMD64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}


@pytest.fixture
def rounding() -> Iterator[Callable[[int], None]]:
    """Set the C library's rounding mode on this thread; nearest again after the test."""
    if platform.machine() not in UPWARD:
        pytest.skip(f"the mode's number on {platform.machine()} is not known")
    libm = ctypes.CDLL(None)
    yield libm.fesetround
    libm.fesetround(NEAREST)


def upward() -> int:
    return UPWARD[platform.machine()]


def test_the_fixture_changes_sums(rounding: Callable[[int], None]) -> None:
    tiny = np.full(1, 1e-9, np.float32)
    assert (tiny + 1)[0] == 1
    rounding(upward())
    assert (tiny + 1)[0] > 1


@pytest.mark.parametrize(
    "model", [None, "encodec_24khz", "dac_16khz", "encodec_48khz"], ids=lambda model: model or "own"
)
def test_a_codec(model: str | None, speech: Array, rounding: Callable[[int], None]) -> None:
    """While it is loaded, encodes and decodes."""

    def bits() -> tuple[str, bytes, bytes]:
        codec = hopcodec.load(model, seeded=model is not None)
        audio = np.repeat(
            speech[:, : 52_000 if model == "encodec_48khz" else 8_000], codec.channels, axis=0
        )
        codes = codec.encode(audio)
        return codec.fingerprint, repr(codes).encode(), codec.decode(codes).tobytes()

    usual = bits()
    rounding(upward())
    assert bits() == usual


def operators() -> dict[str, Callable[[], object]]:
    generator = np.random.default_rng(5)
    x = generator.standard_normal((1, 8, 50), np.float32)
    weight = generator.standard_normal((6, 8, 3), np.float32)
    books = generator.standard_normal((3, 40, 8), np.float32)
    codes = generator.integers(0, 40, (3, 50)).astype(np.uint16)
    channels = generator.uniform(0.5, 1.5, 8).astype(np.float32)
    return {
        "causal_conv1d": lambda: ops.causal_conv1d(x, weight)[0],
        "elu": lambda: ops.elu(x),
        "snake": lambda: ops.snake(x, channels),
        "group_norm": lambda: ops.group_norm(x, 2, channels, channels),
        "rvq_encode": lambda: ops.rvq_encode(x[0], books),
        "rvq_decode": lambda: ops.rvq_decode(codes, books),
        "fold_weight_norm": lambda: _core.ops.fold_weight_norm(channels, books[0, :8]),
    }


@pytest.mark.parametrize("name", operators())
def test_an_operator(name: str, rounding: Callable[[int], None]) -> None:
    operator = operators()[name]
    usual = operator()
    rounding(upward())
    found = operator()
    rounding(NEAREST)
    np.testing.assert_array_equal(found, usual)


def test_the_callers_mode_comes_back(rounding: Callable[[int], None]) -> None:
    rounding(upward())
    hopcodec.load()
    tiny = np.full(1, 1e-9, np.float32)
    assert (tiny + 1)[0] > 1
