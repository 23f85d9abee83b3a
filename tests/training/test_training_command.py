"""`hopcodec train`: as a command, with torch and without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from shared_models import FIXTURES
from typer.testing import CliRunner

from hopcodec.cli._app import app


@pytest.mark.slow
def test_the_command_trains_and_the_result_codes(tmp_path: Path) -> None:
    """The shipped `tiny` configuration, cut to a few steps, on the default codec."""
    out = tmp_path / "run"
    changes = {
        "data.train": f'["{FIXTURES.as_posix()}"]',
        "data.cache": f'"{(tmp_path / "cache").as_posix()}"',
        "quantizer.from_step": "2",
        "quantizer.kmeans_batches": "4",
        "data.batch": "2",
        "discriminator.from_step": "3",
        "discriminator.generator_from_step": "4",
        "run.log_every": "2",
        "run.precision": "bf16",
    }
    options = [text for key, value in changes.items() for text in ("--set", f"{key}={value}")]
    command = ["train", "tiny", "--out", str(out), "--steps", "5", "--device", "cpu", *options]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "model.safetensors")
    assert "step 4: mel" in result.stderr
    decoded = tmp_path / "out.wav"
    clip = FIXTURES / "fixture_en_f.flac"
    coded = CliRunner().invoke(
        app, ["roundtrip", str(clip), str(decoded), "-m", str(out / "model.safetensors")]
    )
    assert coded.exit_code == 0, coded.output
    assert soundfile.info(decoded).frames == soundfile.info(clip).frames
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "--resume goes on with it" in again.stderr


def test_without_torch_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from hopcodec.cli import main\n"
        "sys.argv = ['hopcodec', 'train', 'tiny']\n"
        "main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert "training needs torch: pip install 'hopcodec[train]'" in result.stderr.replace("\n", " ")
