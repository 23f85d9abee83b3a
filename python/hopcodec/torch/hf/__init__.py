"""`EncodecModel` and `DacModel` with the interface of `transformers`, on the compiled core."""

from hopcodec.torch.hf._auto import AutoProcessor
from hopcodec.torch.hf._dac import DacModel
from hopcodec.torch.hf._dac_config import DacConfig
from hopcodec.torch.hf._dac_features import DacFeatureExtractor
from hopcodec.torch.hf._encodec import EncodecModel
from hopcodec.torch.hf._encodec_config import EncodecConfig
from hopcodec.torch.hf._encodec_features import EncodecFeatureExtractor

__all__ = [
    "AutoProcessor",
    "DacConfig",
    "DacFeatureExtractor",
    "DacModel",
    "EncodecConfig",
    "EncodecFeatureExtractor",
    "EncodecModel",
]
