"""`hopcodec eval`: its table, its files, and how it fails."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from evaluation_packages import needs
from shared_models import FIXTURES
from typer.testing import CliRunner

from hopcodec.cli._app import app
from hopcodec.evaluation import METRICS, PEERS


@pytest.fixture(autouse=True)
def _speech_and_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders, one with a transcript, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    for folder, name in (("a", "fixture_en_f"), ("b", "fixture_en_m")):
        Path("speech", folder).mkdir(parents=True)
        shutil.copy(FIXTURES / f"{name}.flac", f"speech/{folder}/")
    shutil.copy(FIXTURES / "fixture_en_f.txt", "speech/a/")


def run(*args: str, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["eval", *args], env={"COLUMNS": "140"})
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


CHEAPEST = ("-b", "1.5", "--metrics", "si_snr,mel", "--peers", "uncoded", "--jobs", "1")


def test_a_table_per_folder_and_one_for_all() -> None:
    out, err = run("speech", *CHEAPEST)
    titles = re.findall(r"^(\w+): (\d) clips", out, re.MULTILINE)
    assert titles == [("a", "1"), ("b", "1"), ("speech", "2")]
    assert len(re.findall(r"hopcodec_24khz 1\.5 +1\.5", out)) == 3
    assert "SI-SNR ↑" in out
    assert "mel dist. ↓" in out
    assert "error" not in err


def test_json_report_and_plot() -> None:
    out, _ = run("speech", *CHEAPEST, "--json", "--report", "r.json", "--plot", "p.png")
    fields: dict[str, Any] = json.loads(out)
    assert json.loads(Path("r.json").read_text()) == fields
    assert Path("p.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (fields["command"], fields["model"]) == ("eval", "hopcodec_24khz")
    assert [m["name"] for m in fields["metrics"]] == ["si_snr", "mel"]
    assert [s["label"] for s in fields["systems"]] == ["uncoded", "hopcodec_24khz 1.5"]
    assert [s["folder"] for s in fields["summaries"]] == [None, None, "a", "a", "b", "b"]
    assert len(fields["files"]) == 4
    uncoded, coded = fields["summaries"][:2]
    assert uncoded["scores"]["si_snr"]["mean"] is None  # infinite: JSON has no word for it
    assert uncoded["scores"]["mel"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "clips": 2}
    mel = coded["scores"]["mel"]
    assert mel["low"] <= mel["mean"] <= mel["high"]
    by_file = [f["scores"]["mel"] for f in fields["files"] if f["system"] == coded["system"]]
    assert mel["mean"] == pytest.approx(sum(by_file) / 2)
    assert coded["kbps"] == pytest.approx(1.5, rel=0.01)
    assert fields["failed"] == []
    assert (
        "error: r.json: already exists" in run("speech", *CHEAPEST, "--report", "r.json", code=1)[1]
    )


def test_without_a_choice_every_bandwidth_is_judged() -> None:
    args = ("--metrics", "mel", "--peers", "none", "--jobs", "2", "--json")
    fields = json.loads(run("speech/a", *args)[0])
    assert [s["nominal_kbps"] for s in fields["systems"]] == [0.75, 1.5, 3.0, 4.5, 6.0]
    assert [s["kbps"] for s in fields["summaries"][:5]] == pytest.approx(
        [0.75, 1.5, 3.0, 4.5, 6.0], rel=0.01
    )


def test_every_metric_has_its_column_or_its_reason() -> None:
    needs("pesq", "pystoi", "av")
    args = ("-b", "1.5", "--limit", "1", "--jobs", "1")
    out, err = run("speech/b", *args)  # without a transcript
    heads = next(line for line in out.splitlines() if "system" in line)
    for title in ("PESQ-wb", "ESTOI", "SI-SNR", "ViSQOL", "DNSMOS", "mel dist.", "WER"):
        assert title in heads
    assert "note: WER: no clip has a transcript (a.txt beside a.wav)" in err
    for title in ("uncoded", "hopcodec_24khz 1.5", "Opus 6", "Opus 12"):
        assert title in out


def test_one_bad_file_is_one_line_of_error() -> None:
    Path("speech/a/bad.wav").write_text("not audio")
    out, err = run("speech", *CHEAPEST, code=1)
    assert "speech: 2 clips" in out
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert "bad.wav: not a readable audio file" in lines[0]


def test_the_help_names_every_metric_and_peer() -> None:
    words = set(re.findall(r"\w+", run("--help")[0]))
    assert set(METRICS) | set(PEERS) <= words


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("-b", "7"), "offers 0.75, 1.5, 3, 4.5, 6 kbps, not 7"),
        (("-b", "fast"), "expected numbers with commas between them, got 'fast'"),
        (("--metrics", "pesq,loudness"), "got 'loudness'"),
        (("--peers", "mp3"), "got 'mp3'"),
        (("--peers", "lyra"), "--lyra DIR"),
        (("--report", "r.txt"), "expected a name ending in .json"),
    ],
)
def test_usage_errors(args: tuple[str, ...], expected: str) -> None:
    _, err = run("speech", *args, code=2)
    assert expected in " ".join(re.sub(r"[│╭╮╰╯─]", " ", err).split())


def test_errors_in_one_line() -> None:
    Path("empty").mkdir()
    for args, expected in (
        (("none",), "error: none: no such file"),
        (("empty", *CHEAPEST), "error: empty: no audio files in this folder"),
        (("speech", *CHEAPEST, "--lyra", "empty"), "found no soundstream_encoder.tflite"),
    ):
        assert expected in run(*args, code=1)[1]
