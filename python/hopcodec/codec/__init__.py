"""Codecs: a spec with weights, ready to encode, decode and stream."""

from __future__ import annotations

from hopcodec.codec._codec import Codec
from hopcodec.codec._codes import AnyCodes, Codes, Segment
from hopcodec.codec._load import load
from hopcodec.codec._pool import StreamPool
from hopcodec.codec._sessions import Sessions
from hopcodec.codec._streams import Decoder, Encoder

__all__ = [
    "AnyCodes",
    "Codec",
    "Codes",
    "Decoder",
    "Encoder",
    "Segment",
    "Sessions",
    "StreamPool",
    "load",
]
