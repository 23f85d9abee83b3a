"""`hopcodec loopback`: with files and the clock, with a device and a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from live_servers import jack_server
from live_session import through_codec
from typer.testing import CliRunner

import hopcodec
from hopcodec.audio import read_audio
from hopcodec.cli._app import app
from hopcodec.cli._interrupts import one_interrupt
from hopcodec.cli._keys import Keys

pytestmark = pytest.mark.live

SPEECH = Path(__file__).parents[1] / "fixtures" / "fixture_en_f.flac"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    audio, _ = read_audio(SPEECH, 24000, 1)
    soundfile.write(tmp_path / "clip.wav", audio[0, :48000], 24000, subtype="FLOAT")
    return tmp_path / "clip.wav"


def run(*args: str | Path, code: int = 0) -> tuple[str, str]:
    command = [sys.executable, "-m", "hopcodec", "loopback", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
def test_a_file_goes_through_the_same_engine_in_real_time(clip: Path) -> None:
    target = clip.with_name("out.wav")
    begin = time.monotonic()
    out, _ = run("-i", clip, "-o", target, "--json")
    assert time.monotonic() - begin > 2.0  # the clip's length: it is paced, not rushed
    stats = json.loads(out)
    assert stats["device"]["host"] == "clock"
    assert stats["hops"] >= 150
    heard, rate = soundfile.read(target, dtype="float32")
    assert (rate, len(heard)) == (24000, 48000)
    audio, _ = soundfile.read(clip, dtype="float32")
    # The stream of a live session does not end: what the decoder still waits for is not played.
    expected = through_codec(hopcodec.load(), np.pad(audio, (0, 320)), 6.0)[: len(heard)]
    if stats["late_hops"] == stats["underruns"] == 0:
        np.testing.assert_allclose(heard, expected.clip(-0.99, 0.99), atol=1 / 32768)
    else:  # a busy machine: concealed and counted, the rest is the same
        same = np.isclose(heard, expected.clip(-0.99, 0.99), atol=1 / 32768)
        assert same.mean() > 0.5


def test_a_file_bypassed_is_the_file(clip: Path) -> None:
    target = clip.with_name("out.wav")
    run("-i", clip, "-o", target, "--bypass", "--block", "160")
    heard, _ = soundfile.read(target, dtype="float32")
    audio, _ = soundfile.read(clip, dtype="float32")
    assert np.isclose(heard, audio, atol=1 / 32768).mean() > 0.9


def test_recording_keeps_what_was_heard(clip: Path) -> None:
    folder = clip.with_name("rec")
    out, _ = run("-i", clip, "-o", clip.with_name("out.wav"), "--record", folder)
    assert "recorded" in out
    heard, rate = soundfile.read(folder / "heard.wav", dtype="float32")
    captured, _ = soundfile.read(folder / "captured.wav", dtype="float32")
    audio, _ = soundfile.read(clip, dtype="float32")
    assert rate == 24000
    np.testing.assert_array_equal(captured[: len(audio)], audio)
    assert len(heard) >= len(audio)


def test_a_second_interrupt_does_not_take_the_summary(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Ctrl-C in the middle, one while the engine stops, one while the file is written."""
    before = signal.getsignal(signal.SIGINT)
    keys_wait, stop = Keys.wait, hopcodec.live.Loopback.stop
    pressed: list[str] = []

    def wait(keys: Keys, seconds: float) -> list[str]:
        pressed.append("first")
        signal.raise_signal(signal.SIGINT)
        return keys_wait(keys, seconds)

    def stopping(live: hopcodec.live.Loopback) -> None:
        pressed.append("second")
        signal.raise_signal(signal.SIGINT)
        stop(live)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Keys, "wait", wait)
    monkeypatch.setattr(hopcodec.live.Loopback, "stop", stopping)
    target = clip.with_name("out.wav")
    result = CliRunner().invoke(app, ["loopback", "-i", str(clip), "-o", str(target)])
    assert pressed == ["first", "second"]
    assert result.exit_code == 0, result.output
    assert "latency, computed" in result.stdout
    assert target.exists()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["-i", "clip.wav"], 2, "for both or for neither"),
        (["-o", "out.wav"], 2, "for both or for neither"),
        (["-i", "none.wav", "-o", "out.wav"], 1, "none.wav: no such file"),
        (["-i", "clip.wav", "-o", "clip.wav"], 1, "same file"),
        (["-b", "5"], 2, "offers"),
    ],
)
def test_mistakes_are_named(
    clip: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(clip.parent)
    _, err = run(*args, code=code)
    assert words in re.sub(r"[│\s]+", " ", err)
    assert sorted(path.name for path in clip.parent.iterdir()) == ["clip.wav"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_account(
    sent: signal.Signals, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(sent)

    def wait(keys: Keys, seconds: float) -> list[str]:
        signal.raise_signal(sent)
        return []

    monkeypatch.setattr(Keys, "wait", wait)
    target = clip.with_name("out.wav")
    result = CliRunner().invoke(app, ["loopback", "-i", str(clip), "-o", str(target), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["command"] == "loopback"
    assert signal.getsignal(sent) is before


def test_a_termination_that_nothing_awaits_is_an_exit_code() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as exited, one_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert exited.value.code == 143
    with pytest.raises(KeyboardInterrupt), one_interrupt():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


class Terminal:
    """The command on a terminal of its own, 80 columns wide."""

    def __init__(self, *args: str) -> None:
        self._leader, follower = pty.openpty()
        os.set_blocking(self._leader, False)
        command = [sys.executable, "-m", "hopcodec", "loopback", *args]
        env = {**os.environ, "COLUMNS": "80", "LINES": "40", "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, env=env, close_fds=True
        )
        os.close(follower)
        self.text = ""

    def press(self, key: str) -> None:
        os.write(self._leader, key.encode())

    def expect(self, words: str, seconds: float = 30.0) -> None:
        """Read until `words` are shown after what was read before."""
        begin, deadline = len(self.text), time.monotonic() + seconds
        while words not in self.text[begin:]:
            assert time.monotonic() < deadline, f"{words!r} not in {self.text[begin:]!r}"
            self._read(0.1)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._leader], [], [], seconds)[0]:
            return True
        try:
            shown = os.read(self._leader, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return False
        self.text += re.sub(r"\x1b\[[0-9;]*m", "", shown)
        return bool(shown)

    def close(self) -> int:
        while self._read(20.0) and self.process.poll() is None:
            pass
        code = self.process.wait(20)
        os.close(self._leader)
        return code


@pytest.mark.parametrize("how", ["q", "ctrl-c"])
def test_the_panel_and_its_keys(how: str) -> None:
    with jack_server():
        terminal = Terminal()
        try:
            terminal.expect("6 kbps = 8 codebooks")
            terminal.press("-")
            terminal.expect("4.5 kbps = 6 codebooks")
            terminal.press("+")
            terminal.press("\x1b[B")
            terminal.press("\x1b[B")
            terminal.expect("3 kbps = 4 codebooks")
            terminal.press(" ")
            terminal.expect("BYPASS")
            terminal.press("p")
            terminal.expect("now hopcodec_24khz, bf16, 3 kbps")
            terminal.press("r")
            terminal.expect("counting from zero")
            if how == "q":
                terminal.press("q")
            else:
                terminal.process.send_signal(signal.SIGINT)
            code = terminal.close()
        finally:
            terminal.process.kill()
            terminal.process.wait()
    assert code == 0
    assert "use headphones" in terminal.text
    assert "latency, computed" in terminal.text
    assert "Traceback" not in terminal.text
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")


def test_without_a_terminal_it_runs_silently_for_a_while() -> None:
    with jack_server():
        out, err = run("--seconds", "1.5", "--json")
    stats: dict[str, Any] = json.loads(out)
    assert stats["device"]["output"] == "system"
    assert stats["hops"] > 50
    assert stats["latency"]["total"] > 0
    assert "\x1b" not in err
