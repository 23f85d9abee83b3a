"""Trainable modules for this package's codecs. Need torch: `pip install 'hopcodec[torch]'`.

`TrainableCodec` and the layers train a codec of any spec. `EncodecModel`, `DacModel` and their kin
have the interface of `transformers`, and read and write the same folders; SpeechBrain's DAC is in
`hopcodec.torch.speechbrain`.
"""

from hopcodec.torch.auto import AutoProcessor
from hopcodec.torch.codec import TrainableCodec
from hopcodec.torch.dac import DacModel
from hopcodec.torch.dac_config import DacConfig
from hopcodec.torch.dac_features import DacFeatureExtractor
from hopcodec.torch.encodec import EncodecModel
from hopcodec.torch.encodec_config import EncodecConfig
from hopcodec.torch.encodec_features import EncodecFeatureExtractor
from hopcodec.torch.layers import (
    Chain,
    PaddedConv1d,
    ResidualUnit,
    SkipLstm,
    Snake1d,
    TrimmedConvTranspose1d,
)
from hopcodec.torch.quantize import Quantized, ResidualVectorQuantize, VectorQuantize
from hopcodec.torch.quantize_projected import TrainableProjectedRvq

__all__ = [
    "AutoProcessor",
    "Chain",
    "DacConfig",
    "DacFeatureExtractor",
    "DacModel",
    "EncodecConfig",
    "EncodecFeatureExtractor",
    "EncodecModel",
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
