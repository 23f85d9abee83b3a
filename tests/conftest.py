"""Fixtures that many tests share, and the signals that a background shell ignores."""

from __future__ import annotations

import signal

import pytest
from gpus import no_gpu, skip_unless_required
from shared_models import Array, full_codec, read_fixture, tiny_codec

from hopcodec import Codec, _core
from hopcodec._show import configuration

# A background shell makes its jobs ignore SIGINT, and nohup SIGHUP. Child processes inherit that,
# and a test that stops a command by one of these signals would then wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "minutes_on_a_stand_in: skipped where a GPU's kernels run on the CPU"
    )


def pytest_report_header() -> list[str]:
    return [f"{name}: {value}" for name, value in configuration().items()]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("minutes_on_a_stand_in") and _core.cuda.stand_in():
        pytest.skip("minutes on the stand-in; tests/cpp bring these shapes to every kernel")


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
