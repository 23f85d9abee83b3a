"""What a benchmark asks of a codec: encode a hop, decode a hop, forget everything."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]
Codes = npt.NDArray[Any]  # uint16 or int64, whichever the runtime deals in
Weights = dict[str, Audio]


class Peer(Protocol):
    """One stream of one implementation.

    Every call takes the same number of frames: one, or `frames` as given at construction.
    A returned array may be the implementation's own buffer, overwritten by the next call: copy it
    to keep it. The residual vector quantizer is inside `encode_hop`, the lookup in `decode_hop`.
    """

    @property
    def name(self) -> str: ...

    @property
    def codes_dtype(self) -> type[np.generic]:
        """The type `encode_hop` returns and `decode_hop` takes."""
        ...

    def encode_hop(self, audio: Audio) -> Codes:
        """Audio (channels, hop_samples * frames) to codes (codebooks, frames)."""
        ...

    def decode_hop(self, codes: Codes) -> Audio:
        """Codes (codebooks, frames) of `codes_dtype` to audio (channels, hop_samples * frames)."""
        ...

    def reset(self) -> None:
        """Start a new stream from zero state."""
        ...
