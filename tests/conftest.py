"""Models and signals that many tests share."""

from __future__ import annotations

import signal
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from gpus import no_gpu, skip_unless_required
from hopcodec import Codec, _core
from hopcodec.bench import shipped_speech
from hopcodec.models.encodec import causal_encodec, encodec_24khz
from hopcodec.models.spec import CodecSpec
from hopcodec.weights.seeded import seeded_weights
from speech_codebooks import speech_codebooks

# A shell that starts us in the background lets us ignore Ctrl-C, and with us what tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "minutes_on_a_stand_in: skipped where a GPU's kernels run on the CPU"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("minutes_on_a_stand_in") and _core.cuda_stand_in():
        pytest.skip("minutes on the stand-in; tests/cpp bring these shapes to every kernel")


Array = npt.NDArray[np.float32]
FIXTURES = Path(__file__).parent / "fixtures"


def read_fixture(name: str) -> Array:
    samples, rate = soundfile.read(FIXTURES / name, dtype="float32", always_2d=True)
    assert rate == 24000
    return np.ascontiguousarray(samples.T)


@cache
def full_weights() -> dict[str, Array]:
    spec = encodec_24khz()
    weights = seeded_weights(spec)
    return {**weights, **speech_codebooks(spec, weights, shipped_speech(24000, 1))}


@cache
def tiny_spec() -> CodecSpec:
    """EnCodec 24 kHz in every respect but its width: 4 filters, 8 books of 64 entries."""
    return causal_encodec(
        "tiny_24khz",
        sample_rate=24000,
        bandwidths=(0.45, 0.9, 1.8, 3.6),
        codebooks=8,
        codebook_size=64,
        filters=4,
        latent=16,
    )


@cache
def tiny_weights() -> dict[str, Array]:
    spec = tiny_spec()
    weights = seeded_weights(spec)
    return {**weights, **speech_codebooks(spec, weights, read_fixture("fixture_en_f.flac"))}


@cache
def tiny_codec(isa: str = "", threads: int = 1) -> Codec:
    return Codec(tiny_spec(), tiny_weights(), isa=isa, threads=threads)


@cache
def full_codec(isa: str = "", threads: int = 1) -> Codec:
    return Codec(encodec_24khz(), full_weights(), isa=isa, threads=threads)


@pytest.fixture(scope="session")
def codec() -> Codec:
    """EnCodec 24 kHz, seeded weights, codebooks from speech."""
    return full_codec()


@pytest.fixture(scope="session")
def tiny() -> Codec:
    return tiny_codec()


@pytest.fixture(scope="session")
def speech() -> Array:
    return read_fixture("fixture_en_f.flac")


@pytest.fixture(scope="session", params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def gpu() -> None:
    if no_gpu():
        skip_unless_required(no_gpu())
