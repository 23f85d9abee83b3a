"""Pictures: one style, PNG files, and spectrograms."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

INK: Final = "#1f2937"
COLOURS: Final = ("#2563eb", "#f59e0b", "#10b981", "#a855f7", "#ef4444")
_RANGE_DB: Final = 75.0
_STYLE: Final[Any] = {  # matplotlib types each key
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextlib.contextmanager
def picture(
    path: str | os.PathLike[str], size_inches: tuple[float, float], title: str = ""
) -> Iterator[Figure]:
    """Give an empty figure, and write it as PNG to `path` at the end, whatever its suffix."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with rc_context(_STYLE):
        layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08)
        figure = Figure(figsize=size_inches, dpi=140, layout=layout)
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title, fontsize=14, fontweight="bold")
        yield figure
        figure.savefig(path, format="png")


def spectrogram(
    axes: Axes, decibels: npt.NDArray[np.float64], peak_db: float, seconds: float
) -> AxesImage:
    """Draw levels `(frames, bands)` over time, relative to `peak_db`."""
    image = axes.imshow(
        decibels.T - peak_db,
        origin="lower",
        aspect="auto",
        extent=(0.0, seconds, 0.0, decibels.shape[1]),
        vmin=-_RANGE_DB,
        vmax=0.0,
        cmap="magma",
        interpolation="nearest",
    )
    axes.set_xlabel("time (s)")
    return image
