"""Check the arguments of live objects."""

from __future__ import annotations

from hopcodec.codec._codec import Codec
from hopcodec.errors import StreamError

MAX_BLOCK = 65536  # frames of one callback


def check_codec(codec: Codec) -> Codec:
    """Return `codec` if a live session can run it.

    Raises
    ------
    TypeError
        It is not a codec.
    StreamError
        It codes segments.
    """
    if not isinstance(codec, Codec):
        raise TypeError(f"codec: expected what hopcodec.load() gives, got {type(codec).__name__}")
    if codec.segments is not None:
        raise StreamError(
            f"{codec.name} codes whole segments, which no live session can wait for: expected a "
            "codec that runs hop by hop"
        )
    return codec
