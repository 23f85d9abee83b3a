"""hopcodec: neural audio codecs, hop by hop, exactly as the whole-file model.

>>> import hopcodec, numpy as np
>>> codec = hopcodec.load()
>>> encoder, decoder = codec.encoder(bandwidth=6.0), codec.decoder()
>>> heard = decoder.push(encoder.push(np.zeros((1, 4800), np.float32)))
>>> heard.shape, decoder.flush().shape  # it looks 80 samples ahead
((1, 4720), (1, 80))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hopcodec._show import show_config
from hopcodec.audio import read_audio, write_audio
from hopcodec.codec import Codec, Codes, Decoder, Encoder, StreamPool, load
from hopcodec.errors import (
    AudioFileError,
    BitstreamError,
    CommandError,
    ConfigError,
    DeviceError,
    HopcodecError,
    IncompleteAudioWarning,
    StreamError,
    TrainingError,
    Unavailable,
    WeightsError,
)

if TYPE_CHECKING:
    from hopcodec import audio, evaluation, files, live, ops, torch, training

    __version__: str

__all__ = [
    "AudioFileError",
    "BitstreamError",
    "Codec",
    "Codes",
    "CommandError",
    "ConfigError",
    "Decoder",
    "DeviceError",
    "Encoder",
    "HopcodecError",
    "IncompleteAudioWarning",
    "StreamError",
    "StreamPool",
    "TrainingError",
    "Unavailable",
    "WeightsError",
    "__version__",
    "audio",
    "evaluation",
    "files",
    "live",
    "load",
    "ops",
    "read_audio",
    "show_config",
    "torch",
    "training",
    "write_audio",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # reading the metadata takes longer than importing the package
        from importlib.metadata import version

        return version("hopcodec")
    if name in __all__:  # a package, imported when it is first named
        return import_module(f"hopcodec.{name}")
    raise AttributeError(f"module 'hopcodec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
