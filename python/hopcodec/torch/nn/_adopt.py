"""The runtime's weights into a codec to train: the way back from `TrainableCodec.weights`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

import torch
from hopcodec.specs._language import CodecSpec, EuclideanRvq
from hopcodec.torch.nn._assign import assign
from hopcodec.torch.nn._layers import PaddedConv1d, SkipLstm, Snake1d, TrimmedConvTranspose1d
from hopcodec.torch.nn._quantize import EuclideanVectorQuantize, TrainableEuclideanRvq
from hopcodec.torch.nn._quantize_projected import TrainableProjectedRvq
from torch import Tensor, nn


class _Source:
    """Tensors by their names in the spec."""

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        self._weights = weights

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self._weights[name])


@torch.no_grad()
def adopt(
    codec: nn.Module, spec: CodecSpec, weights: Mapping[str, npt.NDArray[np.float32]]
) -> None:
    """Set every weight of a `TrainableCodec` from exactly `spec.tensors()`, in place.

    Codebooks that learn by running means go on as if every entry had been used equally often.
    """
    source = _Source(weights)
    for module in codec.modules():
        match module:
            case PaddedConv1d() | TrimmedConvTranspose1d():
                _convolution(module, source)
            case SkipLstm():
                for name, parameter in module.lstm.named_parameters():
                    parameter.copy_(source[f"{module.layer.name}.{name}"])
            case TrainableEuclideanRvq():
                assert isinstance(spec.quantizer, EuclideanRvq)
                for q, book in enumerate(module.quantizers):
                    assert isinstance(book, EuclideanVectorQuantize)
                    book.restart(source[f"{spec.quantizer.codebook_name(q)}.embed"])
            case TrainableProjectedRvq():
                for q, stage in enumerate(module.quantizers):
                    name = spec.quantizer.codebook_name(q)
                    for part in ("in_proj", "out_proj"):
                        weight, bias = f"{name}.{part}.weight", f"{name}.{part}.bias"
                        assign(stage.get_submodule(part), source[weight], source[bias])
                    stage.get_parameter("codebook.weight").copy_(source[f"{name}.codebook.weight"])


def _convolution(module: PaddedConv1d | TrimmedConvTranspose1d, source: _Source) -> None:
    layer = module.layer
    assign(module.conv, source[f"{layer.name}.weight"], source[f"{layer.name}.bias"])
    if isinstance(module.activation, Snake1d):
        alpha = module.activation.alpha
        alpha.copy_(source[layer.alpha].view_as(alpha))
    for name, parameter in module.norm.named_parameters():
        parameter.copy_(source[f"{layer.norm}.{name}"])
