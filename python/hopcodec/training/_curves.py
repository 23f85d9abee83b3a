"""Figures over steps, in a CSV file that survives interruptions, and a picture of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hopcodec._atomic import replacing
from hopcodec._figures import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Curves:
    """Rows of figures in a CSV file, one per logged step. Columns may be added later.

    Opening it at step `resumed` drops the rows of later steps, which the checkpoint does not have.
    """

    def __init__(self, path: Path, resumed: int) -> None:
        self.path = path
        self.rows = [row for row in read_curves(path) if row["step"] <= resumed]
        self._columns: list[str] = []
        for row in self.rows:
            self._join(row)
        self._rewrite()

    def add(self, row: Mapping[str, float]) -> None:
        """Append a row and write it to the file."""
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
        with replacing(self.path) as partial, partial.open("w", newline="") as file:
            writer = self._writer(file)
            writer.writeheader()
            writer.writerows(self.rows)


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read the rows of a curves file, without empty cells; an absent file has none."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {name: float(text) for name, text in row.items() if text}
            for row in csv.DictReader(file)
        ]


def draw_curves(source: Path, target: Path) -> None:
    """Draw every column of a curves file over the steps, as PNG."""
    rows = read_curves(source)
    panels = _panels([name for row in rows for name in row])
    if not panels:
        return
    columns, lines = min(3, len(panels)), -(-len(panels) // 3)
    with picture(target, (5.5 * columns, 3.2 * lines)) as figure:
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, (title, names) in zip(grid.flat, panels.items(), strict=False):
            _panel(axes, title, {name: _points(rows, name) for name in names})
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)


def _points(rows: list[dict[str, float]], name: str) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in rows if name in row]


def _panel(axes: Axes, title: str, curves: Mapping[str, list[tuple[float, float]]]) -> None:
    for name, points in curves.items():
        label = name[len(title) :].strip("_@") or name
        marker = "." if len(points) < 40 else ""
        axes.plot(*zip(*points, strict=True), label=label, linewidth=1.0, marker=marker)
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend(fontsize=7, ncols=2)


def _panels(names: list[str]) -> dict[str, list[str]]:
    """Group columns under titles. Numbered figures and bandwidths share a title."""
    panels: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        if name in ("step", "epoch"):
            continue
        stem = name.rstrip("0123456789.").rstrip("_@")
        panels.setdefault(stem, []).append(name)
    return panels
