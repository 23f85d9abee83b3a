"""Ask the system for real-time privileges, and report what was granted."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

# Below a sound server's own threads: a client above them starves the server it waits for.
_NICE: Final = -11
_MCL_CURRENT: Final = 1


def raise_priority() -> str:
    """Ask for nice -11, for threads that the host library starts without a priority.

    Returns "nice -11", or the reason for the refusal.
    """
    if not hasattr(os, "setpriority"):
        return "refused: not offered by this system"
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    except OSError as error:
        return f"refused: {error.strerror}"
    return f"nice {_NICE}"


def lock_memory() -> str:
    """Lock the pages of this process in memory; return "locked" or the reason why not."""
    if not sys.platform.startswith("linux"):
        return "refused: not offered by this system"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT) != 0:
        return f"refused: {os.strerror(ctypes.get_errno())}"
    return "locked"
