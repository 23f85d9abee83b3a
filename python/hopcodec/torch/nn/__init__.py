"""Trainable modules for every codec that the spec language can describe."""

from hopcodec.torch.nn._codec import TrainableCodec
from hopcodec.torch.nn._layers import (
    Chain,
    PaddedConv1d,
    ResidualBlock,
    SkipLstm,
    Snake1d,
    TrimmedConvTranspose1d,
)
from hopcodec.torch.nn._quantize import EuclideanVectorQuantize, Quantized, TrainableEuclideanRvq
from hopcodec.torch.nn._quantize_projected import TrainableProjectedRvq

__all__ = [
    "Chain",
    "EuclideanVectorQuantize",
    "PaddedConv1d",
    "Quantized",
    "ResidualBlock",
    "SkipLstm",
    "Snake1d",
    "TrainableCodec",
    "TrainableEuclideanRvq",
    "TrainableProjectedRvq",
    "TrimmedConvTranspose1d",
]
