"""Spectrograms of one clip, the original above what each bandwidth makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hopcodec._figures import picture, spectrogram
from hopcodec.audio._mel import mel_decibels


def draw_spectrograms(
    target: Path, versions: Mapping[str, npt.NDArray[np.float32]], sample_rate: int, title: str
) -> None:
    """Write a PNG; `versions` are `(channels, samples)`, of which the first channel is shown.

    All share the original's level, so that what got lost is dark.
    """
    levels = {name: mel_decibels(audio[0], sample_rate) for name, audio in versions.items()}
    peak_db = float(next(iter(levels.values())).max())
    with picture(target, (10, 1.9 * len(versions) + 0.6), title) as figure:
        rows = figure.subplots(len(versions), 1, squeeze=False, sharex=True)[:, 0]
        for axes, name in zip(rows, versions, strict=True):
            seconds = versions[name].shape[1] / sample_rate
            image = spectrogram(axes, levels[name], peak_db, seconds)
            axes.set_title(name)
            axes.set_ylabel("mel band")
            axes.label_outer()
        figure.colorbar(image, ax=list(rows), label="dB below the original's peak", aspect=40)
