"""The speech clip that comes with the package."""

from __future__ import annotations

from importlib import resources

import numpy as np

from hopcodec.audio._read import read_audio
from hopcodec.typing import Audio


def shipped_speech(sample_rate: int, channels: int, seconds: float | None = None) -> Audio:
    """Return the clip in the package, `(channels, samples)`, repeated or cut to `seconds`."""
    with resources.as_file(resources.files("hopcodec") / "assets" / "demo_en_f.flac") as path:
        audio, _ = read_audio(path, sample_rate, channels)
    if seconds is None:
        return audio
    samples = max(1, round(seconds * sample_rate))
    repeats = -(-samples // audio.shape[1])
    return np.ascontiguousarray(np.tile(audio, repeats)[:, :samples])
