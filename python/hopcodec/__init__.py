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
from hopcodec.codec._codec import Codec
from hopcodec.codec._load import load
from hopcodec.codec._segmented import SegmentedCodec
from hopcodec.codec._segmented_streams import SegmentedDecoder, SegmentedEncoder
from hopcodec.codec._segments import Segment, SegmentedCodes
from hopcodec.codec._streams import StreamDecoder, StreamEncoder, Streams
from hopcodec.errors import (
    BitstreamError,
    DeviceError,
    HopcodecError,
    StreamError,
    WeightsError,
)

if TYPE_CHECKING:
    __version__: str

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
    if name == "__version__":  # reading the metadata takes longer than importing the package
        from importlib.metadata import version

        return version("hopcodec")
    raise AttributeError(f"module 'hopcodec' has no attribute {name!r}")
