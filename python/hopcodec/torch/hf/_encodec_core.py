"""One signal through the compiled core, whether the codec has segments or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import torch
from hopcodec.codec._codec import Codec
from hopcodec.codec._segmented import SegmentedCodec
from hopcodec.codec._segments import Segment, SegmentedCodes
from hopcodec.torch.hf._runtime import core_decode, core_encode
from torch import Tensor

Chunk = tuple[Tensor, Tensor]  # codes int64 (codebooks, frames), and their scale, float32 ()


def encode_chunks(codec: Codec | SegmentedCodec, signal: Tensor, codebooks: int) -> list[Chunk]:
    """The chunks of a signal, float32 `(channels, samples)`."""
    if isinstance(codec, Codec):
        return [(core_encode(codec, signal, codebooks), torch.ones(()))]
    samples = np.ascontiguousarray(signal.detach().numpy())
    return [
        (torch.from_numpy(segment.codes.astype(np.int64)), torch.tensor(segment.scale))
        for segment in codec.encode(samples, codebooks=codebooks)
    ]


def decode_chunks(codec: Codec | SegmentedCodec, chunks: Sequence[Chunk]) -> Tensor:
    """The audio of one signal's chunks, float32 `(channels, samples)`."""
    if isinstance(codec, Codec):
        ((codes, _),) = chunks
        return core_decode(codec, codes)
    segments = [
        Segment(np.ascontiguousarray(codes.numpy().astype(np.uint16)), np.float32(scale))
        for codes, scale in chunks
    ]
    return torch.from_numpy(codec.decode(SegmentedCodes(segments, len(chunks[0][0]))))
