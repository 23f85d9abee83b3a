"""`--device`: on a GPU the same files come out; without one, one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile  # type: ignore[import-untyped]
from gpus import no_gpu
from typer.testing import CliRunner

from hopcodec import _core
from hopcodec.cli._app import app

SPEECH = Path(__file__).parents[1] / "fixtures" / "fixture_en_f.flac"

# Each command with what it needs to begin, but for --device and --precision.
COMMANDS = {
    "encode": ["encode", str(SPEECH), "new.hop"],
    "decode": ["decode", "coded.hop", "new.wav"],
    "roundtrip": ["roundtrip", str(SPEECH), "new.wav"],
    "bench": ["bench", "--seconds", "0.1"],
    "demo": ["demo", "--fast"],
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("encode", str(SPEECH), "coded.hop")


def run(*args: str, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def error_line(*args: str) -> str:
    before = sorted(Path().iterdir())
    out, err = run(*args, code=1)
    assert out == ""
    assert err.count("\n") == 1, err
    assert sorted(Path().iterdir()) == before  # nothing half-written
    return err.removeprefix("error: ").rstrip()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_without_a_gpu_every_command_says_so(command: list[str]) -> None:
    if not no_gpu():
        pytest.skip("there is a GPU here")
    assert error_line(*command, "--device", "cuda") == no_gpu()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_cpu_has_no_tf32(command: list[str]) -> None:
    line = error_line(*command, "--precision", "tf32")
    assert line == 'precision: expected "fp32" or "bf16" on the CPU, got "tf32"'


def test_a_device_must_be_named_properly() -> None:
    line = error_line(*COMMANDS["encode"], "--device", "gpu")
    assert line == 'device: expected "cpu", "cuda" or "cuda:<number>", got "gpu"'


def test_live_commands_run_on_the_cpu() -> None:
    line = error_line("bench", "--live", "--device", "cuda")
    assert line == "--live runs on the CPU: expected no --device, got cuda"
    for option in (["--device", "cpu"], ["--precision", "tf32"]):
        run("loopback", *option, code=2)  # as for any option that a command does not have


def test_bench_says_where() -> None:
    fields = json.loads(run(*COMMANDS["bench"], "--device", "cpu", "--json")[0])
    assert fields["device"] == "cpu"


def test_files_made_on_a_gpu_are_the_cpus(gpu: None) -> None:
    """A third of a second: over the stand-in for a GPU, more takes long."""
    samples, rate = soundfile.read(SPEECH, frames=8000, dtype="int16")
    soundfile.write("short.wav", samples, rate)
    made = {}
    for device in ("cpu", "cuda"):
        run("encode", "short.wav", f"{device}.hop", "--device", device)
        run("decode", f"{device}.hop", f"{device}.wav", "--device", device)
        run("roundtrip", "short.wav", f"{device}.both.wav", "--device", device)
        made[device] = [
            Path(f"{device}.{kind}").read_bytes() for kind in ("hop", "wav", "both.wav")
        ]
    assert made["cuda"] == made["cpu"]


def test_bench_on_a_gpu_says_where(gpu: None) -> None:
    if _core.cuda.stand_in():
        pytest.skip("hundreds of hops take minutes on the stand-in for a GPU")
    table = run(*COMMANDS["bench"], "--device", "cuda", "--precision", "tf32")[0]
    assert "on cuda, driven by" in table
    assert "tf32" in table
