"""Start the disposable processes that hold PortAudio."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hopcodec._interpreter import environment, module_command
from hopcodec.errors import DeviceError

__all__ = ["command", "environment", "start_errors"]

_ROOT = str(Path(__file__).parents[2])


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of `hopcodec.live` with this interpreter.

    Raises
    ------
    DeviceError
        This program knows no interpreter.
    """
    return module_command(_ROOT, f"hopcodec.live.{module}", *arguments, error=DeviceError)


@contextlib.contextmanager
def start_errors() -> Iterator[None]:
    """Raise DeviceError where the system starts no process."""
    try:
        yield
    except OSError as error:
        raise DeviceError(f"expected to start a process that opens PortAudio: {error}") from None
