"""One signal through the compiled core, whether the codec has segments or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import torch
from hopcodec.codec._codec import Codec
from hopcodec.codec._codes import Codes, Segment
from hopcodec.torch.hf._runtime import core_decode, core_encode
from torch import Tensor

Chunk = tuple[Tensor, Tensor]  # codes int64 (codebooks, frames), and their scale, float32 ()


def encode_chunks(codec: Codec, signal: Tensor, codebooks: int) -> list[Chunk]:
    """Return the chunks of a signal, float32 `(channels, samples)`."""
    if codec.segments is None:
        return [(core_encode(codec, signal, codebooks), torch.ones(()))]
    codes = codec.encode(np.ascontiguousarray(signal.detach().numpy()), codebooks=codebooks)
    assert isinstance(codes, Codes)
    return [
        (torch.from_numpy(segment.codes.astype(np.int64)), torch.tensor(segment.scale))
        for segment in codes
    ]


def decode_chunks(codec: Codec, chunks: Sequence[Chunk]) -> Tensor:
    """Return the audio of one signal's chunks, float32 `(channels, samples)`."""
    if codec.segments is None:
        ((codes, _),) = chunks
        return core_decode(codec, codes)
    segments = [
        Segment(np.ascontiguousarray(codes.numpy().astype(np.uint16)), np.float32(scale))
        for codes, scale in chunks
    ]
    return torch.from_numpy(codec.decode(Codes(segments, len(chunks[0][0]))))
