"""Check the arguments of live objects."""

from __future__ import annotations

from hopcodec.codec._codec import Codec
from hopcodec.codec._segmented import SegmentedCodec
from hopcodec.errors import StreamError

MAX_BLOCK = 65536  # frames of one callback


def check_codec(codec: Codec) -> Codec:
    """`codec`, if it is one; TypeError otherwise."""
    if isinstance(codec, Codec):
        return codec
    if isinstance(codec, SegmentedCodec):
        raise StreamError(
            f"{codec.name} codes whole segments, which no live session can wait for: expected a "
            "codec that runs hop by hop"
        )
    raise TypeError(f"codec: expected what hopcodec.load() gives, got {type(codec).__name__}")
