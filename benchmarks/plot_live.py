"""One picture of bench_live.py: measured latency beside computed, and what the processor did.

python benchmarks/plot_live.py benchmarks/results/live.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from report import RESULTS

OWN, PEER, BASE, INK = "#d9480f", "#35587c", "#adb5bd", "#212529"
COLORS = {"hopcodec": OWN, "python": PEER, "copy": BASE}


def _name(cell: dict[str, Any]) -> str:
    return ("hopcodec, " if cell["kind"] == "hopcodec" else "") + str(cell["label"])


def draw(document: dict[str, Any], output: Path) -> None:
    """Left: latency per cell, a bar to the median, a line from least to most. Right: CPU share."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    cells = list(reversed(document["cells"]))
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK})
    figure, (latency, compute) = plt.subplots(
        1,
        2,
        figsize=(11, 1.8 + 0.34 * len(cells)),
        sharey=True,
        layout="constrained",
        width_ratios=(3, 2),
    )
    for row, cell in enumerate(cells):
        color = COLORS[cell["kind"]]
        trouble = f"{cell['xruns']} xruns, {cell['late_hops']} late"
        times = cell["compute_p50_ms"], cell["compute_p99_ms"], cell["compute_max_ms"]
        if cell["kind"] != "copy":
            compute.plot([times[0], times[2]], [row, row], color=color, linewidth=1, zorder=2)
            width = times[1] - times[0]
            compute.barh(row, width, left=times[0], height=0.5, color=color, alpha=0.45, zorder=3)
            compute.plot([times[0]], [row], "o", color=color, markersize=6, zorder=4)
        if cell["measured_ms"] is None:
            latency.text(
                0.5, row, f"sound cut up: {trouble}", va="center", fontsize=8.5, color=PEER
            )
            continue
        latency.barh(row, cell["measured_ms"], height=0.6, color=color, alpha=0.8, zorder=2)
        spread = [cell["measured_min_ms"], cell["measured_max_ms"]]
        latency.plot(spread, [row, row], color=INK, linewidth=1, zorder=3)
        if "computed_ms" in cell:
            latency.plot([cell["computed_ms"]], [row], "|", color=INK, markersize=14, zorder=4)
        latency.annotate(
            f"{cell['measured_ms']:.2f} ms   {trouble}",
            (max(cell["measured_ms"], cell["measured_max_ms"]), row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    latency.set_yticks(range(len(cells)), [f"{_name(cell)}  [{cell['block']}]" for cell in cells])
    for tick, cell in zip(latency.get_yticklabels(), cells, strict=True):
        if cell["kind"] == "hopcodec":
            tick.set(weight="bold", color=OWN)
    latency.set_xlim(0, 1.45 * max(cell["measured_max_ms"] or 0.0 for cell in cells))
    latency.set_xlabel("ms to the speaker (bar: measured, tick: computed)")
    compute.set_xscale("log")
    least = min(cell["compute_p50_ms"] for cell in cells if cell["kind"] != "copy")
    compute.set_xlim(0.6 * least, None)
    compute.set_xticks([t for t in (1, 2, 5, 10, 20, 50, 100) if t >= least])
    compute.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    compute.xaxis.set_minor_formatter(NullFormatter())
    compute.set_xlabel("ms per hop: p50, p99, max")
    settings, env = document["settings"], document["environment"]
    load = sum(cell["load_average"] for cell in cells) / len(cells)
    busy = "one kept busy, " if settings["busy_core"] is not None else ""
    figure.suptitle(
        f"Live on {settings['server']}, 24 kHz, [frames per block], {settings['seconds']:g} s; "
        f"{env['cpu']}, {env['cores']} cores, {busy}load {load:.1f}",
        fontsize=10,
        x=0.01,
        ha="left",
        weight="bold",
    )
    for axes in (latency, compute):
        axes.grid(axis="x", color="#e3e7eb", zorder=0)
        axes.tick_params(axis="y", length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=160)
    plt.close(figure)


def main(
    result: Annotated[Path, typer.Argument(help="JSON of bench_live.py.")] = RESULTS / "live.json",
    output: Annotated[Path | None, typer.Option(help="PNG; default beside the JSON.")] = None,
) -> None:
    """Draws measured and computed latency of every cell."""
    document = json.loads(result.read_text(encoding="utf-8"))
    output = output or result.with_suffix(".png")
    draw(document, output)
    typer.echo(f"written: {output}")


if __name__ == "__main__":
    typer.run(main)
