"""The demo's picture: spectrograms before and after, the codes, and time per hop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hopcodec._figures import COLOURS, picture, spectrogram
from hopcodec.audio._mel import mel, mel_decibels
from hopcodec.codec._codes import code_arrays

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hopcodec.cli._demo_run import DemoRun
    from hopcodec.codec._codec import Codec
    from hopcodec.evaluation._speed import HopTimes

_BANDS: Final = 128
_TICKS_MS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_LIMIT_COLOUR: Final = "#dc2626"


def draw(path: Path, codec: Codec, bandwidth: float, run: DemoRun, duplex: HopTimes) -> None:
    """Write the picture as PNG to `path`, whatever its suffix."""
    seeded = "  (weights: seeded noise)" if codec.seeded else ""
    title = (
        f"hopcodec demo: {codec.name} at {bandwidth:g} kbps, "
        f"{run.step.name} by {run.step.name}{seeded}"
    )
    with picture(path, (11, 10), title) as figure:
        axes = figure.subplots(4, 1, height_ratios=(1.15, 1.15, 1.0, 1.05))
        _spectrograms(figure, axes[0], axes[1], codec, run)
        _codes(figure, axes[2], codec, run)
        _histogram(axes[3], run, duplex)


def _spectrograms(figure: Figure, before: Axes, after: Axes, codec: Codec, run: DemoRun) -> None:
    for axes, audio, title in (
        (before, run.audio, "Before: original audio"),
        (after, run.decoded, "After: audio decoded from the codes"),
    ):
        levels = mel_decibels(audio[0], codec.sample_rate, _BANDS)
        # Each against its own peak, so that a difference in level does not hide the shape.
        peak_db, seconds = float(levels.max()), audio.shape[1] / codec.sample_rate
        image = spectrogram(axes, levels, peak_db, seconds)
        _mel_ticks(axes, codec.sample_rate)
        axes.set_title(title if codec.channels == 1 else f"{title} (left channel)")
        axes.set_ylabel("frequency (kHz, mel scale)")
    figure.colorbar(image, ax=[before, after], label="level (dB below peak)", pad=0.01, aspect=30)


def _codes(figure: Figure, axes: Axes, codec: Codec, run: DemoRun) -> None:
    codebooks = run.codes.shape[0]
    for at, codes in enumerate(code_arrays(run.codes)):
        begin = at * run.step.interval / codec.sample_rate  # segments overlap a little
        image = axes.imshow(
            codes,
            aspect="auto",
            extent=(begin, begin + codes.shape[1] / codec.frame_rate, codebooks + 0.5, 0.5),
            vmin=0,
            vmax=codec.codebook_size - 1,
            cmap="viridis",
            interpolation="nearest",
        )
    axes.set_xlim(0.0, begin + codes.shape[1] / codec.frame_rate)
    axes.set_title(
        f"Codes: {codebooks} per frame, 0 to {codec.codebook_size - 1}, "
        f"{codec.frame_rate:g} frames a second"
    )
    axes.set_ylabel("codebook")
    axes.set_xlabel("time (s)")
    axes.set_yticks(sorted({1, *range(0, codebooks + 1, max(1, codebooks // 4))} - {0}))
    ticks = np.linspace(0, codec.codebook_size, 5)
    ticks[-1] = codec.codebook_size - 1
    figure.colorbar(image, ax=axes, label="code", pad=0.01, aspect=14, ticks=list(ticks))


def _histogram(axes: Axes, run: DemoRun, duplex: HopTimes) -> None:
    from matplotlib.ticker import FuncFormatter

    step = run.step.name
    series = {
        "encode": run.encode_ns / 1e6,
        "decode": run.decode_ns / 1e6,
        "both": (run.encode_ns + run.decode_ns) / 1e6,
    }
    low = max(0.02, 0.8 * min(float(np.quantile(ms, 0.05)) for ms in series.values()))
    high = 1.35 * max(duplex.deadline_ms, duplex.max_ms)
    bins = np.geomspace(low, high, 90)
    for (name, ms), colour in zip(series.items(), COLOURS, strict=False):
        p50 = float(np.median(ms))
        axes.hist(
            ms,
            bins=list(bins),
            color=colour,
            alpha=0.7,
            label=f"{name}: median {p50:.2f} ms",
        )
    axes.axvline(duplex.deadline_ms, color=_LIMIT_COLOUR, linestyle="--", linewidth=1.8)
    axes.text(
        duplex.deadline_ms * 0.97,
        0.94,
        f"{'deadline' if step == 'hop' else 'next segment'}\n{duplex.deadline_ms:.2f} ms",
        color=_LIMIT_COLOUR,
        ha="right",
        va="top",
        transform=axes.get_xaxis_transform(),
    )
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [t for t in _TICKS_MS if low <= t <= high]
    axes.set_xticks(ticks)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(
        f"Compute per {step}: p99 {duplex.p99_ms:.2f} ms, max {duplex.max_ms:.2f} ms for both ways"
    )
    axes.set_xlabel(f"time per {step} (ms, log scale)")
    axes.set_ylabel(f"{step}s")
    axes.legend(frameon=False, loc="upper center")


def _mel_ticks(axes: Axes, sample_rate: int) -> None:
    top = float(mel(sample_rate / 2))
    kilohertz = [k for k in (0, 0.5, 1, 2, 4, 8, 16) if 2000.0 * k <= sample_rate]
    axes.set_yticks([float(mel(1000.0 * k)) / top * _BANDS for k in kilohertz])
    axes.set_yticklabels([f"{k:g}" for k in kilohertz])
