"""One tensor as a file describes it, its numbers not yet read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hopcodec.specs._language import Shape

FloatArray = NDArray[np.float32]

READABLE = ("float32", "float16", "bfloat16")  # each converts to float32 exactly


@dataclass(frozen=True)
class RawTensor:
    """What is claimed (`dtype`, `shape`) and how to get it.

    `read` may be called only when `dtype` is in `READABLE` and the shape is one that was asked
    for: until then nothing of the size that a file merely claims has been allocated.
    """

    dtype: str
    shape: Shape
    read: Callable[[], FloatArray]
