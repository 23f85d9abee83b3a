"""Asking the system for what helps a real-time process, and saying what was granted."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

# Less than a sound server's own threads: above them, a client starves the server it waits for.
_NICE: Final = -11
_MCL_CURRENT: Final = 1


def raise_priority() -> str:
    """Ask for nice -11, for threads that the host library starts without a priority of its own.

    Returns "nice -11", or why not.
    """
    if not hasattr(os, "setpriority"):
        return "refused: not offered by this system"
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    except OSError as error:
        return f"refused: {error.strerror}"
    return f"nice {_NICE}"


def lock_memory() -> str:
    """Keep the pages of this process in memory. Returns "locked", or why not."""
    if not sys.platform.startswith("linux"):
        return "refused: not offered by this system"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT) != 0:
        return f"refused: {os.strerror(ctypes.get_errno())}"
    return "locked"
