"""Names for the types that the signatures of several packages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]
"""Samples `(channels, samples)`, full scale at 1."""

CodeArray = npt.NDArray[np.uint16]
"""Codes `(codebooks, frames)`."""

Weights = Mapping[str, npt.NDArray[np.float32]]
"""Tensors by their names in the codec's spec."""

Precision = Literal["fp32", "tf32", "bf16"]
"""How matrices are kept and multiplied; see `hopcodec.load`."""

Start = Literal["exact", "immediate"]
"""How a stream begins; see `hopcodec.Codec.encoder`."""

__all__ = ["Audio", "CodeArray", "Precision", "Start", "Weights"]
