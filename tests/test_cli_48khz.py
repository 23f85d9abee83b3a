"""The commands with the stereo codec of segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from typer.testing import CliRunner

import hopcodec
from hopcodec.bitstream import read_ecdc, read_hop
from hopcodec.cli.app import app
from hopcodec.models.encodec import encodec
from hopcodec.models.spec import Segments
from hopcodec.weights import save_weights, seeded_weights
from segmented_models import stereo

LENGTH = 100_123  # three segments


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 48 kHz model but for its width, under its name."""
    spec = encodec(
        "encodec_48khz",
        sample_rate=48000,
        bandwidths=(3.0, 6.0, 12.0, 24.0),
        codebooks=16,
        channels=2,
        filters=2,
        latent=8,
        causal=False,
        group_norm=True,
        segments=Segments(samples=48000, stride=47520, normalise=True),
    )
    path = tmp_path_factory.mktemp("models") / "narrow_48khz.safetensors"
    save_weights(path, spec, seeded_weights(spec))
    return path


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    soundfile.write("in.wav", stereo(LENGTH).T, 48000, subtype="FLOAT")
    return "in.wav"


def run(*args: str | Path, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


def run_json(*args: str | Path) -> dict[str, Any]:
    fields = json.loads(run(*args, "--json")[0])
    assert isinstance(fields, dict)
    return fields


def pcm(path: str) -> npt.NDArray[np.int16]:
    samples: npt.NDArray[np.int16] = soundfile.read(path, dtype="int16", always_2d=True)[0].T
    return samples


@pytest.mark.parametrize("suffix", [".ecdc", ".hop"])
def test_encode_info_decode(source: str, weights: Path, suffix: str) -> None:
    codec = hopcodec.load(weights)
    codes = codec.encode(stereo(LENGTH), 12.0)
    fields = run_json("encode", source, f"a{suffix}", "-m", weights, "-b", "12")
    assert (fields["codebooks"], fields["channels"]) == (8, 2)
    assert (fields["frames"], fields["audio_samples"]) == (codes.frames, LENGTH)
    if suffix == ".ecdc":
        header, written = read_ecdc("a.ecdc")
        assert (header.model, header.audio_length, header.weights) == ("encodec_48khz", LENGTH, "")
    else:
        _, written, samples = read_hop("a.hop")
        assert samples == LENGTH
    assert written == codes
    described = run_json("info", f"a{suffix}")
    assert (described["model"], described["frames"]) == ("encodec_48khz", codes.frames)
    fields = run_json("decode", f"a{suffix}", "b.wav", "-m", weights)
    assert (fields["audio_samples"], fields["channels"]) == (LENGTH, 2)
    heard = np.clip(codec.decode(codes, samples=LENGTH), -0.99, 0.99)
    soundfile.write("expected.wav", heard.T, 48000, subtype="PCM_16")
    np.testing.assert_array_equal(pcm("b.wav"), pcm("expected.wav"))


def test_roundtrip_and_info(source: str, weights: Path) -> None:
    fields = run_json("roundtrip", source, "out.wav", "-m", weights)
    assert (fields["audio_samples"], fields["frames"]) == (LENGTH, 150 + 150 + 16)
    assert pcm("out.wav").shape == (2, LENGTH)
    assert "segment" not in run("roundtrip", source, "again.wav", "-m", weights)[1]
    described = run_json("info", weights)
    assert (described["latency_samples"], described["channels"]) == (48000, 2)


@pytest.mark.parametrize(
    "command",
    [("loopback", "--input", "in.wav", "--output", "o.wav"), ("demo",), ("bench", "--paced", "1")],
)
def test_what_goes_hop_by_hop_is_refused(
    source: str, weights: Path, command: tuple[str, ...]
) -> None:
    _, err = run(*command, "-m", weights, code=1)
    lines = [line for line in err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    assert "encodec_48khz codes whole segments" in lines[0]
