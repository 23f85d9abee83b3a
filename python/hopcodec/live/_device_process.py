"""Start the disposable processes that hold PortAudio."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = str(Path(__file__).parents[2])


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of `hopcodec.live` with this interpreter."""
    return [sys.executable, "-m", f"hopcodec.live.{module}", *arguments]


def environment() -> dict[str, str]:
    """Return the environment of a child, in which this package is found first."""
    path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}
