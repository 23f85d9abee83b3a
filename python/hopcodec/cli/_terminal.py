"""Live pictures in a terminal: bars, level meters, and a screen that is painted in place."""

from __future__ import annotations

import math
from typing import Final

from rich.console import Console, RenderableType
from rich.text import Text

FLOOR_DB: Final = -60.0
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_HIDE_CURSOR: Final = "\x1b[?25l"
_SHOW_CURSOR: Final = "\x1b[?25h"
_CLEAR_BELOW: Final = "\x1b[J"
_CLEAR_LINE_END: Final = "\x1b[K"
# A terminal that knows these shows what is between them at once. Others ignore them.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


def bar(share: float, style: str, width: int) -> Text:
    """Draw a bar of `width` characters, in steps of an eighth of one."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    whole, part = divmod(eighths, 8)
    filled = "█" * whole + (_EIGHTHS[part] if part else "")
    return Text.assemble((filled, style), ("·" * (width - len(filled)), "dim"))


class Meter:
    """A peak level in dBFS that rises at once and falls by `fall_db` with each reading."""

    def __init__(self, fall_db: float) -> None:
        self.db = FLOOR_DB
        self._fall_db = fall_db

    def feed(self, peak: float) -> None:
        """Take in the largest sample since the last reading."""
        now = 20.0 * math.log10(peak) if peak > 0.0 else FLOOR_DB
        self.db = max(FLOOR_DB, now, self.db - self._fall_db)

    def bar(self, width: int) -> Text:
        """Draw the level, yellow from -12 dBFS and red from -1 dBFS on."""
        style = "green" if self.db < -12.0 else "yellow" if self.db < -1.0 else "red"
        return bar(1.0 - self.db / FLOOR_DB, style, width)


class Screen:
    """Paint a picture in place. A context manager; it does nothing unless on a terminal.

    Lines are overwritten and never erased first, so nothing flickers. `rich.live.Live` erases
    every line before it paints. After the terminal was resized, the picture begins anew, since
    the terminal has wrapped the old one.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._height = 0
        self._size = (0, 0)
        self.enabled = console.is_terminal

    def __enter__(self) -> Screen:
        if self.enabled:
            self._write(_HIDE_CURSOR)
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self._write(self._home() + _CLEAR_BELOW + _SHOW_CURSOR)
            self._height = 0

    def paint(self, picture: RenderableType) -> None:
        """Replace the picture on screen."""
        if not self.enabled:
            return
        columns, rows = self._console.size
        home = self._home()
        if (columns, rows) != self._size:
            home += _CLEAR_BELOW
            self._size = columns, rows
        with self._console.capture() as capture:
            self._console.print(picture, width=max(20, columns - 1))
        lines = capture.get().splitlines()[: rows - 1]
        text = "".join(line + _CLEAR_LINE_END + "\n" for line in lines)
        below = _CLEAR_BELOW if len(lines) < self._height else ""
        self._height = len(lines)
        self._write(_BEGIN + home + text + below + _END)

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()

    def _home(self) -> str:
        return f"\r\x1b[{self._height}A" if self._height else "\r"
