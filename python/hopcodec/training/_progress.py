"""What a run says on the terminal: a bar with losses, and lines that stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

_SHOWN: Final = {"mel": "mel", "complex": "stft", "feature": "feat", "discriminator": "disc"}


class Display:
    """Progress on a console; without a terminal, lines only."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def files(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """A bar over files that are read once; it appears when there is one to read."""
        with self._bar(TextColumn("file"), MofNCompleteColumn()) as progress:
            task = progress.add_task(f"reading {name}", total=None, visible=False)

            def report(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total, visible=True)

            yield report

    @contextmanager
    def steps(self, done: int, total: int) -> Iterator[None]:
        """The bar of the run itself."""
        columns = (MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
        with self._bar(*columns, TimeRemainingColumn()) as progress:
            self._progress = progress
            self._task = progress.add_task("training", total=total, completed=done, figures="")
            try:
                yield
            finally:
                self._progress = self._task = None

    def step(self, done: int) -> None:
        """Steps done so far."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)

    def figures(self, row: Mapping[str, float]) -> None:
        """The latest means; as a line where there is no terminal."""
        shown = [f"{short} {row[name]:.4g}" for name, short in _SHOWN.items() if name in row]
        shown.append(f"{row['seconds_per_step']:.3f} s/step")
        if snr := [f"{value:.1f}" for name, value in row.items() if name.startswith("snr_")]:
            shown.append(f"SNR by book {' '.join(snr)} dB")
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, figures="  ".join(shown))
        if not self.console.is_terminal:
            self.line(f"step {row['step']:.0f}: {', '.join(shown)}")

    def validation(self, row: Mapping[str, float]) -> None:
        """What validation found, a line for each metric."""
        names = [name for name in row if "@" in name]
        for metric in dict.fromkeys(name.split("@")[0] for name in names):
            values = [(n.split("@")[1], row[n]) for n in names if n.split("@")[0] == metric]
            text = ", ".join(f"{value:.3f} at {kbps}" for kbps, value in values)
            self.line(f"validation after step {row['step']:.0f}: {metric} {text} kbps")

    def _bar(self, *columns: MofNCompleteColumn | TextColumn | TimeRemainingColumn) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            *columns,
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
