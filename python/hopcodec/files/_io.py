"""What every reader and writer of coded files shares: opening, and reading what is there."""

from __future__ import annotations

import contextlib
import operator
import os
import secrets
import shutil
from typing import IO, Final

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint16]
File = str | os.PathLike[str] | IO[bytes]

_READ_BYTES: Final = 1 << 20


class Opened:
    """A path opened and closed here, or someone else's open file left open."""

    def __init__(self, file: File, mode: str) -> None:
        self._file, self._mode = file, mode
        self._own: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes]:
        if isinstance(self._file, (str, os.PathLike)):
            self._own = open(self._file, self._mode)
            return self._own
        return self._file

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.close()


class Replacing:
    """A path written beside itself, that it may stay as it is until `keep`; or an open file.

    What is no regular file (a pipe, a device) is written directly. A process that is killed leaves
    what it wrote beside the path, as a `.part` file.
    """

    def __init__(self, file: File) -> None:
        self._target: str | None = None
        if not isinstance(file, (str, os.PathLike)):
            self.stream, self._own = file, False
            return
        self._own = True
        path = os.path.realpath(file)  # through a link, keep the link
        if os.path.exists(path) and not os.path.isfile(path):
            self.stream = open(file, "wb")  # noqa: SIM115
            return
        if os.path.exists(path):
            with open(path, "ab"):  # not allowed to be written, it is not to be replaced either
                pass
        folder, name = os.path.split(path)
        self._part = os.path.join(folder, f".{name[:64]}-{secrets.token_hex(4)}.part")
        try:
            self.stream = open(self._part, "xb")  # noqa: SIM115
        except OSError as error:
            error.filename = os.fspath(file)  # as the caller knows it
            raise
        self._target = path

    def keep(self) -> None:
        """Put the file in its place, whole."""
        self.stream.flush()
        if self._target is None:
            return
        self.stream.close()
        if os.path.exists(self._target):
            shutil.copymode(self._target, self._part)
        os.replace(self._part, self._target)
        self._target = None

    def close(self) -> None:
        """Close what was opened here; without `keep` before, nothing is left of it."""
        try:
            if self._own:
                self.stream.close()
        finally:
            if self._target is not None:
                self._target = None
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._part)


def as_int(name: str, value: object) -> int:
    """An int of Python's or numpy's as Python's; TypeError for anything else, a float too."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected an int, got {type(value).__name__}") from None


def checked_length(audio_length: int, most: int) -> int:
    """An audio's samples per channel, 1 to `most`; TypeError or ValueError for anything else."""
    length = as_int("audio_length", audio_length)
    if not 1 <= length <= most:
        raise ValueError(f"audio_length: expected 1 to {most} samples, got {length}")
    return length


def read_up_to(stream: IO[bytes], count: int) -> bytes:
    """`count` bytes, or fewer at the end of the file; a short read is not the end."""
    parts: list[bytes] = []
    while count > 0:
        part = stream.read(min(count, _READ_BYTES))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def check_codes_array(codes: object, ndim: int, shape: str) -> None:
    """TypeError unless `codes` is a uint16 array of `ndim` dimensions, described by `shape`."""
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint16 or codes.ndim != ndim:
        got = (
            f"{codes.dtype} with {codes.ndim} dimensions"
            if isinstance(codes, np.ndarray)
            else type(codes).__name__
        )
        raise TypeError(f"codes: expected a uint16 array {shape}, got {got}")
