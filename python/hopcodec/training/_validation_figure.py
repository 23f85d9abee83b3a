"""Spectrograms of one clip, the original above what each bandwidth makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hopcodec.evaluation._mel import mel_decibels

_RANGE_DB: Final = 75.0


def draw_spectrograms(
    target: Path, versions: Mapping[str, npt.NDArray[np.float32]], sample_rate: int, title: str
) -> None:
    """Write a PNG; `versions` are `(channels, samples)`, of which the first channel is shown.

    All share the original's level, so that what got lost is dark.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.9 * len(versions) + 0.6), dpi=110)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    figure.suptitle(title, fontsize=11)
    rows = figure.subplots(len(versions), 1, squeeze=False, sharex=True)[:, 0]
    peak: float | None = None
    image = None
    for axes, (name, audio) in zip(rows, versions.items(), strict=True):
        levels = mel_decibels(audio[0], sample_rate).T
        peak = float(levels.max()) if peak is None else peak
        image = axes.imshow(
            levels - peak,
            origin="lower",
            aspect="auto",
            extent=(0.0, audio.shape[1] / sample_rate, 0.0, len(levels)),
            vmin=-_RANGE_DB,
            vmax=0.0,
            cmap="magma",
            interpolation="nearest",
        )
        axes.set_title(name, loc="left", fontsize=9)
        axes.set_ylabel("mel band")
    rows[-1].set_xlabel("time (s)")
    if image is not None:
        figure.colorbar(image, ax=list(rows), label="dB below the original's peak", aspect=40)
    figure.savefig(target, format="png")
