"""An audio file that is only read on."""

from __future__ import annotations

import soundfile  # type: ignore[import-untyped]


class Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """soundfile seeks after each read of a file that can seek.

    libsndfile cannot seek in a FLAC of unknown length.
    """

    def seekable(self) -> bool:
        return False
