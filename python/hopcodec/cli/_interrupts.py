"""Ctrl-C and SIGTERM as a regular end of a command that prints a summary."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def one_interrupt() -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM raise KeyboardInterrupt, and ignore any more.

    Use it for work that ends in bounded time once it is asked to. Work that SIGTERM interrupts
    without an end of its own exits with 143. It changes nothing where Ctrl-C has another handler,
    or outside the main thread, which alone receives it.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # None is a handler that is not Python's, which could not be restored.
    handled = [number for number in before if before[number] not in (signal.SIG_IGN, None)]
    received = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in handled:
        signal.signal(each, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        if received == [signal.SIGTERM]:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        for each in handled:
            signal.signal(each, before[each])
