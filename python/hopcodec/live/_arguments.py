"""Check the arguments of live objects."""

from __future__ import annotations

import os

import numpy as np

from hopcodec._checks import refuse, require, sequence, whole
from hopcodec.codec._codec import Codec
from hopcodec.errors import StreamError

MAX_BLOCK = 65536  # frames of one callback
MAX_DEVICE_CHANNELS = 64  # that the core can map


def check_device(name: str, value: object) -> int | str | None:
    """Return a device's number or part of its name, or None for the default.

    Raises
    ------
    TypeError
        It is of another kind.
    ValueError
        It is a negative number or an empty name.
    """
    if value is None:
        return None
    kind = "the number of a device, part of its name, or None for the default"
    if isinstance(value, str):
        require(bool(value.strip()), name, kind, value)
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        also = " (or, as input, a float32 array of audio)" if name == "input" else ""
        hint = (
            f"; {name}=hopcodec.read_audio(...)[0] plays a file"
            if name == "input" and isinstance(value, os.PathLike)
            else ""
        )
        raise TypeError(f"{name}: expected {kind}{also}, got {type(value).__name__}{hint}")
    return whole(name, value)


def check_output_channels(value: object, codec_channels: int) -> tuple[int, ...]:
    """Return channels of a device, counted from 1, if each is there once and the codec has room.

    Raises
    ------
    TypeError
        It is no sequence of whole numbers.
    ValueError
        A number is out of range or there twice, or they are fewer than the codec's channels.
    """
    given = sequence("output_channels", value, codec_channels, MAX_DEVICE_CHANNELS)
    channels = tuple(whole("output_channels", each, 1, MAX_DEVICE_CHANNELS) for each in given)
    if len(set(channels)) < len(channels):
        refuse("output_channels", "each channel once", value)
    return channels


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
