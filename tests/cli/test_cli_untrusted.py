"""Texts of strangers' files on the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from shared_models import FIXTURES
from typer.testing import CliRunner

from hopcodec.cli._app import app
from hopcodec.cli._console import shown
from hopcodec.specs._lapped import hopcodec_24khz
from hopcodec.weights import seeded_weights


def test_a_tensors_name_sends_the_terminal_no_commands(tmp_path: Path) -> None:
    title = "\x1b]0;title\x07"
    weights = {**seeded_weights(hopcodec_24khz()), title: np.zeros(1, np.float32)}
    save_file(weights, tmp_path / "m.safetensors")
    speech = str(FIXTURES / "fixture_en_f.flac")
    model = ["-m", str(tmp_path / "m.safetensors")]
    found = CliRunner().invoke(app, ["roundtrip", speech, str(tmp_path / "out.wav"), *model])
    assert found.exit_code == 1
    assert "\x1b]0" not in found.output
    assert r"\x1b]0;title\x07" in found.output.replace("\n", "")


def test_what_is_shown_is_what_is_there() -> None:
    """Letters of every script as they are, markup and control characters without effect."""
    assert shown("Übung 例 [x] a.wav") == r"Übung 例 \[x] a.wav"
    assert shown("a\x1b[2J\nb\x9b\u202e\udce9") == r"a\x1b[2J\nb\x9b\u202e\udce9"
