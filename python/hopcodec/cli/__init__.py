"""The `hopcodec` command.

`main` is the entry point. Each command is a file of its own; nothing heavy (the core, soundfile,
matplotlib) is imported before a command runs.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code: 0, 1 error, 2 usage, 130 interrupted."""
    import signal
    import sys
    from types import FrameType

    try:
        from hopcodec.cli._app import app
    except KeyboardInterrupt:
        sys.exit(130)

    def terminate(signum: int, frame: FrameType | None) -> None:
        # As an exception, so that half-written files are removed on the way out.
        raise SystemExit(128 + signum)

    for name in ("SIGTERM", "SIGHUP"):  # SIGHUP: the terminal was closed; nohup ignores it
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, terminate)
    for stream in (sys.stdout, sys.stderr):  # a file name is never a reason to fail
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="hopcodec")


__all__ = ["main"]
