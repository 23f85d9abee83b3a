"""Spectrograms of one clip: the original above its decoded versions."""

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
    """Write spectrograms as PNG, relative to the original's peak.

    Parameters
    ----------
    target
        The file.
    versions
        Audio `(channels, samples)` by name, the original first. The first channel is shown.
    sample_rate
        In Hz.
    title
        Printed above.
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
