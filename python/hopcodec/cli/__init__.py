"""The `hopcodec` command.

`main` is the entry point. Each command is a file of its own; nothing heavy (the core, soundfile,
matplotlib) is imported before a command runs.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code: 0, 1 error, 2 usage, 130 interrupted."""
    import signal
    from types import FrameType

    from hopcodec.cli.app import app

    def terminate(signum: int, frame: FrameType | None) -> None:
        # As an exception, so that half-written files are removed on the way out.
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, terminate)
    app(prog_name="hopcodec")


__all__ = ["main"]
