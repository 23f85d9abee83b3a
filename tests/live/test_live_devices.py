"""What `hopcodec devices` finds, and what it says where there is nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from live_servers import jack_server, pulse_server, require
from typer.testing import CliRunner

from hopcodec.cli._app import app
from hopcodec.errors import DeviceError
from hopcodec.live import _device_process, query_devices
from hopcodec.live._devices import AudioSystem

pytestmark = pytest.mark.live


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(args), env={"COLUMNS": "80"})
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


def test_a_jack_server_is_listed_with_its_rate() -> None:
    with jack_server(24000):
        system = query_devices()
        found = [device for device in system.devices if "JACK" in device.host_api]
        assert [device.name for device in found] == ["system"]
        assert found[0].input_rates_hz == found[0].output_rates_hz == (24000,)
        assert found[0].input_channels == found[0].output_channels == 1
        assert system.hint is None
        code, out, err = run("devices")
        assert (code, err) == (0, "")
        assert "inputs" in out
        assert "outputs" in out
        assert "system" in out
        assert "JACK" in out
        assert max(len(line) for line in out.splitlines()) <= 80
        fields = json.loads(run("devices", "--json")[1])
        assert "system" in [device["name"] for device in fields["devices"]]


def test_pulseaudio_is_listed_with_many_rates() -> None:
    with pulse_server():
        names = {device.name: device for device in query_devices().inputs}
        assert {8000, 24000, 44100, 48000} <= set(names["pulse"].input_rates_hz)


def test_no_device_is_no_error_but_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require("jackd")  # PortAudio is what matters
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nowhere")
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nowhere")
    system = query_devices()
    if system.devices:
        pytest.skip("this machine has a sound card of its own")
    assert system.hint is not None
    assert system.hint.startswith("no input and no output device found: ")
    code, _, err = run("devices")
    assert code == 0
    assert "no input and no output device found" in err


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("sounddevice", "pip install sounddevice"),
        ("portaudio", "PortAudio cannot be loaded"),
    ],
)
def test_what_is_missing_is_named_with_its_cure(
    block: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on a machine without the package, or with the package and without the library."""
    body = "raise ImportError" if block == "sounddevice" else "raise OSError('library not found')"
    (tmp_path / "sounddevice.py").write_text(body)
    earlier = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, (str(tmp_path), earlier))))
    with pytest.raises(DeviceError, match=words):
        query_devices()
    code, _, err = run("devices")
    assert code == 1
    assert words in err.replace("\n", " ")
    assert len(err.splitlines()) == 1


def test_a_crash_while_looking_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        _device_process, "command", lambda _: [sys.executable, "-c", "raise SystemExit('no')"]
    )
    with pytest.raises(DeviceError, match=r"exit code 1\): no"):
        query_devices()


def test_hints_name_what_is_missing() -> None:
    assert AudioSystem("PortAudio", (), ()).hint is not None


def test_nothing_of_this_is_loaded_unasked() -> None:
    code = (
        "import sys, hopcodec, hopcodec.live, hopcodec.cli._app\n"
        "print('sounddevice' in sys.modules)\n"
        "hopcodec.live.Loopback\n"
        "print('sounddevice' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
