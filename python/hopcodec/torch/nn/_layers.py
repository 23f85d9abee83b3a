"""The layers of the spec language as trainable modules, one class per layer.

Every module maps `(batch, channels, rows)` to the same kind and pads as the runtime does. Its
folded weights have the names of the spec, so the runtime computes what was trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

import torch
from hopcodec.specs._language import (
    Conv1d,
    ConvTranspose1d,
    Layer,
    Lstm,
    Nonlinearity,
    Padding,
    Residual,
)
from torch import Tensor, nn

Folded = Iterator[tuple[str, Tensor]]


class Snake1d(nn.Module):
    """`y = x + sin(alpha x)^2 / (alpha + 1e-9)`, one alpha per channel.

    Ziyin et al., arXiv 2006.08195, as DAC uses it (`dac/nn/layers.py`).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, rows)` to the same shape."""
        return x + (self.alpha + 1e-9).reciprocal() * torch.sin(self.alpha * x).square()


def nonlinearity(kind: Nonlinearity, channels: int) -> nn.Module:
    """Return the module of a spec's activation name."""
    if kind == "snake":
        return Snake1d(channels)
    if kind == "elu":
        return nn.ELU()
    return nn.Tanh() if kind == "tanh" else nn.Identity()


def pad(x: Tensor, padding: Padding, stride: int) -> Tensor:
    """Pad rows as the spec says, with EnCodec's rule for short reflected inputs.

    `encodec/modules/conv.py`, `pad1d` and `get_extra_padding_for_conv1d`.
    """
    left, right = padding.left, padding.right
    if padding.full_window:
        right += -x.shape[-1] % stride
    return pad_by(x, left, right, padding.mode)


def pad_by(x: Tensor, left: int, right: int, mode: str) -> Tensor:
    """Pad rows by so many. A reflected input that is too short is first filled up with zeros."""
    length = x.shape[-1]
    if mode == "zero":
        return functional.pad(x, (left, right))
    missing = max(0, max(left, right) + 1 - length)
    padded = functional.pad(functional.pad(x, (0, missing)), (left, right), mode="reflect")
    return padded[..., : padded.shape[-1] - missing]


def _group_norm(layer: Conv1d | ConvTranspose1d) -> nn.Module:
    """Make a norm of one group of all channels and rows (`time_group_norm` in EnCodec)."""
    return nn.GroupNorm(1, layer.out_channels) if layer.norm else nn.Identity()


def _folded(
    layer: Conv1d | ConvTranspose1d, conv: nn.Module, norm: nn.Module, activation: nn.Module
) -> Folded:
    weight, bias = conv.weight, conv.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    yield f"{layer.name}.weight", weight
    yield f"{layer.name}.bias", bias
    if isinstance(activation, Snake1d):
        yield layer.alpha, activation.alpha.flatten()
    for name, tensor in norm.named_parameters():
        yield f"{layer.norm}.{name}", tensor


class PaddedConv1d(nn.Module):
    """`Conv1d` of a spec: activation, padding, convolution, norm, output activation."""

    def __init__(self, layer: Conv1d, *, normalise: bool) -> None:
        super().__init__()
        self.layer = layer
        self.activation = nonlinearity(layer.activation, layer.in_channels)
        conv = nn.Conv1d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            stride=layer.stride,
            dilation=layer.dilation,
        )
        self.conv = weight_norm(conv) if normalise and not layer.norm else conv
        self.norm = _group_norm(layer)
        self.output_activation = nonlinearity(layer.output_activation, layer.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, rows)` to `(batch, out_channels, about rows / stride)`."""
        result: Tensor = self.output_activation(self.norm(self.conv(self.pad(self.activation(x)))))
        return result

    def pad(self, x: Tensor) -> Tensor:
        """Pad `(batch, in_channels, rows)` for the convolution."""
        return pad(x, self.layer.padding, self.layer.stride)

    def folded(self) -> Folded:
        """Yield name and tensor of every weight, with weight norm multiplied out."""
        yield from _folded(self.layer, self.conv, self.norm, self.activation)


class TrimmedConvTranspose1d(nn.Module):
    """`ConvTranspose1d` of a spec: activation, transposed convolution, norm, cut ends."""

    def __init__(self, layer: ConvTranspose1d, *, normalise: bool) -> None:
        super().__init__()
        self.layer = layer
        self.activation = nonlinearity(layer.activation, layer.in_channels)
        conv = nn.ConvTranspose1d(
            layer.in_channels, layer.out_channels, layer.kernel, stride=layer.stride
        )
        # One gain per input channel (dim 0 of torch's layout), as EnCodec and DAC have it.
        self.conv = weight_norm(conv) if normalise and not layer.norm else conv
        self.norm = _group_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, rows)` to `(batch, out_channels, about rows * stride)`."""
        y: Tensor = self.norm(self.conv(self.activation(x)))
        return y[..., self.layer.trim_left : y.shape[-1] - self.layer.trim_right]

    def folded(self) -> Folded:
        """Yield name and tensor of every weight, with weight norm multiplied out."""
        yield from _folded(self.layer, self.conv, self.norm, self.activation)


class SkipLstm(nn.Module):
    """`Lstm` of a spec: stacked LSTMs over rows, plus their input if `skip` is set."""

    def __init__(self, layer: Lstm) -> None:
        super().__init__()
        self.layer = layer
        self.lstm = nn.LSTM(layer.channels, layer.channels, layer.layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, rows)` to the same shape."""
        y: Tensor = self.lstm(x.transpose(1, 2))[0].transpose(1, 2)
        return y + x if self.layer.skip else y

    def folded(self) -> Folded:
        """Yield name and tensor of every weight."""
        for name, tensor in self.lstm.named_parameters():
            yield f"{self.layer.name}.{name}", tensor


class ResidualBlock(nn.Module):
    """`Residual` of a spec: `shortcut(x) + branch(x)`. An empty shortcut is x itself."""

    def __init__(self, layer: Residual, *, normalise: bool) -> None:
        super().__init__()
        self.branch = Chain(layer.branch, normalise=normalise)
        self.shortcut = Chain(layer.shortcut, normalise=normalise)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, rows)` to the same shape."""
        result: Tensor = self.shortcut(x) + self.branch(x)
        return result

    def folded(self) -> Folded:
        """Yield name and tensor of every weight, with weight norm multiplied out."""
        yield from self.branch.folded()
        yield from self.shortcut.folded()


class Chain(nn.Module):
    """Layers one after another. An empty chain is the identity."""

    def __init__(self, layers: Sequence[Layer], *, normalise: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_module(layer, normalise=normalise) for layer in layers)

    def forward(self, x: Tensor) -> Tensor:
        """Pass `(batch, channels, rows)` through every layer."""
        for layer in self.layers:
            x = layer(x)
        return x

    def folded(self) -> Folded:
        """Yield name and tensor of every weight, with weight norm multiplied out."""
        for layer in self.layers:
            assert isinstance(
                layer, (PaddedConv1d, TrimmedConvTranspose1d, SkipLstm, ResidualBlock)
            )
            yield from layer.folded()


def _module(layer: Layer, *, normalise: bool) -> nn.Module:
    match layer:
        case Conv1d():
            return PaddedConv1d(layer, normalise=normalise)
        case ConvTranspose1d():
            return TrimmedConvTranspose1d(layer, normalise=normalise)
        case Lstm():
            return SkipLstm(layer)
        case Residual():
            return ResidualBlock(layer, normalise=normalise)
