"""A loopback while it runs: the panel, the keys, and the summary at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from hopcodec.cli._console import clock, describe, note, out, results_table
from hopcodec.cli._keys import Keys
from hopcodec.cli._loopback_advice import Advice, advice_on_late_hops
from hopcodec.cli._loopback_panel import LoopbackPanel
from hopcodec.cli._terminal import Screen
from hopcodec.errors import HopcodecError

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec
    from hopcodec.live import LiveStats, Loopback

    Load = Callable[[str | None, str], Codec]

_PICTURE_S: Final = 0.1
_MESSAGE_S: Final = 3.0


class Session:
    """Run a loopback until told to end. `last` is then the final reading."""

    def __init__(
        self, live: Loopback, models: list[tuple[str | None, Codec]], load: Load, console: Console
    ) -> None:
        self._live, self._models, self._load = live, models, load
        self._console = console
        self._panel = LoopbackPanel(several_models=len(models) > 1)
        self._loader = ThreadPoolExecutor(1, "hopcodec-load")
        self._loading: Future[Codec] | None = None
        self._message, self._message_until = "", 0.0
        self._advice, self._told = Advice(), ""
        self._begun = time.monotonic()
        self._state = "running"
        self.last: LiveStats | None = None
        self.interrupted = False

    def run(self, until: float | None) -> None:
        """Paint and obey keys until `until` on the monotonic clock, the input's end, or q."""
        self._begun = time.monotonic()
        with Keys() as keys, Screen(self._console) as screen:
            while until is None or time.monotonic() < until:
                progress = self._live.progress
                if progress is not None and self._live.wait(0.0):
                    return
                left = _PICTURE_S if until is None else until - time.monotonic()
                pressed = keys.wait(min(_PICTURE_S, max(0.0, left)))
                if "q" in pressed:
                    return
                for key in pressed:
                    self._obey(key)
                self._take_loaded()
                self._paint(screen, progress)

    def _paint(self, screen: Screen, progress: tuple[float, float] | None) -> None:
        stats = self._live.stats()
        advice = self._advice.look(stats, time.monotonic())
        if not screen.enabled:
            if advice and advice != self._told:
                note(advice)
            self._told = advice or self._told
            if stats.device.state not in (self._state, "stopped"):
                self._state = stats.device.state
                note(f"device {self._state}: {stats.device.last_fault}")
            return
        seconds, total = progress or (time.monotonic() - self._begun, None)
        message = self._message if time.monotonic() < self._message_until else ""
        screen.paint(
            self._panel.picture(
                self._live.codec, stats, seconds, total=total, message=message, advice=advice
            )
        )

    def _say(self, message: str) -> None:
        self._message, self._message_until = message, time.monotonic() + _MESSAGE_S

    def _obey(self, key: str) -> None:
        codec = self._live.codec
        if key == " ":
            self._live.bypass = not self._live.bypass
        elif key in ("+", "=", "up", "right", "-", "down", "left"):
            step = 1 if key in ("+", "=", "up", "right") else -1
            offered = codec.bandwidths
            at = offered.index(self._live.bandwidth) + step
            self._live.bandwidth = offered[min(max(at, 0), len(offered) - 1)]
        elif key == "r":
            self._live.reset_stats()
            self._say("counting from zero")
        elif key == "m" and len(self._models) > 1 and self._loading is None:
            # The running codec may be the first model in another precision.
            self._models.append(self._models.pop(0))
            self._switch(self._models[0][1])
        elif key == "p" and self._loading is None:
            other = "bf16" if codec.precision == "fp32" else "fp32"
            self._say(f"packing the weights as {other} ...")
            self._loading = self._loader.submit(self._load, self._models[0][0], other)

    def _take_loaded(self) -> None:
        if self._loading is None or not self._loading.done():
            return
        loading, self._loading = self._loading, None
        try:
            self._switch(loading.result())
        except HopcodecError as error:
            self._say(describe(error))

    def _switch(self, codec: Codec) -> None:
        """Change the codec, at the nearest bandwidth that the new one offers."""
        wanted = self._live.bandwidth
        nearest = min(codec.bandwidths, key=lambda kbps: abs(kbps - wanted))
        try:
            self._live.switch(codec, nearest)
        except ValueError as error:
            self._say(describe(error))
        else:
            self._say(f"now {codec.name}, {codec.precision}, {nearest:g} kbps")

    def fields(self) -> dict[str, Any]:
        """Return every counter, for `--json`."""
        assert self.last is not None
        return {
            "model": self._live.codec.name,
            "precision": self._live.codec.precision,
            **self.last.as_dict(),
            "recordings": self._live.recordings,
            "recording_failure": self._live.recording_failure,
        }

    @property
    def model(self) -> str:
        """Name of the codec that ran last."""
        return self._live.codec.name

    @property
    def recording_failure(self) -> str:
        """The reason why --record stopped early, if it did."""
        return self._live.recording_failure

    @property
    def recordings(self) -> list[str]:
        """Files of --record."""
        return [str(path) for path in self._live.recordings]


def print_summary(session: Session, written: str | None) -> None:
    """Print a small table of what ran, how long, and what went wrong."""
    stats = session.last
    assert stats is not None
    device, compute, latency = stats.device, stats.compute, stats.latency
    hop_s = stats.hop_samples / stats.sample_rate
    table = results_table(f"{session.model} at {stats.bandwidth:g} kbps, live")
    table.add_row("ran", f"{clock(stats.hops * hop_s)}, {stats.hops} hops")
    table.add_row(
        "compute per hop",
        f"p50 {compute.p50_ms:.2f} ms, p99 {compute.p99_ms:.2f} ms, max {compute.max_ms:.2f} ms "
        f"of {stats.allowed_ms:.2f} ms",
    )
    table.add_row(
        "latency, computed", f"{latency.total:.1f} ms; {latency.added:.1f} ms of it by the codec"
    )
    if stats.added_for_compute_ms:
        table.add_row("", f"{stats.added_for_compute_ms:.1f} ms queued for a hop's compute")
    table.add_row("late hops", f"{stats.late_hops}, and {stats.dropped_hops} dropped")
    if advice := advice_on_late_hops(stats, stats.late_hops + stats.dropped_hops, stats.hops):
        table.add_row("", advice)
    table.add_row("underruns", f"{stats.underruns}, {stats.concealed_ms:.0f} ms concealed")
    table.add_row("overruns", f"{stats.overruns}")
    faults = f", last: {device.last_fault}" if device.last_fault else ""
    table.add_row("device faults", f"{device.faults}, reopened {device.reopened} times{faults}")
    table.add_row("worker thread", f"{stats.scheduling}, {_memory(stats)}")
    if stats.bad_samples:
        table.add_row("input", f"{stats.bad_samples} samples not finite or beyond +-1024, muted")
    for path in session.recordings:
        table.add_row("recorded", str(path))
    if session.recording_failure:
        table.add_row("recording", session.recording_failure)
    if written is not None:
        table.add_row("written", written)
    out().print(table)


def _memory(stats: LiveStats) -> str:
    refused = f" ({'; '.join(stats.refusals)})" if stats.refusals else ""
    return ("memory locked" if stats.memory_locked else "memory not locked") + refused
