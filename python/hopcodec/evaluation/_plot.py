"""Quality against bitrate, a panel per metric."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final

from hopcodec.evaluation._metrics import METRICS, Metric
from hopcodec.evaluation._report import Report, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK: Final = "#1f2937"
_COLOURS: Final = ("#2563eb", "#f59e0b", "#10b981", "#a855f7", "#ef4444")
_MARKERS: Final = ("o", "s", "^", "D", "v")
_MOST_COLUMNS: Final = 4


def draw(path: str | os.PathLike[str], report: Report, title: str) -> None:
    """Write the picture as PNG to `path`, whatever its suffix.

    Points are means over all clips with their 95 % intervals, one line per codec; what was not
    coded is a dashed level. A metric without figures says why in its panel.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    style: Any = {
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        **dict.fromkeys(
            ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), _INK
        ),
    }
    columns = min(_MOST_COLUMNS, len(report.metrics))
    rows = math.ceil(len(report.metrics) / columns)
    with rc_context(style):
        layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
        figure = Figure(figsize=(3.4 * columns, 3.0 * rows + 0.9), dpi=140, layout=layout)
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=13, fontweight="bold")
        panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
        for name, axes in zip(report.metrics, panels, strict=False):
            _panel(axes, report, METRICS[name])
        for axes in panels[len(report.metrics) :]:
            axes.set_visible(False)
        known: dict[str, Any] = {}
        for axes in panels:
            for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
                known.setdefault(label, line)
        if known:
            figure.legend(
                list(known.values()),
                list(known),
                loc="outside lower center",
                ncols=6,
                frameon=False,
            )
        figure.savefig(path, format="png")


def _panel(axes: Axes, report: Report, metric: Metric) -> None:
    better = "higher is better" if metric.higher_is_better else "lower is better"
    axes.set_title(metric.title)
    axes.set_ylabel(f"{metric.unit}, {better}" if metric.unit else better)
    axes.set_xlabel("kbps")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    families: dict[str, list[Summary]] = {}
    family_of = {system.label: system for system in report.systems}
    for summary in report.summaries():
        found = summary.scores.get(metric.name)
        if found is not None and math.isfinite(found.mean):
            families.setdefault(family_of[summary.system].family, []).append(summary)
    if not families:
        reason = report.unavailable.get(metric.name, "no figures")
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", va="center", wrap=True)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    coded = {system.family: None for system in report.systems if system.nominal_kbps is not None}
    for i, family in enumerate(coded):
        if family in families:
            _line(axes, metric, family, families[family], i)
    for family in families.keys() - coded.keys():
        level = families[family][0].scores[metric.name].mean
        axes.axhline(level, color=_INK, linestyle="--", linewidth=1.2, label=family)
    _bitrate_axis(axes, sorted({s.nominal_kbps for s in report.systems if s.nominal_kbps}))


def _line(axes: Axes, metric: Metric, family: str, summaries: list[Summary], i: int) -> None:
    points = sorted((s.kbps, s.scores[metric.name]) for s in summaries)
    below = [0.0 if e.low is None else e.mean - e.low for _, e in points]
    above = [0.0 if e.high is None else e.high - e.mean for _, e in points]
    axes.errorbar(
        [kbps for kbps, _ in points],
        [e.mean for _, e in points],
        yerr=[below, above],
        color=_COLOURS[i % len(_COLOURS)],
        marker=_MARKERS[i % len(_MARKERS)],
        markersize=5,
        linewidth=1.8,
        elinewidth=1.0,
        capsize=2.5,
        label=family,
    )


def _bitrate_axis(axes: Axes, kbps: list[float]) -> None:
    if not kbps:
        axes.set_xticks([])
        return
    axes.set_xscale("log")
    axes.set_xlim(kbps[0] / 1.25, kbps[-1] * 1.25)
    ticks = kbps[:1]
    for value in kbps[1:]:
        if value > 1.35 * ticks[-1]:  # closer ones would print over each other
            ticks.append(value)
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.set_xticks([], minor=True)
