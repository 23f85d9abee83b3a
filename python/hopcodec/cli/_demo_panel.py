"""The demo's live view: time, levels, compute against the deadline, the last codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from hopcodec.cli._demo_step import step_of
from hopcodec.cli._terminal import Meter, Screen, bar

if TYPE_CHECKING:
    from rich.console import Console

    from hopcodec.codec._codec import Codec

_WIDTH: Final = 40  # characters of a bar
_REFRESH_S: Final = 0.08  # 6 hops of EnCodec 24 kHz
_FALL_DB: Final = 0.5  # per hop
_HISTORY: Final = 75


class Panel:
    """A view that is updated after each hop, in the time left of it. A context manager.

    It draws only on a terminal, and never from a second thread, which would compete with the codec
    for the interpreter.
    """

    def __init__(self, codec: Codec, bandwidth: float, samples: int, console: Console) -> None:
        self._rate, self._samples = codec.sample_rate, samples
        step = step_of(codec)
        self._interval_ms = step.interval_ms
        self._title = f"hopcodec demo: {codec.name}, {bandwidth:g} kbps, {step.name} by {step.name}"
        self._refresh_hops = max(1, round(_REFRESH_S * codec.frame_rate))
        self._unheard = np.zeros((codec.channels, 0), np.float32)
        self._done = self._hops = 0
        self._input, self._output = Meter(_FALL_DB), Meter(_FALL_DB)
        self._times_ms: list[float] = []
        self._worst_ms = 0.0
        self._codes: list[npt.NDArray[np.uint16]] = []
        self._screen = Screen(console)

    def __enter__(self) -> Panel:
        self._screen.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.__exit__()

    def update(
        self,
        hop: npt.NDArray[np.float32],
        sound: npt.NDArray[np.float32],
        codes: list[npt.NDArray[np.uint16]],
        compute_ms: float | None,
    ) -> None:
        """Take in one hop's input, its output, and the compute time of a step that it ended.

        Output ahead of the clock, such as a segment, is shown when it would be played.
        """
        self._done += hop.shape[1]
        self._hops += 1
        if sound.size:
            self._unheard = np.concatenate((self._unheard, sound), axis=1)
        heard, self._unheard = np.split(self._unheard, [hop.shape[1]], axis=1)
        for meter, audio in ((self._input, hop), (self._output, heard)):
            meter.feed(float(np.abs(audio).max()) if audio.size else 0.0)
        if compute_ms is not None:
            self._worst_ms = max(self._worst_ms, compute_ms)
            self._times_ms = [*self._times_ms[1 - _HISTORY :], compute_ms]
        for each in codes:
            self._codes = [*self._codes, *each.T[-3:]][-3:]
        if self._screen.enabled and self._hops % self._refresh_hops == 0:
            self._screen.paint(self._view())

    def _view(self) -> Frame:
        done, total = self._done / self._rate, self._samples / self._rate
        recent = float(np.median(self._times_ms)) if self._times_ms else 0.0
        share = recent / self._interval_ms
        grid = Table.grid(padding=(0, 1))
        grid.add_column(style="cyan", width=7)
        grid.add_column(width=_WIDTH)
        grid.add_column()
        grid.add_row("time", bar(done / total, "cyan", _WIDTH), f"{done:5.2f} / {total:.2f} s")
        for name, meter in (("in", self._input), ("out", self._output)):
            grid.add_row(name, meter.bar(_WIDTH), f"{meter.db:4.0f} dBFS")
        grid.add_row(
            "compute",
            bar(share, "green" if share < 0.5 else "red", _WIDTH),
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
