"""Long arrays in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T", np.float32, np.uint16)


def pieces(array: npt.NDArray[T], columns: int) -> Iterator[npt.NDArray[T]]:
    """Cut `(rows, n)` into C-contiguous pieces of at most `columns`."""
    for first in range(0, array.shape[1], columns):
        yield np.ascontiguousarray(array[:, first : first + columns])
