"""One picture of a per-hop benchmark: what each implementation takes of the deadline.

python benchmarks/plot.py benchmarks/results/hop.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from report import RESULTS

OWN, OTHER, REWRITTEN, INK, DEADLINE = "#d9480f", "#35587c", "#7f9cb8", "#212529", "#c92a2a"


def color_of(name: str, peer: dict[str, Any]) -> str:
    if name.startswith("hopcodec"):
        return OWN
    return REWRITTEN if "rewritten" in peer["about"] else OTHER


def draw(result: dict[str, Any], mode: str, output: Path) -> None:
    """Bars from median to p99, a thin line to the maximum; the fastest on top."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    peers = sorted(result["peers"].items(), key=lambda item: item[1][mode]["p50_ms"], reverse=True)
    deadline = result["settings"]["deadline_ms"]
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK})
    figure, axes = plt.subplots(figsize=(9, 1.6 + 0.34 * len(peers)), layout="constrained")
    for row, (name, peer) in enumerate(peers):
        times = peer[mode]
        p50, p99, most = times["p50_ms"], times["p99_ms"], times["max_ms"]
        color = color_of(name, peer)
        weight = "bold" if name == "hopcodec" else "normal"
        axes.plot([p50, most], [row, row], color=color, linewidth=1, alpha=0.6, zorder=2)
        axes.plot([most], [row], "|", color=color, markersize=7, alpha=0.6, zorder=2)
        axes.barh(row, p99 - p50, left=p50, height=0.5, color=color, alpha=0.45, zorder=3)
        axes.plot([p50], [row], "o", color=color, markersize=7, zorder=4)
        axes.annotate(
            f"{p50:.2f}",
            (p50, row),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            color=color,
            weight=weight,
        )
    axes.axvline(deadline, color=DEADLINE, linewidth=1.2, linestyle=(0, (5, 3)), zorder=1)
    axes.annotate(
        f"deadline {deadline:.2f} ms",
        (deadline, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -4),
        textcoords="offset points",
        va="top",
        rotation=270,
        color=DEADLINE,
        fontsize=8.5,
    )
    axes.set_yticks(range(len(peers)), [peer["about"] for _, peer in peers])
    for tick, (name, _) in zip(axes.get_yticklabels(), peers, strict=True):
        if name.startswith("hopcodec"):
            tick.set(weight="bold", color=OWN)
    axes.set_xscale("log")
    fastest = min(peer[mode]["p50_ms"] for _, peer in peers)
    slowest = max(peer[mode]["max_ms"] for _, peer in peers)
    axes.set_xlim(fastest / 1.7, max(slowest, deadline) * 1.35)
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if t >= fastest / 1.7]
    axes.set_xticks([t for t in ticks if t <= axes.get_xlim()[1]])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ms per hop, logarithmic  (dot: median, bar: to p99, line: to the maximum)")
    settings, env = result["settings"], result["environment"]
    how = "in real time" if mode == "paced" else "back to back"
    what = "encode + decode" if mode in ("duplex", "paced") else mode
    axes.set_title(
        f"EnCodec 24 kHz, {settings['bandwidth_kbps']:g} kbps: {what} of one hop, {how}",
        loc="left",
        weight="bold",
        pad=20,
    )
    axes.text(
        0,
        1.01,
        f"same weights, same run, one thread on one core ({env['cpu']}); "
        "rewritten: as matrix products, by us",
        transform=axes.transAxes,
        va="bottom",
        fontsize=8.5,
        color="#5c6770",
    )
    axes.grid(axis="x", which="major", color="#e3e7eb", zorder=0)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=160)
    plt.close(figure)


def main(
    result: Annotated[Path, typer.Argument(help="JSON of bench_hop.py.")] = RESULTS / "hop.json",
    mode: Annotated[str, typer.Option(help="encode, decode, duplex or paced.")] = "duplex",
    output: Annotated[Path | None, typer.Option(help="PNG; default beside the JSON.")] = None,
) -> None:
    """Draws the per-hop times of every implementation against the deadline."""
    document = json.loads(result.read_text(encoding="utf-8"))
    modes = {mode for peer in document["peers"].values() for mode in peer}
    if mode not in modes & {"encode", "decode", "duplex", "paced"}:
        raise typer.BadParameter(f"--mode: {mode!r} is not in {result.name}")
    output = output or result.with_suffix(".png")
    draw(document, mode, output)
    typer.echo(f"written: {output}")


if __name__ == "__main__":
    typer.run(main)
