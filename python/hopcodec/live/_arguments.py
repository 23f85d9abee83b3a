"""What live objects take, checked at the door."""

from __future__ import annotations

from hopcodec.codec._codec import Codec
from hopcodec.codec._segmented import SegmentedCodec
from hopcodec.errors import StreamError


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


def check_whole(what: str, value: int | None, most: int) -> int | None:
    """`value`, if it is None or a whole number from 1 to `most`; an error that names it else."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what}: expected an int or None, got {type(value).__name__}")
    if not 1 <= value <= most:
        raise ValueError(f"{what}: expected 1 to {most}, got {value}")
    return value


def check_ms(what: str, value: float | None) -> float | None:
    """`value`, if it is None or 0 to 10 000 milliseconds; an error that names it else."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{what}: expected a number or None, got {type(value).__name__}")
    if not 0 <= value <= 10_000:
        raise ValueError(f"{what}: expected 0 to 10000 ms, got {value}")
    return value
