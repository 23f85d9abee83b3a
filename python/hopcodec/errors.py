"""What can go wrong, by name. Each message says what was expected and what came."""

from __future__ import annotations


class HopcodecError(Exception):
    """Base of every error hopcodec raises on purpose (besides TypeError and ValueError)."""


class WeightsError(HopcodecError):
    """A weights file is missing, malformed, or does not fit the codec it was given for."""


class BitstreamError(HopcodecError):
    """A compressed file or packet is truncated, corrupt, or of an unknown version."""


class DeviceError(HopcodecError):
    """A compute or audio device is absent or refused what was asked of it."""


class StreamError(HopcodecError):
    """A stream was used out of order: pushed after flush, or restored from a foreign snapshot.

    Also: a stream hop by hop was asked of a codec that works in segments.
    """


class AudioFileError(HopcodecError):
    """An audio file is missing, unreadable, empty, or holds samples no codec can take."""


class IncompleteAudioWarning(UserWarning):
    """An audio file is cut off, or only the first of its joined streams was read."""


class ConfigError(HopcodecError):
    """A training configuration holds an unknown key, a wrong type or an impossible value."""


class TrainingError(HopcodecError):
    """A run cannot start, go on or resume: the message says what was expected and what came."""


class Unavailable(HopcodecError):
    """A metric or a peer cannot run here; the message names the package to install."""


class CommandError(HopcodecError):
    """A command cannot do what was asked, for a reason that the user can mend."""
