"""A view of a file with some bytes of its header replaced."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping


class Overlay(io.RawIOBase):
    """The bytes of a file, but for those that `replaced` gives by their offset. Read only."""

    def __init__(self, path: str | os.PathLike[str], replaced: Mapping[int, bytes]) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        self._replaced = replaced

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        first = self._file.tell()
        count = self._file.readinto(view)
        for at, data in self._replaced.items():
            begin, end = max(at, first), min(at + len(data), first + count)
            if begin < end:
                view[begin - first : end - first] = data[begin - at : end - at]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
