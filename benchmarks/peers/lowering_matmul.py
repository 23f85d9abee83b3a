"""The lowering general runtimes like best for one hop: every layer is a matrix product.

Data is (time, channels). A causal convolution multiplies windows of rows; a transposed one of
kernel 2 * stride is a two-row convolution with stride * out_channels outputs, reshaped. Nobody
publishes the model in this form; it is here so that each runtime is shown at its best.
"""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F

import torch
from hopcodec.specs._language import Conv1d, ConvTranspose1d, Layer, Lstm
from peers.base import Weights
from peers.lowering import Lowering, State, StatefulLayer, constant
from torch import Tensor, nn


def windows(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Windows of `kernel` rows every `stride` rows, each flattened: (count, kernel * channels)."""
    count = (x.shape[0] - kernel) // stride + 1
    if count == 1:
        return x.reshape(1, -1)
    if stride == 1:
        return torch.cat([x[k : k + count] for k in range(kernel)], dim=1)
    blocks = x.reshape(count + 1, -1)
    return torch.cat([blocks[:-1], blocks[1:]], dim=1)


class MatmulConvStep(StatefulLayer):
    """Causal convolution; keeps the last `kernel - stride` (activated) input rows."""

    def __init__(self, layer: Conv1d, weights: Weights) -> None:
        if layer.dilation != 1 or layer.stride not in (1, layer.kernel // 2):
            raise ValueError(f"{layer.name}: expected stride 1 or kernel / 2, and no dilation")
        self.keep = layer.kernel - layer.stride
        super().__init__([(self.keep, layer.in_channels)] if self.keep else [])
        self.layer = layer
        weight = weights[f"{layer.name}.weight"]  # (out, in, kernel) to (kernel * in, out)
        self.weight = constant(weight.transpose(2, 1, 0).reshape(-1, layer.out_channels))
        self.bias = constant(weights[f"{layer.name}.bias"])

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        if self.layer.activation == "elu":
            x = F.elu(x)
        after: list[Tensor] = []
        if self.keep:
            x = torch.cat([state[0], x], dim=0)
            after = [x[-self.keep :]]
        if self.layer.kernel > 1:
            x = windows(x, self.layer.kernel, self.layer.stride)
        return torch.addmm(self.bias, x, self.weight), after


class MatmulConvTransposeStep(StatefulLayer):
    """Transposed convolution of kernel 2 * stride; keeps the last (activated) input row."""

    def __init__(self, layer: ConvTranspose1d, weights: Weights) -> None:
        if layer.kernel != 2 * layer.stride:
            raise ValueError(f"{layer.name}: expected kernel 2 * stride, got {layer.kernel}")
        super().__init__([(1, layer.in_channels)])
        self.layer = layer
        weight = weights[f"{layer.name}.weight"]  # (in, out, 2 * stride)
        halves = weight.reshape(layer.in_channels, layer.out_channels, 2, layer.stride)
        now, before = halves.transpose(2, 0, 3, 1)  # each (in, stride, out)
        both = np.concatenate([before, now])
        self.weight = constant(both.reshape(2 * layer.in_channels, -1))
        self.bias = constant(np.tile(weights[f"{layer.name}.bias"], layer.stride))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        if self.layer.activation == "elu":
            x = F.elu(x)
        rows = torch.cat([state[0], x], dim=0)
        y = torch.addmm(self.bias, windows(rows, 2, 1), self.weight)
        return y.reshape(-1, self.layer.out_channels), [rows[-1:]]


class MatmulLstmStep(StatefulLayer):
    """Stacked LSTM, one [x, h] product per layer and frame; keeps h and c of each layer."""

    def __init__(self, layer: Lstm, weights: Weights) -> None:
        super().__init__([(1, layer.channels)] * (2 * layer.layers))
        self.skip = layer.skip
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for k in range(layer.layers):
            ih, hh = (weights[f"{layer.name}.weight_{part}_l{k}"] for part in ("ih", "hh"))
            self.weights.append(constant(np.concatenate([ih, hh], axis=1).T))
            bias_ih, bias_hh = (weights[f"{layer.name}.bias_{part}_l{k}"] for part in ("ih", "hh"))
            self.biases.append(constant(bias_ih + bias_hh))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        rows: list[Tensor] = []
        after = list(state)
        for t in range(x.shape[0]):
            row = x[t : t + 1]
            for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                h, c = after[2 * k], after[2 * k + 1]
                gates = torch.addmm(bias, torch.cat([row, h], dim=1), weight)
                i, f, g, o = gates.chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                row = torch.sigmoid(o) * torch.tanh(c)
                after[2 * k : 2 * k + 2] = [row, c]
            rows.append(row)
        y = torch.cat(rows) if len(rows) > 1 else rows[0]
        return (y + x if self.skip else y), after


def make(layer: Layer, weights: Weights) -> StatefulLayer:
    """One layer of a spec; the benchmarked codecs need no others."""
    if isinstance(layer, Conv1d):
        return MatmulConvStep(layer, weights)
    if isinstance(layer, ConvTranspose1d):
        return MatmulConvTransposeStep(layer, weights)
    if isinstance(layer, Lstm):
        return MatmulLstmStep(layer, weights)
    raise TypeError(f"no matrix lowering for {type(layer).__name__}")


MATMUL = Lowering(
    make=make,
    from_audio=lambda audio: audio.t(),
    to_audio=lambda x: x.t(),
    from_rows=lambda rows: rows,
    to_rows=lambda x: x,
)
