"""Outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import typer

from hopcodec import _atomic
from hopcodec.errors import AudioFileError, CommandError

_ALMOST_FULL = 1 << 16  # bytes free: less than one block of audio


@contextlib.contextmanager
def replacing(output: Path, *, source: Path | None, force: bool) -> Iterator[Path]:
    """Give a path beside `output` to write to, which becomes `output` on success.

    After an error or an interrupt the temporary file is removed and `output` is unchanged.

    Raises
    ------
    CommandError
        `output` is the source or a folder, its folder does not exist, or it exists without `force`.
    """
    if source is not None and _same(source, output):
        raise CommandError(f"{output}: input and output are the same file")
    if output.is_dir():
        raise CommandError(f"{output}: is a folder, expected a file name")
    if not output.parent.is_dir():
        raise CommandError(f"{output}: the folder {output.parent} does not exist")
    refuse_existing(output, force)
    temporary = output
    try:
        with _atomic.replacing(output) as temporary:
            yield temporary
            refuse_existing(output, force)  # it may have appeared meanwhile
    except (OSError, AudioFileError) as error:
        if str(temporary) not in str(error) and getattr(error, "errno", None) != errno.ENOSPC:
            raise  # about something else than the output
        raise CommandError(f"{output}: cannot be written: {_cause(error, temporary)}") from None


def _cause(error: Exception, written: Path) -> str:
    """Say why a write failed; libsndfile only says "System error"."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    full = shutil.disk_usage(written.parent).free < _ALMOST_FULL
    return "no space left on device" if full else str(error).rsplit(": ", 1)[-1]


def check_source(path: Path) -> None:
    """Refuse an input that does not exist before any work is done."""
    if not path.exists():
        hint = "; to read a pipe, write it to a file first" if str(path) == "-" else ""
        raise CommandError(f"{path}: no such file{hint}")
    if not path.is_file() and not path.is_dir():
        raise CommandError(
            f"{path}: expected a regular file; to read a pipe, write it to a file first"
        )


def check_suffix(path: Path, suffix: str, param_hint: str) -> None:
    """Refuse, as a usage error, an output whose name promises another format."""
    if path.suffix.lower() != suffix:
        raise typer.BadParameter(
            f"expected a name ending in {suffix}, got {path.name!r}", param_hint=param_hint
        )


def refuse_existing(output: Path, force: bool) -> None:
    """Raise CommandError if `output` exists, unless `force`."""
    if not force and output.exists():
        raise CommandError(f"{output}: already exists (--force overwrites it)")


def _same(a: Path, b: Path) -> bool:
    if a.exists() and b.exists():
        return os.path.samefile(a, b)
    return os.path.realpath(a) == os.path.realpath(b)
