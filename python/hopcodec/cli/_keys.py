"""Single key presses from a terminal, without waiting for them."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

_ARROWS = {b"[A": "up", b"[B": "down", b"[C": "right", b"[D": "left"}


class Keys:
    """Keys as they are pressed, for as long as the context lasts. Ctrl-C stays Ctrl-C.

    Where stdin is no terminal, or the system has no termios, there are no keys: `available` is
    False and `wait` only waits.
    """

    def __init__(self) -> None:
        self.available = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Keys:
        if sys.stdin is not None and sys.stdin.isatty():
            with contextlib.suppress(ImportError):
                self._stack.enter_context(_unbuffered(sys.stdin.fileno()))
                self.available = True
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self, seconds: float) -> list[str]:
        """Return the keys pressed within `seconds`, at once with the first.

        Arrows are "up", "down", "left" and "right".
        """
        if not self.available:
            time.sleep(seconds)
            return []
        import select

        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return []
        pressed = os.read(sys.stdin.fileno(), 64)
        if not pressed:  # the terminal has gone
            self.available = False
        return decode(pressed)


def decode(pressed: bytes) -> list[str]:
    """Name the keys in a terminal's bytes. Unknown escape sequences are dropped."""
    head, *sequences = pressed.split(b"\x1b")
    keys = _printable(head)
    for sequence in sequences:
        # Applications' cursor mode sends O where the normal one sends [.
        arrow = _ARROWS.get(sequence[:2].replace(b"O", b"["))
        if arrow:
            keys += [arrow, *_printable(sequence[2:])]
    return keys


def _printable(pressed: bytes) -> list[str]:
    return [key for key in pressed.decode(errors="ignore") if key.isprintable()]


@contextlib.contextmanager
def _unbuffered(descriptor: int) -> Iterator[None]:
    """Turn off line buffering and echo, but keep the keys of signals."""
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
