"""Codecs: a spec with weights, ready to encode, decode and stream."""

from __future__ import annotations

from hopcodec.codec._codec import Codec
from hopcodec.codec._load import load
from hopcodec.codec._segmented import SegmentedCodec
from hopcodec.codec._segmented_streams import SegmentedDecoder, SegmentedEncoder
from hopcodec.codec._segments import Segment, SegmentedCodes
from hopcodec.codec._streams import StreamDecoder, StreamEncoder, Streams

__all__ = [
    "Codec",
    "Segment",
    "SegmentedCodec",
    "SegmentedCodes",
    "SegmentedDecoder",
    "SegmentedEncoder",
    "StreamDecoder",
    "StreamEncoder",
    "Streams",
    "load",
]
