"""Open and read files of codes, for every format."""

from __future__ import annotations

import os
from typing import IO, Final

import numpy as np

from hopcodec._atomic import Replacement

File = str | os.PathLike[str] | IO[bytes]

_READ_BYTES: Final = 1 << 20


class Opened:
    """A path that is opened and closed here, or the caller's open file, which stays open."""

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
    """A path that stays as it is until `keep`, or an open file.

    A pipe or a device is written directly.
    """

    def __init__(self, file: File) -> None:
        self._replacement: Replacement | None = None
        if not isinstance(file, (str, os.PathLike)):
            self.stream, self._own = file, False
            return
        self._own = True
        path = os.path.realpath(file)  # through a link, keep the link
        if os.path.exists(path) and not os.path.isfile(path):
            self.stream = open(file, "wb")  # noqa: SIM115
            return
        replacement = Replacement(path)
        try:
            self.stream = open(replacement.part, "xb")  # noqa: SIM115
        except OSError as error:
            error.filename = os.fspath(file)  # as the caller knows it
            raise
        self._replacement = replacement

    def keep(self) -> None:
        """Put the complete file in its place."""
        self.stream.flush()
        if self._replacement is not None:
            self.stream.close()
            self._replacement.keep()
            self._replacement = None

    def close(self) -> None:
        """Close the file if it was opened here. Without `keep` before, remove it."""
        try:
            if self._own:
                self.stream.close()
        finally:
            if self._replacement is not None:
                self._replacement.drop()
                self._replacement = None


def read_up_to(stream: IO[bytes], count: int) -> bytes:
    """Read `count` bytes, or fewer at the end of the file. A short read is not the end."""
    parts: list[bytes] = []
    while count > 0:
        part = stream.read(min(count, _READ_BYTES))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def check_codes_array(codes: object, ndim: int, shape: str) -> None:
    """Raise TypeError unless `codes` is uint16 of `ndim` dimensions, described by `shape`."""
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint16 or codes.ndim != ndim:
        got = (
            f"{codes.dtype} with {codes.ndim} dimensions"
            if isinstance(codes, np.ndarray)
            else type(codes).__name__
        )
        raise TypeError(f"codes: expected a uint16 array {shape}, got {got}")
