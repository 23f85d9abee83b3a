"""What can go wrong before and in a training run."""

from __future__ import annotations

from hopcodec.errors import HopcodecError


class ConfigError(HopcodecError):
    """A training configuration holds an unknown key, a wrong type or an impossible value."""


class TrainingError(HopcodecError):
    """A run cannot start, go on or resume: the message says what was expected and what came."""
