"""Narrow DACs, and signals pushed through them in pieces."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from dac_models import narrow, narrow_weights

from hopcodec import Codec

Array = npt.NDArray[np.float32]


@cache
def codec_of(name: str, isa: str = "", *, full_hop: bool = False) -> Codec:
    return Codec(narrow(name), narrow_weights(name), isa=isa, full_hop=full_hop)


def noise(samples: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((1, samples))).astype(np.float32)


def encode_in_pieces(codec: Codec, audio: Array, sizes: list[int]) -> npt.NDArray[np.uint16]:
    encoder = codec.encoder(max_frames_per_push=3)
    parts, at = [], 0
    while at < audio.shape[1]:
        size = sizes[len(parts) % len(sizes)]
        parts.append(encoder.push(np.ascontiguousarray(audio[:, at : at + size])))
        at += size
    return np.concatenate([*parts, encoder.flush()], axis=1)


def decode_in_pieces(codec: Codec, codes: npt.NDArray[np.uint16], sizes: list[int]) -> Array:
    decoder = codec.decoder(max_frames_per_push=3)
    parts, at = [], 0
    while at < codes.shape[1]:
        size = max(1, sizes[len(parts) % len(sizes)] // 300)
        parts.append(decoder.push(np.ascontiguousarray(codes[:, at : at + size])))
        at += size
    return np.concatenate([*parts, decoder.flush()], axis=1)
