"""Starting the disposable processes that hold PortAudio."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = str(Path(__file__).parents[2])


def command(module: str, *arguments: str) -> list[str]:
    """How to run a module of `hopcodec.live` with this interpreter."""
    return [sys.executable, "-m", f"hopcodec.live.{module}", *arguments]


def environment() -> dict[str, str]:
    """This process's, with this very package first: the child must run the same version."""
    path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}
