"""Checks of settings that come from files, which may be anybody's."""

from __future__ import annotations

import math
from numbers import Integral, Real

MOST = 1 << 20  # of any number of channels, entries or hertz
MOST_HOP = 1 << 16


def whole(name: str, value: object, *, least: int = 1, most: int = MOST) -> int:
    """An integer in a range; else TypeError or ValueError with its name."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer, got {value!r:.100}")
    number = int(value)
    if not least <= number <= most:
        raise ValueError(f"{name}: expected {least} to {most}, got {value!r:.100}")
    return number


def finite(name: str, value: object) -> float:
    """A finite number; else TypeError or ValueError with its name."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name}: expected a number, got {value!r:.100}")
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r:.100}")
    return float(value)


def keep_extra(owner: object, name: str, value: object) -> None:
    """Keep what a file says beyond the known settings; ValueError if it would hide a method."""
    own = getattr(type(owner), name, None)
    if callable(own) or isinstance(own, property) or name.startswith("__"):
        raise ValueError(f"{name}: expected a setting, got a name that {type(owner).__name__} uses")
    setattr(owner, name, value)
