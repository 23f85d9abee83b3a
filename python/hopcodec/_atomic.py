"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NAME_KEPT: Final = 48  # characters: with four bytes each and the rest it is below 255 bytes


class Replacement:
    """A path beside a target, which takes the target's place when it is complete.

    Raises OSError for a target that exists and must not be written.

    A process that is killed leaves its unfinished file beside the target, as a `.part` file.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self._target = os.path.realpath(target)  # a link stays a link
        if os.path.isfile(self._target):
            with open(self._target, "ab"):  # what must not be written must not be replaced either
                pass
        folder, name = os.path.split(self._target)
        self.part = Path(folder, f".{name[:_NAME_KEPT]}-{secrets.token_hex(4)}.part")

    def keep(self) -> None:
        """Put the file in its place, with the permissions of the file that was there."""
        if os.path.exists(self._target):
            shutil.copymode(self._target, self.part)
        os.replace(self.part, self._target)

    def drop(self) -> None:
        """Remove what is not in its place."""
        self.part.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to; it takes the place of `target` unless an exception occurs."""
    replacement = Replacement(target)
    try:
        yield replacement.part
        replacement.keep()
    finally:
        replacement.drop()
