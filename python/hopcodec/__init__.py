"""hopcodec: neural audio codecs, hop by hop, exactly as the whole-file model.

>>> import hopcodec, numpy as np
>>> codec = hopcodec.load()
>>> encoder, decoder = codec.encoder(bandwidth=6.0), codec.decoder()
>>> heard = decoder.push(encoder.push(np.zeros((1, 4800), np.float32)))
>>> heard.shape, decoder.flush().shape  # it looks 80 samples ahead
((1, 4720), (1, 80))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hopcodec import ops
from hopcodec._version import __version__
from hopcodec.codec import Codec
from hopcodec.errors import (
    BitstreamError,
    DeviceError,
    HopcodecError,
    StreamError,
    WeightsError,
)
from hopcodec.loading import load
from hopcodec.segmented import SegmentedCodec
from hopcodec.segmented_streams import SegmentedDecoder, SegmentedEncoder
from hopcodec.segments import Segment, SegmentedCodes
from hopcodec.streaming import StreamDecoder, StreamEncoder, Streams

if TYPE_CHECKING:
    from hopcodec.live import LiveEngine, Loopback

__all__ = [
    "BitstreamError",
    "Codec",
    "DeviceError",
    "HopcodecError",
    "LiveEngine",
    "Loopback",
    "Segment",
    "SegmentedCodec",
    "SegmentedCodes",
    "SegmentedDecoder",
    "SegmentedEncoder",
    "StreamDecoder",
    "StreamEncoder",
    "StreamError",
    "Streams",
    "WeightsError",
    "__version__",
    "load",
    "ops",
]


def __getattr__(name: str) -> Any:
    # Live audio is a part few programs need: it is imported when it is first named.
    if name in ("LiveEngine", "Loopback"):
        from hopcodec import live

        return getattr(live, name)
    raise AttributeError(f"module 'hopcodec' has no attribute {name!r}")
