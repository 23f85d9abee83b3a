"""A trainable codec, built from the same spec as the runtime's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

import torch
from hopcodec.specs._language import CodecSpec, ProjectedRvq, Quantizer
from hopcodec.torch.nn._adopt import adopt
from hopcodec.torch.nn._layers import Chain
from hopcodec.torch.nn._quantize import Quantized, TrainableEuclideanRvq
from hopcodec.torch.nn._quantize_projected import TrainableProjectedRvq
from hopcodec.torch.nn._start import structured_start
from hopcodec.weights import Dtype, save_weights
from torch import Tensor, nn


class TrainableCodec(nn.Module):
    """Encoder, residual vector quantizer and decoder of a `CodecSpec`.

    Parameters
    ----------
    spec
        Any codec of the spec language.
    normalise
        Train every convolution under weight norm (Salimans and Kingma, arXiv 1602.07868), which
        export multiplies out.

    Examples
    --------
    >>> import torch
    >>> from hopcodec.specs._names import SPECS
    >>> from hopcodec.torch.nn import TrainableCodec
    >>> model = TrainableCodec(SPECS["hopcodec_24khz"]())
    >>> audio, quantized = model(torch.zeros(2, 1, 3200))
    >>> tuple(audio.shape), tuple(quantized.codes.shape)
    ((2, 1, 3200), (2, 8, 10))
    """

    def __init__(self, spec: CodecSpec, *, normalise: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = Chain(spec.encoder, normalise=normalise)
        self.quantizer = _quantizer(spec.quantizer, normalise=normalise)
        self.decoder = Chain(spec.decoder, normalise=normalise)
        structured_start(self.encoder, self.decoder)

    def forward(self, audio: Tensor, n_q: Tensor | None = None) -> tuple[Tensor, Quantized]:
        """Turn audio `(batch, channels, samples)`, in whole hops, into reconstruction and codes."""
        quantized = self.quantizer(self.encoder(audio), n_q)
        return self.decoder(quantized.quantized), quantized

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return exactly `spec.tensors()`, folded float32, for the runtime."""
        with torch.no_grad():
            found = dict((*self.encoder.folded(), *self.decoder.folded(), *self._codebooks()))
            return {
                name: np.ascontiguousarray(found[name].detach().float().cpu().numpy())
                for name in self.spec.tensors()
            }

    def take(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take the weights of a trained codec, which are exactly `spec.tensors()`, in place."""
        adopt(self, self.spec, weights)

    def _codebooks(self) -> Iterator[tuple[str, Tensor]]:
        spec, quantizer = self.spec.quantizer, self.quantizer
        if isinstance(spec, ProjectedRvq):
            assert isinstance(quantizer, TrainableProjectedRvq)
            yield from quantizer.folded(spec)
        else:
            assert isinstance(quantizer, TrainableEuclideanRvq)
            yield from quantizer.folded(spec)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        dtype: Dtype = "float32",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a safetensors file that `hopcodec.load` reads; see `save_weights`."""
        save_weights(path, self.spec, self.weights(), metadata, dtype=dtype)


def _quantizer(
    spec: Quantizer, *, normalise: bool
) -> TrainableEuclideanRvq | TrainableProjectedRvq:
    if isinstance(spec, ProjectedRvq):
        return TrainableProjectedRvq(spec, normalise=normalise)
    return TrainableEuclideanRvq(spec.codebooks, spec.codebook_size, spec.dim)
