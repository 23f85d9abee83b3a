"""The demo's picture: spectrograms before and after, the codes, and time per hop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from hopcodec.cli._demo_run import code_arrays

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from hopcodec.cli._demo_run import DemoRun
    from hopcodec.codec._codec import Codec
    from hopcodec.evaluation._speed import HopTimes

_WINDOW: Final = 1024
_STEP: Final = 256
_MELS: Final = 128
_RANGE_DB: Final = 75.0
_TICKS_MS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_INK: Final = "#1f2937"
_COLOURS: Final = {"encode": "#2563eb", "decode": "#f59e0b", "both": "#10b981"}


def draw(path: Path, codec: Codec, bandwidth: float, run: DemoRun, duplex: HopTimes) -> None:
    """Write the picture as PNG to `path`, whatever its suffix."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    style: Any = {
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "text.color": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    with rc_context(style):
        layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08)
        figure = Figure(figsize=(11, 10), dpi=140, layout=layout)
        FigureCanvasAgg(figure)
        axes = figure.subplots(4, 1, height_ratios=(1.15, 1.15, 1.0, 1.05))
        seeded = "  (weights: seeded noise)" if codec.seeded else ""
        figure.suptitle(
            f"hopcodec demo: {codec.name} at {bandwidth:g} kbps, "
            f"{run.step.name} by {run.step.name}{seeded}",
            fontsize=14,
            fontweight="bold",
        )
        _spectrograms(figure, axes[0], axes[1], codec, run)
        _codes(figure, axes[2], codec, run)
        _histogram(axes[3], run, duplex)
        figure.savefig(path, format="png")


def _spectrograms(figure: Figure, before: Axes, after: Axes, codec: Codec, run: DemoRun) -> None:
    seconds = run.audio.shape[1] / codec.sample_rate
    pictures = [mel_decibels(audio[0], codec.sample_rate) for audio in (run.audio, run.decoded)]
    image: AxesImage | None = None
    for axes, picture, title in (
        (before, pictures[0], "Before: what went in"),
        (after, pictures[1], "After: what the decoder made of the codes"),
    ):
        # Each against its own peak, so that a difference in level does not hide the shape.
        image = axes.imshow(
            picture - picture.max(),
            origin="lower",
            aspect="auto",
            extent=(0.0, seconds, 0.0, _MELS),
            vmin=-_RANGE_DB,
            vmax=0.0,
            cmap="magma",
            interpolation="nearest",
        )
        _mel_ticks(axes, codec.sample_rate)
        axes.set_title(title if codec.channels == 1 else f"{title} (left channel)")
        axes.set_ylabel("frequency (kHz, mel scale)")
        axes.set_xlabel("time (s)")
    assert image is not None
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
    for name, ms in series.items():
        p50 = float(np.median(ms))
        axes.hist(
            ms,
            bins=list(bins),
            color=_COLOURS[name],
            alpha=0.7,
            label=f"{name}: median {p50:.2f} ms",
        )
    axes.axvline(duplex.deadline_ms, color="#dc2626", linestyle="--", linewidth=1.8)
    axes.text(
        duplex.deadline_ms * 0.97,
        0.94,
        f"{'deadline' if step == 'hop' else 'next segment'}\n{duplex.deadline_ms:.2f} ms",
        color="#dc2626",
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


def mel_decibels(audio: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float64]:
    """Power in dB on `_MELS` mel bands, `(bands, steps)`; Hann windows centred on their step."""
    padded = np.pad(audio.astype(np.float64), _WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_STEP]
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1)) ** 2
    decibels: npt.NDArray[np.float64] = 10.0 * np.log10(_mel_bank(sample_rate) @ power.T + 1e-10)
    return decibels


def _mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def _mel_bank(sample_rate: int) -> npt.NDArray[np.float64]:
    """Triangles of equal peak, evenly spaced in mel from 0 to the Nyquist frequency.

    They are taken over mel, not Hz, and are at least one FFT bin wide, so that none is empty.
    """
    bins = _mel(np.fft.rfftfreq(_WINDOW, 1.0 / sample_rate))
    centres = np.linspace(0.0, float(_mel(sample_rate / 2)), _MELS)
    width = np.maximum(centres[1] - centres[0], float(bins[1] - bins[0]))
    bank: npt.NDArray[np.float64] = np.maximum(
        0.0, 1.0 - np.abs(bins[None, :] - centres[:, None]) / width
    )
    return bank


def _mel_ticks(axes: Axes, sample_rate: int) -> None:
    top = float(_mel(sample_rate / 2))
    kilohertz = [k for k in (0, 0.5, 1, 2, 4, 8, 16) if 2000.0 * k <= sample_rate]
    axes.set_yticks([float(_mel(1000.0 * k)) / top * _MELS for k in kilohertz])
    axes.set_yticklabels([f"{k:g}" for k in kilohertz])
