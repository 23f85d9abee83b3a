"""The Python processes that the package starts: no file of the working folder is a module there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hopcodec import Codec, DeviceError, _interpreter
from hopcodec.errors import Unavailable
from hopcodec.evaluation._metrics import Options
from hopcodec.evaluation._scoring import scoring
from hopcodec.live import Loopback, _device_process, query_devices

# What the children import, themselves or through others.
NAMES = ("sounddevice", "json", "numpy", "signal", "ctypes", "threading", "runpy", "re", "pickle")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose modules leave a mark and end the process."""
    body = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__); raise SystemExit('mine')"
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(body)
    for name in ("hopcodec", "multiprocessing"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(body)
    return tmp_path


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = _device_process.environment()
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("flags", ["as they are", "none, as before Python 3.11"])
def test_no_file_of_the_working_folder_runs(
    flags: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep + os.environ.get("PYTHONPATH", ""))
    if flags != "as they are":
        monkeypatch.setattr(_interpreter, "_flags", list)
    probe = run(_device_process.command("device._probe"), folder)
    assert json.loads(probe.stdout), probe.stderr
    device = run(_device_process.command("device", "0", "{}"), folder)
    assert "port: expected a descriptor" in device.stderr
    assert not (folder / "ran").exists()


def test_the_package_follows_the_standard_library(tmp_path: Path) -> None:
    """As in site-packages, where any package may have a file of a standard module's name."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "__main__.py").write_text(
        "import colorsys, numpy, sys\nprint(colorsys.__file__, __file__, *sys.argv[1:])"
    )
    for name in ("colorsys", "numpy"):
        (tmp_path / f"{name}.py").write_text("")
    command = _interpreter.module_command(str(tmp_path), "here", "a", "b", error=DeviceError)
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr
    standard, ours, *arguments = done.stdout.split()
    assert Path(standard).parent == Path(os.__file__).parent
    assert Path(ours) == tmp_path / "here" / "__main__.py"
    assert arguments == ["a", "b"]


@pytest.mark.parametrize("given", [["-I"], ["-E", "-s"], ["-S"], []])
def test_the_flags_of_the_program_are_kept(given: list[str]) -> None:
    code = (
        f"import sys; sys.path += {[str(Path(_interpreter.__file__).parents[1])]}\n"
        "import importlib.util as util\n"
        f"spec = util.spec_from_file_location('it', {_interpreter.__file__!r})\n"
        "it = util.module_from_spec(spec); spec.loader.exec_module(it); print(*it._flags())"
    )
    said = subprocess.run([sys.executable, *given, "-c", code], capture_output=True, text=True)
    expected = list(given)
    if given != ["-I"] and sys.version_info >= (3, 11):
        expected.append("-P")
    assert said.stdout.split() == expected, said.stderr


@pytest.mark.parametrize("path", ["", None])
def test_a_program_without_an_interpreter_is_told(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", path)
    with pytest.raises(DeviceError, match="expected the path of a Python interpreter, got"):
        query_devices()
    words = "expected the path of a Python interpreter, got"
    with pytest.raises(Unavailable, match=words), scoring((), Options(), jobs=2):
        pass


def test_a_frozen_program_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(DeviceError, match="expected a Python interpreter, got a frozen program"):
        query_devices()


def test_an_interpreter_that_has_gone(tiny: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    for ask in (query_devices, Loopback(tiny, bandwidth=3.6).start):
        with pytest.raises(DeviceError, match=r"to start a process that opens PortAudio.*nowhere"):
            ask()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="multiprocessing has no -P before")
def test_no_file_of_the_working_folder_runs_in_a_worker(folder: Path) -> None:
    script = folder.parent / f"{folder.name}-score.py"
    script.write_text(
        "import sys; sys.path[0] = ''; sys.path.remove('')\n"
        "from hopcodec.evaluation._metrics import Options\n"
        "from hopcodec.evaluation._scoring import scoring\n"
        "if __name__ == '__main__':\n"
        "    with scoring((), Options(), jobs=2) as submit:\n"
        "        print(submit([]).result())\n"
    )
    done = run([sys.executable, str(script)], folder)
    assert done.stdout == "[]\n", done.stderr
    assert not (folder / "ran").exists()
