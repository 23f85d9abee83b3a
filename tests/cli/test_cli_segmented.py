"""The command line with a codec of segments, EnCodec 48 kHz, and noise for weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from typer.testing import CliRunner

import hopcodec
from hopcodec.cli._app import app
from hopcodec.files import read_ecdc, read_hop

MODEL = ("-m", "encodec_48khz", "--seeded")


@pytest.fixture(scope="module")
def codec() -> Any:
    return hopcodec.load("encodec_48khz", seeded=True)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(
    tmp_path: Path, codec: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setattr(hopcodec, "load", lambda *_, **__: codec)
    monkeypatch.chdir(tmp_path)
    t = np.arange(60_000) / 48000
    wave = np.stack([np.sin(2 * np.pi * f * t * (1 + t)) for f in (220, 330)])
    soundfile.write("in.wav", 0.3 * wave.T, 48000, subtype="FLOAT")
    yield
    assert not list(tmp_path.rglob("*.part"))


def run(*args: str, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, list(args))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


def pcm(path: str) -> npt.NDArray[np.int16]:
    samples: npt.NDArray[np.int16] = soundfile.read(path, dtype="int16", always_2d=True)[0].T
    return samples


def test_files_of_segments(codec: Any) -> None:
    """Both formats hold what `encode` gives, and decode to the same stereo file."""
    fields = json.loads(run("encode", "in.wav", "a.hop", "--json", *MODEL)[0])
    run("encode", "in.wav", "a.ecdc", *MODEL)
    audio = np.ascontiguousarray(soundfile.read("in.wav", dtype="float32")[0].T)
    codes = codec.encode(audio)
    header, found, samples = read_hop("a.hop")
    assert (header.model, header.scales, samples) == ("encodec_48khz", True, 60_000)
    assert found == codes == read_ecdc("a.ecdc")[1]
    assert (fields["channels"], fields["frames"]) == (2, codes.frames)
    run("decode", "a.hop", "a.wav", "--seeded")
    run("decode", "a.ecdc", "b.wav", "--seeded")
    run("roundtrip", "in.wav", "c.wav", *MODEL)
    assert pcm("a.wav").shape == (2, 60_000)
    np.testing.assert_array_equal(pcm("a.wav"), pcm("b.wav"))
    np.testing.assert_array_equal(pcm("a.wav"), pcm("c.wav"))
    soundfile.write("d.wav", np.clip(codec.decode(codes, 60_000), -0.99, 0.99).T, 48000, "PCM_16")
    np.testing.assert_array_equal(pcm("a.wav"), pcm("d.wav"))


def test_what_is_left_of_a_damaged_file(codec: Any) -> None:
    run("encode", "in.wav", "a.hop", *MODEL)
    Path("b.hop").write_bytes(Path("a.hop").read_bytes()[:-30])
    assert "truncated" in run("decode", "b.hop", "b.wav", "--seeded", code=1)[1]
    run("decode", "b.hop", "b.wav", "--seeded", "--partial")
    run("decode", "a.hop", "a.wav", "--seeded")
    whole, part = pcm("a.wav"), pcm("b.wav")
    assert part.shape == (2, 48_000)
    np.testing.assert_array_equal(
        part[:, : codec.segments.stride], whole[:, : codec.segments.stride]
    )


def test_commands_that_need_hops_say_so() -> None:
    for args in (
        ("bench", "--paced", "1"),
        ("loopback", "-i", "in.wav", "-o", "out.wav"),
    ):
        assert "codes whole segments" in run(*args, *MODEL, code=1)[1]
    assert ".dac files hold codes of a DAC" in run("encode", "in.wav", "a.dac", *MODEL, code=1)[1]


@pytest.mark.slow
def test_commands_that_do_not() -> None:
    assert json.loads(run("demo", "--fast", "--json", *MODEL)[0])["streamed_equals_whole_file"]
    fields = json.loads(run("bench", "--seconds", "1", "--json", *MODEL)[0])
    assert fields["back_to_back"] is None
    assert fields["file"]["encode_seconds"] > 0
    args = ("eval", "in.wav", "--metrics", "si_snr", "--peers", "none", "-b", "6", "--json")
    assert json.loads(run(*args, *MODEL)[0])["model"] == "encodec_48khz"
    assert "per hop" not in run("roundtrip", "in.wav", "out.wav", *MODEL)[0]
