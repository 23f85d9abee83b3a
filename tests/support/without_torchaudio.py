"""Peers import torchaudio for what no test does, and its binary may not fit this torch."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec


@contextmanager
def without_torchaudio() -> Iterator[None]:
    """An empty module stands for it while the body imports a peer."""
    before = sys.modules.get("torchaudio")
    empty = types.ModuleType("torchaudio")
    empty.__spec__ = ModuleSpec("torchaudio", None)  # asked for by who looks whether it is there
    sys.modules["torchaudio"] = empty
    try:
        yield
    finally:
        if before is None:
            del sys.modules["torchaudio"]
        else:
            sys.modules["torchaudio"] = before
