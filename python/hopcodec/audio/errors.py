"""The one error of this package."""

from __future__ import annotations

from hopcodec.errors import HopcodecError


class AudioFileError(HopcodecError):
    """An audio file is missing, unreadable, empty, or holds samples no codec can take."""
