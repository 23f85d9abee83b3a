"""A few lines at the bottom of a terminal that are painted over and over."""

from __future__ import annotations

import shutil
from typing import Final

from rich.console import Console, RenderableType
from rich.segment import Segment

_HIDE_CURSOR: Final = "\x1b[?25l"
_SHOW_CURSOR: Final = "\x1b[?25h"
_CLEAR_BELOW: Final = "\x1b[J"
_CLEAR_LINE_END: Final = "\x1b[K"
# The terminal shows what is between these at once, if it knows them; else it ignores them.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class Screen:
    """Paints a picture in place. A context manager; nothing is painted unless on a terminal.

    Lines are overwritten, never erased first, so nothing flickers. After the terminal was resized,
    the picture begins anew, as the old one has been wrapped by then.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._height = 0
        self._size = (0, 0)
        self.enabled = console.is_terminal

    def __enter__(self) -> Screen:
        if self.enabled:
            self._console.file.write(_HIDE_CURSOR)
        return self

    def __exit__(self, *_: object) -> None:
        if self.enabled:
            self._console.file.write(self._home() + _CLEAR_BELOW + _SHOW_CURSOR)
            self._console.file.flush()
            self._height = 0

    def paint(self, picture: RenderableType) -> None:
        """Replace the picture on screen."""
        if not self.enabled:
            return
        size = shutil.get_terminal_size()
        home = self._home()
        if size != self._size:
            home += _CLEAR_BELOW
            self._size = (size.columns, size.lines)
        options = self._console.options.update_width(max(20, size.columns - 1))
        lines = self._console.render_lines(picture, options, pad=False)[: size.lines - 1]
        text = "".join(self._text(line) + _CLEAR_LINE_END + "\n" for line in lines)
        below = _CLEAR_BELOW if len(lines) < self._height else ""
        self._height = len(lines)
        self._console.file.write(_BEGIN + home + text + below + _END)
        self._console.file.flush()

    def _home(self) -> str:
        return f"\r\x1b[{self._height}A" if self._height else "\r"

    def _text(self, line: list[Segment]) -> str:
        colors = self._console._color_system
        return "".join(
            segment.style.render(segment.text, color_system=colors)
            if segment.style
            else segment.text
            for segment in line
        )
