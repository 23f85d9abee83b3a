"""What a codec asks of the way it codes: hop by hop, or in segments."""

from __future__ import annotations

from typing import Protocol

from hopcodec.codec._codes import AnyCodes
from hopcodec.codec._pool import StreamPool
from hopcodec.codec._streams import Decoder, Encoder
from hopcodec.typing import Audio, Start


class Strategy(Protocol):
    """The methods of `Codec` that depend on whether its spec has segments."""

    @property
    def latency_samples(self) -> int: ...

    @property
    def lookahead_samples(self) -> int: ...

    def samples_for(self, codes: AnyCodes | int) -> int: ...

    def encoder(self, codebooks: int, start: Start, max_frames: int | None) -> Encoder: ...

    def decoder(self, start: Start, max_frames: int | None) -> Decoder: ...

    def pool(
        self, n: int, codebooks: int, start: Start, max_frames: int, device: str
    ) -> StreamPool: ...

    def encode(self, audio: Audio, codebooks: int, start: Start) -> AnyCodes: ...

    def decode(self, codes: AnyCodes, start: Start) -> Audio: ...
