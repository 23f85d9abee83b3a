"""The convolutional blocks of DAC as modules, under the names of the released state dict.

Same arguments, defaults and shapes as `speechbrain.lobes.models.discrete.dac` and `dac.model.dac`
(arXiv 2306.06546, figure 1). `normalise=False` leaves weight norm out, as Hugging Face's files do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.nn.utils.parametrizations import weight_norm

from hopcodec.specs._dac import DILATIONS
from hopcodec.torch.nn._layers import Snake1d
from torch import Tensor, nn

KERNEL = 7


def WNConv1d(*args: Any, **kwargs: Any) -> nn.Conv1d:
    """`nn.Conv1d` under weight norm, one gain per output channel."""
    conv: nn.Conv1d = weight_norm(nn.Conv1d(*args, **kwargs))
    return conv


def WNConvTranspose1d(*args: Any, **kwargs: Any) -> nn.ConvTranspose1d:
    """`nn.ConvTranspose1d` under weight norm, one gain per *input* channel."""
    conv: nn.ConvTranspose1d = weight_norm(nn.ConvTranspose1d(*args, **kwargs))
    return conv


def _same(cin: int, cout: int, kernel: int, *, dilation: int = 1, normalise: bool) -> nn.Conv1d:
    """A convolution that keeps the number of rows, zeros on both sides."""
    pad = dilation * (kernel - 1) // 2
    make = WNConv1d if normalise else nn.Conv1d
    return make(cin, cout, kernel_size=kernel, dilation=dilation, padding=pad)


class ResidualUnit(nn.Module):
    """`x + block(x)`: Snake, convolution of 7 with a dilation, Snake, convolution of 1.

    Parameters
    ----------
    dim
        Channels.
    dilation
        Of the first convolution; DAC has units of 1, 3 and 9.
    """

    def __init__(self, dim: int = 16, dilation: int = 1, *, normalise: bool = True) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Snake1d(dim),
            _same(dim, dim, KERNEL, dilation=dilation, normalise=normalise),
            Snake1d(dim),
            _same(dim, dim, 1, normalise=normalise),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, dim, rows)` to the same."""
        return shortened(x, self.block(x))


def shortened(x: Tensor, y: Tensor) -> Tensor:
    """`x + y`, x cut equally at both ends when y is shorter (padding taken out of its layers)."""
    cut = (x.shape[-1] - y.shape[-1]) // 2
    return (x[..., cut:-cut] if cut > 0 else x) + y


class EncoderBlock(nn.Module):
    """Three residual units at `dim // 2` channels, then a strided convolution to `dim`.

    Parameters
    ----------
    dim
        Channels out.
    stride
        Rows in per row out.
    """

    def __init__(self, dim: int = 16, stride: int = 1, *, normalise: bool = True) -> None:
        super().__init__()
        half = dim // 2
        make = WNConv1d if normalise else nn.Conv1d
        pad = math.ceil(stride / 2)
        self.block = nn.Sequential(
            *(ResidualUnit(half, dilation=d, normalise=normalise) for d in DILATIONS),
            Snake1d(half),
            make(half, dim, kernel_size=2 * stride, stride=stride, padding=pad),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, dim // 2, rows)` to `(batch, dim, rows / stride)`."""
        y: Tensor = self.block(x)
        return y


class Encoder(nn.Module):
    """Audio to latents.

    Parameters
    ----------
    d_model
        Channels after the first convolution; every block doubles them.
    strides
        Of the blocks, first to last.
    d_latent
        Channels of the latents.

    Examples
    --------
    >>> import torch
    >>> Encoder()(torch.randn(1, 1, 16000)).shape
    torch.Size([1, 64, 31])
    """

    def __init__(
        self,
        d_model: int = 64,
        strides: Sequence[int] = (2, 4, 8, 8),
        d_latent: int = 64,
        *,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [_same(1, d_model, KERNEL, normalise=normalise)]
        for stride in strides:
            d_model *= 2
            layers.append(EncoderBlock(d_model, stride=stride, normalise=normalise))
        layers += [Snake1d(d_model), _same(d_model, d_latent, 3, normalise=normalise)]
        self.block = nn.Sequential(*layers)
        self.enc_dim = d_model

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, 1, samples)` to `(batch, d_latent, frames)`: as many frames as whole hops."""
        y: Tensor = self.block(x)
        return y


class DecoderBlock(nn.Module):
    """A strided transposed convolution, then three residual units.

    Parameters
    ----------
    input_dim, output_dim
        Channels in and out.
    stride
        Rows out per row in. An odd one gives one row less: `stride * rows - 1`.
    """

    def __init__(
        self, input_dim: int = 16, output_dim: int = 8, stride: int = 1, *, normalise: bool = True
    ) -> None:
        super().__init__()
        make = WNConvTranspose1d if normalise else nn.ConvTranspose1d
        pad = math.ceil(stride / 2)
        self.block = nn.Sequential(
            Snake1d(input_dim),
            make(input_dim, output_dim, kernel_size=2 * stride, stride=stride, padding=pad),
            *(ResidualUnit(output_dim, dilation=d, normalise=normalise) for d in DILATIONS),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, input_dim, rows)` to `(batch, output_dim, about rows * stride)`."""
        y: Tensor = self.block(x)
        return y


class Decoder(nn.Module):
    """Latents to audio.

    Parameters
    ----------
    input_channel
        Channels of the latents.
    channels
        After the first convolution; every block halves them.
    rates
        Strides of the blocks, first to last.
    d_out
        Audio channels.

    Examples
    --------
    >>> import torch
    >>> Decoder(128, 256, [8, 8, 4, 2])(torch.randn(1, 128, 20)).shape
    torch.Size([1, 1, 10240])
    """

    def __init__(
        self,
        input_channel: int,
        channels: int,
        rates: Sequence[int],
        d_out: int = 1,
        *,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [_same(input_channel, channels, KERNEL, normalise=normalise)]
        for rate in rates:
            block = DecoderBlock(channels, channels // 2, rate, normalise=normalise)
            layers.append(block)
            channels //= 2
        layers += [
            Snake1d(channels),
            _same(channels, d_out, KERNEL, normalise=normalise),
            nn.Tanh(),
        ]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, input_channel, frames)` to `(batch, d_out, samples)`."""
        y: Tensor = self.model(x)
        return y
