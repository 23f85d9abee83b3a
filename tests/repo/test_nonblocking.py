"""What is marked HOPCODEC_REALTIME does not block: the compiler follows every call and says so.

Clang 20 and later can; `pip install ziglang` brings one where the system has none.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
FOLDERS = ("graph", "kernels", "layers", "realtime")


def sources(folder: str) -> list[str]:
    # The other instruction sets have the same bodies as isa_generic.cpp.
    paths = (CSRC / folder).glob("*.cpp")
    return sorted(f"{folder}/{p.name}" for p in paths if not re.search(r"isa_(avx|neon)", p.name))


@functools.cache
def clang() -> tuple[str, ...]:
    """A command that compiles C++ and knows function effects; none: ()."""
    names = ("clang++", "clang++-22", "clang++-21", "clang++-20")
    commands: list[tuple[str, ...]] = [(path,) for n in names if (path := shutil.which(n))]
    if importlib.util.find_spec("ziglang"):
        commands.append((sys.executable, "-m", "ziglang", "c++"))
    for command in commands:
        said = subprocess.run([*command, "--version"], capture_output=True, text=True).stdout
        version = re.search(r"clang version (\d+)", said)
        if version and int(version[1]) >= 20:
            return command
    return ()


def complaints(source: Path, scratch: Path) -> list[str]:
    command = [*clang(), "-std=c++20", f"-I{CSRC}", "-Wfunction-effects", "-c", str(source)]
    run = subprocess.run(
        [*command, "-o", str(scratch / "out.o")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return [line for line in run.stderr.splitlines() if "-Wfunction-effects" in line]


pytestmark = pytest.mark.skipif(
    not clang(), reason="no clang >= 20 here: install one, or ziglang from PyPI"
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_marked_can_block(folder: str, tmp_path: Path) -> None:
    """A folder is compiled as one file: most of a compilation goes into the headers."""
    everything = tmp_path / "everything.cpp"
    everything.write_text("".join(f'#include "{source}"\n' for source in sources(folder)))
    assert complaints(everything, tmp_path) == []


@pytest.mark.parametrize(
    "act", ["v.push_back(1)", "std::lock_guard lock(m)", "throw 1", "helper()", "delete new int"]
)
def test_what_blocks_is_noticed(act: str, tmp_path: Path) -> None:
    source = tmp_path / "blocks.cpp"
    source.write_text(
        f"""
#include <mutex>
#include <vector>
#include "base/realtime.hpp"
std::vector<int> v;
std::mutex m;
void log();
void helper() {{ log(); }}
HOPCODEC_REALTIME void act() noexcept {{ {act}; }}
"""
    )
    assert complaints(source, tmp_path)


def test_the_audio_path_is_marked() -> None:
    """From the callback and the worker's step down to both codecs' pushes."""
    for name, function in [
        ("realtime/callback.hpp", "on_block"),
        ("realtime/worker.hpp", "step"),
        ("realtime/coder.hpp", "step"),
        ("graph/encoder.hpp", "push"),
        ("graph/decoder.hpp", "push"),
    ]:
        text = (CSRC / name).read_text()
        assert re.search(rf"HOPCODEC_REALTIME [\w:]+ {function}\(", text), name
