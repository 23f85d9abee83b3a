"""EnCodec's modules under the names and numbers that `transformers` and its files give them.

They are those of `hopcodec.torch.nn._layers`; only where each lies in the tree is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from hopcodec.specs._language import Conv1d, ConvTranspose1d, Layer, Lstm, Residual
from hopcodec.torch.hf._encodec_config import EncodecConfig
from hopcodec.torch.nn._layers import PaddedConv1d, SkipLstm, TrimmedConvTranspose1d, pad_by
from hopcodec.torch.nn._quantize import Quantized, nearest, residual_quantize
from torch import Tensor, nn


class EncodecConv1d(PaddedConv1d):
    """A convolution that can also pad as the reference does, where that is wrong."""

    exact_reference = False

    def pad(self, x: Tensor) -> Tensor:
        """The reference finds the last window in float32, which is off for more than 2**24 rows."""
        padding, stride = self.layer.padding, self.layer.stride
        if not self.exact_reference or x.shape[-1] <= 2**24:
            return super().pad(x)
        kernel = (self.layer.kernel - 1) * self.layer.dilation + 1
        extra = float32_extra_padding(x.shape[-1], kernel, stride)
        return pad_by(x, padding.left, padding.right + extra, padding.mode)


def float32_extra_padding(length: int, kernel: int, stride: int) -> int:
    """Rows that the reference adds on the right to fill the last window; negative: rows it drops.

    `transformers`, `EncodecConv1d._get_extra_padding_for_conv1d`, divides integers as float32.
    """
    total = kernel - stride
    windows = torch.tensor(length - kernel + total) / torch.tensor(stride) + 1
    return (int(windows.ceil()) - 1) * stride + kernel - total - length


class EncodecResnetBlock(nn.Module):
    """`shortcut(x) + block(x)`."""

    def __init__(self, layer: Residual) -> None:
        super().__init__()
        self.block = numbered(layer.branch)
        self.shortcut = numbered(layer.shortcut)[0] if layer.shortcut else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, rows)` to the same."""
        y = x
        for module in self.block:
            y = module(y)
        result: Tensor = self.shortcut(x) + y
        return result


def numbered(layers: Sequence[Layer]) -> nn.ModuleList:
    """The modules of `layers` with each ELU as one more module before its layer."""
    modules: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, (Conv1d, ConvTranspose1d)) and layer.activation == "elu":
            modules.append(nn.ELU())
        match layer:
            case Conv1d():
                modules.append(EncodecConv1d(replace(layer, activation="none"), normalise=True))
            case ConvTranspose1d():
                plain = replace(layer, activation="none")
                modules.append(TrimmedConvTranspose1d(plain, normalise=True))
            case Lstm():
                modules.append(SkipLstm(layer))
            case Residual():
                modules.append(EncodecResnetBlock(layer))
    return nn.ModuleList(modules)


class EncodecCoder(nn.Module):
    """The encoder or the decoder: `layers` one after another."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = numbered(layers)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, rows)` through every layer."""
        for module in self.layers:
            x = module(x)
        return x


class EncodecEuclideanCodebook(nn.Module):
    """Entries, and what training kept of them, which nothing here reads or changes."""

    embed: Tensor
    embed_avg: Tensor
    cluster_size: Tensor
    inited: Tensor

    def __init__(self, codebook_size: int, dim: int) -> None:
        super().__init__()
        entries = torch.randn(codebook_size, dim)
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.ones(codebook_size))
        self.register_buffer("embed", entries)
        self.register_buffer("embed_avg", entries.clone())

    @torch.no_grad()
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows `(n, dim)` to their nearest entries `(n, dim)` and codes `(n,)`."""
        entries = self.embed.to(x.dtype)
        codes = nearest(x, entries)
        return entries[codes], codes


class EncodecVectorQuantization(nn.Module):
    """One stage; it only gives its codebook the name that files know it by."""

    def __init__(self, codebook_size: int, dim: int) -> None:
        super().__init__()
        self.codebook = EncodecEuclideanCodebook(codebook_size, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows `(n, dim)` to their entries `(n, dim)` and codes `(n,)`."""
        return cast(tuple[Tensor, Tensor], self.codebook(x))


class EncodecResidualVectorQuantizer(nn.Module):
    """Codebooks in a row, each for what the ones before it left over; they do not learn.

    `hopcodec.torch.nn.TrainableCodec` has codebooks that do.
    """

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        self.codebook_size = config.codebook_size
        self.frame_rate = config.frame_rate
        self.num_quantizers = config.num_quantizers
        self.layers = nn.ModuleList(
            EncodecVectorQuantization(config.codebook_size, config.hidden_size)
            for _ in range(config.num_quantizers)
        )

    def get_num_quantizers_for_bandwidth(self, bandwidth: float | None = None) -> int:
        """Codebooks at `bandwidth` kbps; all of them without one."""
        if bandwidth is None or bandwidth <= 0.0:
            return self.num_quantizers
        each = math.log2(self.codebook_size) * self.frame_rate
        return min(max(1, math.floor(bandwidth * 1000 / each)), self.num_quantizers)

    def forward(self, latents: Tensor, bandwidth: float | None = None) -> Quantized:
        """Quantise `(batch, dim, frames)`; gradients pass straight through to `latents`."""
        stages = list(self.layers)[: self.get_num_quantizers_for_bandwidth(bandwidth)]
        return residual_quantize(stages, latents)

    def encode(self, embeddings: Tensor, bandwidth: float | None = None) -> Tensor:
        """Latents `(batch, dim, frames)` to codes `(codebooks, batch, frames)`."""
        with torch.no_grad():
            codes: Tensor = self(embeddings, bandwidth).codes
        return codes.transpose(0, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes `(codebooks, batch, frames)` to latents `(batch, dim, frames)`.

        Raises
        ------
        ValueError
            A code is no entry: -1, with which `EncodecModel` fills up short items, would be taken
            for the last one.
        """
        low, high = (int(codes.min()), int(codes.max())) if codes.numel() else (0, 0)
        if low < 0 or high >= self.codebook_size:
            raise ValueError(f"codes: expected 0 to {self.codebook_size - 1}, got {low} to {high}")
        total = torch.zeros((), device=codes.device)
        for stage, index in zip(self.layers, codes, strict=False):
            assert isinstance(stage, EncodecVectorQuantization)
            total = total + stage.codebook.embed[index]
        return total.transpose(1, 2)
