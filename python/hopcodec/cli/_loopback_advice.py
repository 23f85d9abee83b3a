"""What to do about a loopback that runs but does not sound right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from hopcodec.live._link import IN_MEMORY

if TYPE_CHECKING:
    from hopcodec.live._stats import LiveStats

_SILENT_S: Final = 4.0
_WINDOW_S: Final = 5.0  # over which late hops are counted
_MOST_LATE: Final = 0.01  # share of the hops; fewer are a busy machine's
_SILENT: Final = "the input is exact silence: muted? another --input or --input-channel?"


def advice_on_late_hops(stats: LiveStats, late: int, hops: int) -> str:
    """Return what to do about `late` of `hops`, or an empty string if they are few."""
    if late <= _MOST_LATE * hops:
        return ""
    if stats.compute.p50_ms > stats.deadline_ms:
        return "this machine is too slow for the codec: another --model, --precision bf16"
    lack_ms = stats.compute.p99_ms + stats.wake.p99_ms - stats.allowed_ms
    extra = min(50, max(5, 5 * math.ceil(lack_ms / 5.0)))
    return f"hops are late: --extra {extra}, another --block, or close other programs"


class Advice:
    """Watch the readings of a running loopback."""

    def __init__(self) -> None:
        self._silent_since: float | None = None
        self._window = 0.0  # its beginning
        self._late = self._hops = 0  # counters at its beginning
        self._on_late_hops = ""

    def look(self, stats: LiveStats, now: float) -> str:
        """Return what to do about the newest reading at `now` seconds; empty if all is well."""
        return self._look_at_late_hops(stats, now) or self._look_at_silence(stats, now)

    def _look_at_late_hops(self, stats: LiveStats, now: float) -> str:
        late = stats.late_hops + stats.dropped_hops
        if stats.hops < self._hops or late < self._late:  # counted from zero again
            self._window, self._late, self._hops = now, 0, 0
        if now - self._window >= _WINDOW_S:
            if self._hops:  # the first window holds the start
                late_now, hops_now = late - self._late, stats.hops - self._hops
                self._on_late_hops = advice_on_late_hops(stats, late_now, hops_now)
            self._window, self._late, self._hops = now, late, stats.hops
        return self._on_late_hops

    def _look_at_silence(self, stats: LiveStats, now: float) -> str:
        # The noise of any microphone that is open is more than zero. A file may be silent.
        if (
            stats.input_peak > 0.0
            or stats.device.state != "running"
            or stats.device.host == IN_MEMORY
        ):
            self._silent_since = None
            return ""
        if self._silent_since is None:
            self._silent_since = now
        return _SILENT if now - self._silent_since >= _SILENT_S else ""
