"""hopcodec itself, through the same small door as everybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

import hopcodec
from peers.base import Audio, Codes


class HopcodecStream:
    """Starts from zero state ("immediate"), so that every hop in gives a hop out."""

    codes_dtype = np.uint16

    def __init__(
        self,
        name: str,
        model: Path,
        bandwidth: float,
        frames: int = 1,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        self.name = name
        codec = hopcodec.load(model, threads=1, precision=precision)
        self._encoder = codec.encoder(
            bandwidth=bandwidth, start="immediate", max_frames_per_push=frames
        )
        self._decoder = codec.decoder(start="immediate", max_frames_per_push=frames)

    def encode_hop(self, audio: Audio) -> Codes:
        codes: Codes = self._encoder.push(audio)
        return codes

    def decode_hop(self, codes: Codes) -> Audio:
        audio: Audio = self._decoder.push(codes)
        return audio

    def reset(self) -> None:
        self._encoder.reset()
        self._decoder.reset()
