"""Folders and names as they are found on disks: links, foreign files, names of any bytes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from typer.testing import CliRunner

import hopcodec
from hopcodec import AudioFileError, IncompleteAudioWarning, _atomic
from hopcodec.audio import audio_files, iter_audio, write_audio
from hopcodec.cli._app import app
from hopcodec.training._corpus import open_corpus


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        audio = 0.1 * np.random.default_rng(0).standard_normal(2400)
        soundfile.write(os.fsencode(path), audio, 24000, format=Path(path).suffix[1:].upper())


def run(*args: str | Path, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def made(folder: str) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*.wav"))


def test_the_output_may_lie_above_the_input() -> None:
    put("speech/a.flac", "speech/more/b.flac")
    run("roundtrip", "speech", ".")
    assert Path("a.wav").is_file()
    assert Path("more/b.wav").is_file()


def test_no_input_is_overwritten() -> None:
    put("speech/a.wav", "speech/speech/a.wav")
    before = Path("speech/a.wav").read_bytes()
    _, said = run("roundtrip", "speech", ".", "--force", code=1)
    assert "is an input as well" in said
    assert Path("speech/a.wav").read_bytes() == before


def test_every_input_has_an_output_of_its_own() -> None:
    put("set/a.flac", "set/a.wav", "set/a.wav.flac", "set/b.wav")
    run("roundtrip", "set", "out")
    assert made("out") == ["a.flac.wav", "a.wav.flac.wav", "a.wav.wav", "b.wav"]


def test_linked_folders_are_searched_once() -> None:
    put("set/a.wav", "store/b.wav")
    Path("set/more").symlink_to("../store")
    Path("set/again").symlink_to("../store")
    Path("store/back").symlink_to("../set")
    assert [path.as_posix() for path in audio_files("set")] == ["set/a.wav", "set/again/b.wav"]


def test_an_unreadable_folder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    put("set/a.wav", "set/private/b.wav")
    real = os.scandir

    def refuses(path: str) -> object:
        if str(path).endswith("private"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuses)
    with pytest.warns(IncompleteAudioWarning, match="private: is not searched: Permission denied"):
        assert [path.as_posix() for path in audio_files("set")] == ["set/a.wav"]


def test_files_of_macos_are_passed_over() -> None:
    put("set/a.wav")
    Path("set/._a.wav").write_bytes(bytes.fromhex("0005160700020000") + b"Mac OS X        ")
    run("roundtrip", "set", "out")
    assert made("out") == ["a.wav"]


def test_training_names_all_bad_files_at_once() -> None:
    put("set/a.wav")
    Path("set/b.wav").write_bytes(b"text")
    Path("set/c.wav").touch()
    with pytest.raises(AudioFileError, match=r"2 of 3 files .*set/b\.wav.*set/c\.wav"):
        open_corpus("set", 24000, Path("cache"))


def test_names_need_not_be_utf8() -> None:
    put(os.fsdecode(b"caf\xe9.wav"))
    for command in ([b"encode", b"caf\xe9.wav", b"o.hop"], [b"decode", b"o.hop", b"d\xe9.wav"]):
        subprocess.run([sys.executable, "-m", "hopcodec", *command], check=True)
    assert Path(os.fsdecode(b"d\xe9.wav")).is_file()
    write_audio(os.fsdecode(b"w\xe9.flac"), np.zeros((1, 100), np.float32), 24000)


def test_a_replaced_file_keeps_its_mode() -> None:
    put("a.wav")
    run("encode", "a.wav", "o.hop")
    run("decode", "o.hop", "o.wav")
    for path in ("o.hop", "o.wav"):
        Path(path).chmod(0o600)
    run("encode", "a.wav", "o.hop", "--force")
    run("decode", "o.hop", "o.wav", "--force")
    for path in ("o.hop", "o.wav"):
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


def test_a_read_only_file_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.wav")
    Path("o.hop").write_bytes(b"kept")

    def refuses(path: str, mode: str) -> None:  # root may write to any file
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(_atomic, "open", refuses, raising=False)
    _, said = run("encode", "a.wav", "o.hop", "--force", code=1)
    assert "o.hop: cannot be written: permission denied" in said
    assert Path("o.hop").read_bytes() == b"kept"


def test_an_incomplete_file_is_said() -> None:
    put("a.wav")
    Path("a.wav").write_bytes(Path("a.wav").read_bytes()[:3000])
    out, said = run("encode", "a.wav", "a.hop", "--json")
    assert said.startswith("note: a.wav: is cut off")
    assert json.loads(out)["incomplete"].startswith("a.wav: is cut off")
    out, said = run("roundtrip", "a.wav", "b.wav")
    assert "note: a.wav: is cut off" in said


def test_a_dac_file_holds_the_length_that_was_read() -> None:
    """Not the length that a header states: an Info header of an MP3 with twice the frames."""
    audio = 0.1 * np.random.default_rng(0).standard_normal(32000)
    soundfile.write("a.mp3", audio, 16000)
    data = bytearray(Path("a.mp3").read_bytes())
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    data[at : at + 4] = (2 * int.from_bytes(data[at : at + 4], "big")).to_bytes(4, "big")
    Path("a.mp3").write_bytes(data)
    model = ("-m", "dac_16khz", "--seeded")
    run("encode", "a.mp3", "o.dac", "-b", "0.5", *model)
    run("decode", "o.dac", "o.wav", *model)
    assert 31000 < soundfile.info("o.wav").frames < 36000


def test_a_low_rate_costs_no_more_memory() -> None:
    soundfile.write("a.wav", np.zeros(8000), 1)
    block = next(iter(iter_audio("a.wav", 24000, 1)))
    assert block.shape[1] < 8000 * 24000 / 8  # soxr's own filter holds 700 samples of it


def test_a_kind_that_is_not_read_says_what_to_do() -> None:
    Path("a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(AudioFileError, match="convert others, such as M4A, first"):
        hopcodec.read_audio("a.m4a", 24000, 1)
