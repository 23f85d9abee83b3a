"""The state of an engine's link to a sound card, a signal in memory, or a program."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

IN_MEMORY: Final = "clock"  # the host of a signal in memory
ALREADY_RUNS: Final = "loopback: expected one that is stopped, got one that runs"


def join(thread: threading.Thread | None) -> None:
    """Wait for the end of a thread, unless it is this one, which the garbage collector may use."""
    if thread is not None and thread is not threading.current_thread():
        thread.join()


@dataclass(frozen=True)
class LinkStatus:
    """The state of a link.

    `state` is "running", "stalled" (no callback for a quarter of a second), "reopening" or
    "stopped". `faults` counts stalls and losses, `reopened` the times a new device process took
    over. `last_fault` describes the last fault, and `waiting_for` says why the device cannot be
    opened again yet. `detected_ms` and `outage_ms` are of the last fault: from the last callback to
    its detection, and to the first callback after it.
    """

    state: str = "stopped"
    input: str = ""
    output: str = ""
    host: str = ""
    input_rate_hz: int = 0
    output_rate_hz: int = 0
    block: int = 0
    one_clock: bool = True
    faults: int = 0
    reopened: int = 0
    last_fault: str = ""
    waiting_for: str = ""
    detected_ms: float = 0.0
    outage_ms: float = 0.0
    device_priority: str = ""
    device_memory: str = ""
