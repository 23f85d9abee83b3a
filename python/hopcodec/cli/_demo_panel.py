"""The demo's live view: time, levels, compute against the deadline, the last codes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from rich.live import Live
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from hopcodec.cli._demo_run import step_of

if TYPE_CHECKING:
    from rich.console import Console

    from hopcodec.codec._codec import Codec

_WIDTH: Final = 40  # of a bar, in characters
_REFRESH_S: Final = 0.08  # 6 hops of EnCodec 24 kHz
_FLOOR_DB: Final = -60.0
_HISTORY: Final = 75
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


class Panel:
    """Updated after each hop, in the time that is left of it. A context manager.

    Draws only if the console is a terminal, and never from a second thread, which would compete
    with the codec for the interpreter.
    """

    def __init__(self, codec: Codec, bandwidth: float, samples: int, console: Console) -> None:
        self._rate, self._samples = codec.sample_rate, samples
        step = step_of(codec)
        self._interval_ms = step.interval_ms
        self._title = f"hopcodec demo: {codec.name}, {bandwidth:g} kbps, {step.name} by {step.name}"
        self._refresh_hops = max(1, round(_REFRESH_S * codec.frame_rate))
        self._unheard = np.zeros((codec.channels, 0), np.float32)
        self._done = self._hops = 0
        self._in_db = self._out_db = _FLOOR_DB
        self._times_ms: list[float] = []
        self._worst_ms = 0.0
        self._codes: list[npt.NDArray[np.uint16]] = []
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(self._view(), console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Panel:
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(
        self,
        hop: npt.NDArray[np.float32],
        sound: npt.NDArray[np.float32],
        codes: list[npt.NDArray[np.uint16]],
        compute_ms: float | None,
    ) -> None:
        """Take in one hop's input, what came out for it, and the compute time of a step it ended.

        What comes out ahead of the clock, such as a segment, is shown as it would be played.
        """
        self._done += hop.shape[1]
        self._hops += 1
        if sound.size:
            self._unheard = np.concatenate((self._unheard, sound), axis=1)
        heard, self._unheard = np.split(self._unheard, [hop.shape[1]], axis=1)
        self._in_db = _fallen(self._in_db, hop)
        self._out_db = _fallen(self._out_db, heard)
        if compute_ms is not None:
            self._worst_ms = max(self._worst_ms, compute_ms)
            self._times_ms = [*self._times_ms[1 - _HISTORY :], compute_ms]
        for each in codes:
            self._codes = [*self._codes, *each.T[-3:]][-3:]
        if self._live is not None and self._hops % self._refresh_hops == 0:
            self._live.update(self._view(), refresh=True)

    def _view(self) -> Frame:
        done, total = self._done / self._rate, self._samples / self._rate
        recent = float(np.median(self._times_ms)) if self._times_ms else 0.0
        share = recent / self._interval_ms
        grid = Table.grid(padding=(0, 1))
        grid.add_column(style="cyan", width=7)
        grid.add_column(width=_WIDTH)
        grid.add_column()
        grid.add_row("time", _bar(done / total, "cyan"), f"{done:5.2f} / {total:.2f} s")
        grid.add_row("in", _level(self._in_db), f"{self._in_db:4.0f} dBFS")
        grid.add_row("out", _level(self._out_db), f"{self._out_db:4.0f} dBFS")
        grid.add_row(
            "compute",
            _bar(share, "green" if share < 0.5 else "red"),
            f"{recent:.2f} / {self._interval_ms:.2f} ms, max {self._worst_ms:.2f}",
        )
        for age, codes in enumerate(reversed(self._codes)):
            style = "bold" if age == 0 else "dim"
            shown = " ".join(f"{code:4}" for code in codes[:8])
            more = f"  + {len(codes) - 8} more" if len(codes) > 8 else ""
            grid.add_row("codes" if age == 0 else "", Text(shown, style=style), more)
        for row in range(len(self._codes), 3):
            grid.add_row("codes" if row == 0 else "", "", "")
        return Frame(grid, title=self._title, title_align="left", border_style="blue", expand=False)


def _fallen(level_db: float, audio: npt.NDArray[np.float32]) -> float:
    """Peak level in dBFS that rises at once and falls by 0.5 dB a hop."""
    peak = float(np.abs(audio).max()) if audio.size else 0.0
    now = 20.0 * math.log10(peak) if peak > 0.0 else _FLOOR_DB
    return max(_FLOOR_DB, now, level_db - 0.5)


def _level(level_db: float) -> Text:
    style = "green" if level_db < -12.0 else "yellow" if level_db < -1.0 else "red"
    return _bar(1.0 - level_db / _FLOOR_DB, style)


def _bar(share: float, style: str) -> Text:
    """A bar of `_WIDTH` characters, in steps of an eighth of one."""
    eighths = round(min(1.0, max(0.0, share)) * _WIDTH * 8)
    whole, part = divmod(eighths, 8)
    bar = "█" * whole + (_EIGHTHS[part] if part else "")
    return Text(bar, style=style) + Text("·" * (_WIDTH - len(bar)), style="dim")
