"""The loopback's live view: levels, bitrate, compute, queue, trouble and latency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from hopcodec.cli._devices import short_host
from hopcodec.cli._terminal import Meter, bar

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec
    from hopcodec.live._stats import Latency, LiveStats

WIDTH: Final = 78
_BAR: Final = 32
_FALL_DB: Final = 1.5  # per picture
_KEYS: Final[tuple[tuple[str, str], ...]] = (
    ("space", "bypass"),
    ("+ -", "bitrate"),
    ("m", "model"),
    ("p", "precision"),
)
_PARTS: Final = (
    ("input", ("input_buffer", "resampler_in"), "blue"),
    ("framing", ("framing",), "cyan"),
    ("look-ahead", ("lookahead",), "magenta"),
    ("compute", ("compute",), "green"),
    ("queue", ("queue",), "yellow"),
    ("output", ("resampler_out", "output_buffer"), "blue"),
)


class LoopbackPanel:
    """Turn readings into a picture of at most 78 columns."""

    def __init__(self, *, several_models: bool) -> None:
        self._input, self._output = Meter(_FALL_DB), Meter(_FALL_DB)
        self._keys = [key for key in _KEYS if key[0] != "m" or several_models]

    def picture(
        self,
        codec: Codec,
        stats: LiveStats,
        seconds: float,
        *,
        total: float | None = None,
        message: str = "",
        advice: str = "",
    ) -> Frame:
        """Make one picture.

        Parameters
        ----------
        codec
            The codec that runs.
        stats
            The reading to show.
        seconds
            Time since the start.
        total
            Length of a file as input.
        message
            Replaces the keys at the bottom.
        advice
            What to do about trouble.
        """
        self._input.feed(stats.input_peak)
        self._output.feed(stats.output_peak)
        rows = Table.grid(padding=(0, 1))
        rows.add_column(style="cyan", min_width=8, no_wrap=True)
        rows.add_column(width=_BAR, no_wrap=True, overflow="crop")
        rows.add_column(width=WIDTH - _BAR - 8 - 6, min_width=22, no_wrap=True)
        for name, meter in (("in", self._input), ("out", self._output)):
            rows.add_row(name, meter.bar(_BAR), f"{meter.db:4.0f} dBFS")
        rows.add_row("compute", *_compute(stats))
        rows.add_row("queue", *_queue(stats))
        rows.add_row("latency", _stack(stats.latency), f"{stats.latency.total:.1f} ms in all")
        wide = Table.grid(padding=(0, 1))
        wide.add_column(style="cyan", min_width=8, no_wrap=True)
        wide.add_column(width=WIDTH - 8 - 5, overflow="ellipsis", no_wrap=True)
        for line in _legend(stats.latency):
            wide.add_row("", line)
        wide.add_row("trouble", _trouble(stats))
        wide.add_row("device", _device(stats))
        wide.add_row("codec", _codec(codec, stats))
        wide.add_row("worker", _worker(stats))
        return Frame(
            Group(
                rows,
                wide,
                Text(advice, style="bold yellow", no_wrap=True, overflow="ellipsis"),
                self._keys_or(message),
            ),
            title=_title(stats, seconds, total),
            title_align="left",
            border_style=_BORDERS.get(stats.device.state, "blue"),
            width=WIDTH,
        )

    def _keys_or(self, message: str) -> Text:
        if message:
            return Text(message, style="yellow", no_wrap=True, overflow="ellipsis")
        text = Text(no_wrap=True)
        for key, meaning in (*self._keys, ("r", "reset"), ("q", "quit")):
            text.append(key, style="bold").append(f" {meaning}   ", style="dim")
        return text


_BORDERS: Final = {"stalled": "yellow", "reopening": "red"}


def _title(stats: LiveStats, seconds: float, total: float | None) -> str:
    clock = f"{int(seconds) // 60}:{int(seconds) % 60:02}"
    if total is not None:
        clock += f" of {int(total) // 60}:{int(total) % 60:02}"
    state = stats.device.state
    style = "bold" if state == "running" else "bold yellow"
    bypass = "  [bold yellow]BYPASS[/]" if stats.bypass else ""
    return f"[bold]hopcodec loopback[/]  {clock}  [{style}]{state}[/]{bypass}"


def _compute(stats: LiveStats) -> tuple[Text, Text]:
    times, allowed = stats.compute, stats.allowed_ms
    share = times.p99_ms / allowed if allowed else 0.0
    style = "green" if share < 0.5 else "yellow" if share < 0.9 else "red"
    text = Text(f"p50 {times.p50_ms:.2f}  p99 {times.p99_ms:.2f} of {allowed:.2f} ms")
    return bar(share, style, _BAR), text


def _queue(stats: LiveStats) -> tuple[Text, str]:
    target = stats.target_ms or 1.0
    style = "green" if stats.queue_ms > 0.0 else "red"
    drift = "" if stats.device.one_clock else f"  {stats.drift_ppm:+.0f} ppm"
    return (
        bar(stats.queue_ms / (2.0 * target), style, _BAR),
        f"{stats.queue_ms:.1f}, target {stats.target_ms:.1f} ms{drift}",
    )


def _trouble(stats: LiveStats) -> Text:
    text = Text()
    for name, count in (
        ("underruns", stats.underruns),
        ("overruns", stats.overruns),
        ("late hops", stats.late_hops),
        ("dropped", stats.dropped_hops),
        ("faults", stats.device.faults),
    ):
        text.append(f"{count} {name}", style="bold red" if count else "dim").append("   ")
    return text


def _device(stats: LiveStats) -> str:
    device = stats.device
    if device.state == "reopening":
        return f"waiting: {device.waiting_for or device.last_fault}"
    names = device.input if device.input == device.output else f"{device.input} -> {device.output}"
    rate = f"{device.input_rate_hz / 1000:g}"
    if device.output_rate_hz != device.input_rate_hz:
        rate += f" -> {device.output_rate_hz / 1000:g}"
    path = "bit-transparent" if stats.transparent else "resampled"
    return f"{names} ({short_host(device.host)}), {rate} kHz, blocks of {device.block}, {path}"


def _codec(codec: Codec, stats: LiveStats) -> str:
    books = codec.codebooks_for(stats.bandwidth)
    return (
        f"{codec.name} {codec.precision}, {stats.bandwidth:g} kbps = {books} codebooks x "
        f"{codec.frame_rate:g} hops/s"
    )


def _worker(stats: LiveStats) -> str:
    memory = "memory locked" if stats.memory_locked else "memory not locked"
    return f"{stats.scheduling}, {memory}, {stats.hops} hops"


def _parts(latency: Latency) -> list[tuple[str, float, str]]:
    return [
        (name, sum(getattr(latency, field) for field in fields), style)
        for name, fields, style in _PARTS
    ]


def _stack(latency: Latency) -> Text:
    """Draw the parts of the latency side by side, each as wide as its share."""
    text, done, total = Text(), 0.0, max(latency.total, 1e-9)
    for _, ms, style in _parts(latency):
        begin, done = round(_BAR * done / total), done + ms
        text.append("█" * (round(_BAR * done / total) - begin), style=style)
    return text


def _legend(latency: Latency) -> list[Text]:
    lines = [Text(), Text()]
    for at, (name, ms, style) in enumerate(_parts(latency)):
        lines[at // 3].append("■ ", style=style).append(f"{name + f' {ms:.1f}':18}", style="dim")
    return lines
