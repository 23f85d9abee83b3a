"""Check numbers of files that may be anybody's."""

from __future__ import annotations

import math
from numbers import Integral, Real

MOST = 1 << 20  # of any number of channels, entries or hertz
MOST_HOP = 1 << 16


def whole(name: str, value: object, *, least: int = 1, most: int = MOST) -> int:
    """Return an integer in a range; raise TypeError or ValueError with its name for others."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer, got {value!r:.100}")
    number = int(value)
    if not least <= number <= most:
        raise ValueError(f"{name}: expected {least} to {most}, got {value!r:.100}")
    return number


def finite(name: str, value: object) -> float:
    """Return a finite number; raise TypeError or ValueError with its name for others."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name}: expected a number, got {value!r:.100}")
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r:.100}")
    return float(value)


def power_of_two(name: str, value: int) -> None:
    """Raise ValueError with the name of a number that is no power of 2."""
    if value & (value - 1):
        raise ValueError(f"{name}: expected a power of 2, got {value}")
