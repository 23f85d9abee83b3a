"""SpeechBrain's DAC, `speechbrain.lobes.models.discrete.dac`: the same classes and results.

Only the import differs. `DAC.encode` and `DAC.decode` compute on the compiled core when no gradient
is asked for (`torch.no_grad`, evaluation mode), else with these modules, which can be trained.
"""

from hopcodec.torch.nn._layers import Snake1d
from hopcodec.torch.nn._quantize_projected import ProjectedVectorQuantize as VectorQuantize
from hopcodec.torch.speechbrain._blocks import (
    Decoder,
    DecoderBlock,
    Encoder,
    EncoderBlock,
    ResidualUnit,
    WNConv1d,
    WNConvTranspose1d,
)
from hopcodec.torch.speechbrain._dac import DAC, ResidualVectorQuantize, init_weights
from hopcodec.torch.speechbrain._files import download

__all__ = [
    "DAC",
    "Decoder",
    "DecoderBlock",
    "Encoder",
    "EncoderBlock",
    "ResidualUnit",
    "ResidualVectorQuantize",
    "Snake1d",
    "VectorQuantize",
    "WNConv1d",
    "WNConvTranspose1d",
    "download",
    "init_weights",
]
