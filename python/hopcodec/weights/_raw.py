"""One tensor as a file describes it, before its numbers are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hopcodec.specs._language import Shape

FloatArray = NDArray[np.float32]
Tensors = dict[str, FloatArray]

READABLE = ("float32", "float16", "bfloat16")  # each converts to float32 exactly


@dataclass(frozen=True)
class RawTensor:
    """A tensor's claimed `dtype` and `shape`, and a function that reads it.

    Call `read` only if `dtype` is in `READABLE` and the shape is the expected one. Until then
    nothing of the claimed size is allocated.
    """

    dtype: str
    shape: Shape
    read: Callable[[], FloatArray]
