"""Trainable modules for this package's codecs. Need torch: `pip install 'hopcodec[torch]'`."""

from hopcodec.torch.codec import TrainableCodec
from hopcodec.torch.layers import (
    Chain,
    PaddedConv1d,
    ResidualUnit,
    SkipLstm,
    Snake1d,
    TrimmedConvTranspose1d,
)
from hopcodec.torch.quantize import Quantized, ResidualVectorQuantize, VectorQuantize

__all__ = [
    "Chain",
    "PaddedConv1d",
    "Quantized",
    "ResidualUnit",
    "ResidualVectorQuantize",
    "SkipLstm",
    "Snake1d",
    "TrainableCodec",
    "TrimmedConvTranspose1d",
    "VectorQuantize",
]
