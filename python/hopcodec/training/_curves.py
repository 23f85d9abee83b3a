"""Figures over steps: one CSV file that survives interruptions, and a picture of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path


class Curves:
    """Rows of figures in a CSV file, one per logged step; columns may join later.

    Opened at step `resumed`, it drops the rows of later steps: the run did not get there.
    """

    def __init__(self, path: Path, resumed: int) -> None:
        self.path = path
        self.rows = [row for row in read_curves(path) if row["step"] <= resumed]
        self._columns: list[str] = []
        for row in self.rows:
            self._join(row)
        self._rewrite()

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row; it is in the file when this returns."""
        self.rows.append(dict(row))
        if self._join(row):
            self._rewrite()
        else:
            with self.path.open("a", newline="") as file:
                self._writer(file).writerow(row)

    def _join(self, row: Mapping[str, float]) -> bool:
        new = [name for name in row if name not in self._columns]
        self._columns += new
        return bool(new)

    def _writer(self, file: object) -> csv.DictWriter[str]:
        return csv.DictWriter(file, self._columns, lineterminator="\n")  # type: ignore[arg-type]

    def _rewrite(self) -> None:
        partial = self.path.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            writer = self._writer(file)
            writer.writeheader()
            writer.writerows(self.rows)
        partial.replace(self.path)


def read_curves(path: Path) -> list[dict[str, float]]:
    """The rows of a curves file, without empty cells; none if it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {name: float(text) for name, text in row.items() if text}
            for row in csv.DictReader(file)
        ]


def draw_curves(source: Path, target: Path) -> None:
    """Draw every column of a curves file over the steps, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_curves(source)
    panels = _panels([name for row in rows for name in row])
    if not panels:
        return
    figure = Figure(figsize=(5.5 * min(3, len(panels)), 3.2 * -(-len(panels) // 3)), dpi=110)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(-(-len(panels) // 3), min(3, len(panels)), squeeze=False)
    for axes, (title, names) in zip(grid.flat, panels.items(), strict=False):
        for name in names:
            points = [(row["step"], row[name]) for row in rows if name in row]
            label = name[len(title) :].strip("_@") or name
            marker = "." if len(points) < 40 else ""
            axes.plot(*zip(*points, strict=True), label=label, linewidth=1.0, marker=marker)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if len(names) > 1:
            axes.legend(fontsize=7, ncols=2)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    figure.savefig(target, format="png")


def _panels(names: list[str]) -> dict[str, list[str]]:
    """Titles and the columns under each: numbered figures and bandwidths share one."""
    panels: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        if name in ("step", "epoch"):
            continue
        stem = name.rstrip("0123456789.").rstrip("_@")
        panels.setdefault(stem, []).append(name)
    return panels
