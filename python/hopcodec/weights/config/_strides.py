"""Strides of a codec read from a file, and the limits that every config shares."""

from __future__ import annotations

import math

from hopcodec._checks import require, sequence, whole
from hopcodec.errors import WeightsError

MAX_SIZE = 1 << 20  # of any number in a config
_MAX_STRIDE = 64  # the largest of a published model is 8
_MAX_BLOCKS = 8  # the published models have 4
_MAX_HOP = 1 << 16


def strides(name: str, value: object, least: int) -> tuple[int, ...]:
    """Return the strides of an encoder's or a decoder's blocks, each `least` to 64."""
    given = sequence(name, value, 1, _MAX_BLOCKS, error=WeightsError)
    found = tuple(whole(name, item, least, _MAX_STRIDE, error=WeightsError) for item in given)
    hop = math.prod(found)
    require(hop <= _MAX_HOP, name, f"a hop of at most {_MAX_HOP}", hop, WeightsError)
    return found
