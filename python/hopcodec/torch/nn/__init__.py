"""Trainable modules for every codec that the spec language can describe."""

from hopcodec.torch.nn._codec import TrainableCodec
from hopcodec.torch.nn._layers import (
    Chain,
    PaddedConv1d,
    ResidualUnit,
    SkipLstm,
    Snake1d,
    TrimmedConvTranspose1d,
)
from hopcodec.torch.nn._quantize import Quantized, ResidualVectorQuantize, VectorQuantize
from hopcodec.torch.nn._quantize_projected import TrainableProjectedRvq

__all__ = [
    "Chain",
    "PaddedConv1d",
    "Quantized",
    "ResidualUnit",
    "ResidualVectorQuantize",
    "SkipLstm",
    "Snake1d",
    "TrainableCodec",
    "TrainableProjectedRvq",
    "TrimmedConvTranspose1d",
    "VectorQuantize",
]
