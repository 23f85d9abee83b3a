"""Arithmetic of Python that reaches bits, whatever rounding mode the host program has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hopcodec import _core


@contextmanager
def default_float_mode() -> Iterator[None]:
    """Round to nearest on this thread; then restore the caller's mode."""
    callers = _core.enter_default_float_mode()
    try:
        yield
    finally:
        _core.leave_float_mode(callers)
