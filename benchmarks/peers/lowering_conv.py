"""The straightforward lowering: convolutions, transposed convolutions and an LSTM operator.

Data is (1, channels, time). This is what one gets by adding state to the published model, and what
its export to ONNX looks like.
"""

from __future__ import annotations

import torch.nn.functional as F

import torch
from hopcodec.specs._language import Conv1d, ConvTranspose1d, Layer, Lstm
from peers.base import Weights
from peers.lowering import Lowering, State, StatefulLayer, constant
from torch import Tensor, nn


class ConvStep(StatefulLayer):
    """Causal convolution; keeps the last `kernel - stride` (activated) input samples."""

    def __init__(self, layer: Conv1d, weights: Weights) -> None:
        self.keep = (layer.kernel - 1) * layer.dilation + 1 - layer.stride
        super().__init__([(1, layer.in_channels, self.keep)] if self.keep else [])
        self.layer = layer
        self.weight = constant(weights[f"{layer.name}.weight"])
        self.bias = constant(weights[f"{layer.name}.bias"])

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        if self.layer.activation == "elu":
            x = F.elu(x)
        after: list[Tensor] = []
        if self.keep:
            x = torch.cat([state[0], x], dim=2)
            after = [x[:, :, -self.keep :]]
        y = F.conv1d(
            x, self.weight, self.bias, stride=self.layer.stride, dilation=self.layer.dilation
        )
        return y, after


class ConvTransposeStep(StatefulLayer):
    """Transposed convolution of kernel 2 * stride; keeps the overlap, without its bias."""

    def __init__(self, layer: ConvTranspose1d, weights: Weights) -> None:
        if layer.kernel != 2 * layer.stride:
            raise ValueError(f"{layer.name}: expected kernel 2 * stride, got {layer.kernel}")
        super().__init__([(1, layer.out_channels, layer.stride)])
        self.layer = layer
        self.weight = constant(weights[f"{layer.name}.weight"])
        self.bias = constant(weights[f"{layer.name}.bias"].reshape(1, -1, 1))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        stride = self.layer.stride
        if self.layer.activation == "elu":
            x = F.elu(x)
        y = F.conv_transpose1d(x, self.weight, stride=stride)
        head = y[:, :, :stride] + state[0]
        tail = y[:, :, -stride:]
        if x.shape[2] > 1:
            head = torch.cat([head, y[:, :, stride:-stride]], dim=2)
        return head + self.bias, [tail]


class LstmStep(StatefulLayer):
    """Stacked LSTM; keeps h and c."""

    def __init__(self, layer: Lstm, weights: Weights) -> None:
        super().__init__([(layer.layers, 1, layer.channels)] * 2)
        self.skip = layer.skip
        self.lstm = nn.LSTM(layer.channels, layer.channels, layer.layers)
        prefix = f"{layer.name}."
        self.lstm.load_state_dict(
            {
                name.removeprefix(prefix): torch.from_numpy(array)
                for name, array in weights.items()
                if name.startswith(prefix)
            }
        )

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        x = x.permute(2, 0, 1)
        y, (h, c) = self.lstm(x, (state[0], state[1]))
        return (y + x if self.skip else y).permute(1, 2, 0), [h, c]


def make(layer: Layer, weights: Weights) -> StatefulLayer:
    """One layer of a spec; the benchmarked codecs need no others."""
    if isinstance(layer, Conv1d):
        return ConvStep(layer, weights)
    if isinstance(layer, ConvTranspose1d):
        return ConvTransposeStep(layer, weights)
    if isinstance(layer, Lstm):
        return LstmStep(layer, weights)
    raise TypeError(f"no convolution lowering for {type(layer).__name__}")


CONV = Lowering(
    make=make,
    from_audio=lambda audio: audio.unsqueeze(0),
    to_audio=lambda x: x.squeeze(0),
    from_rows=lambda rows: rows.t().unsqueeze(0),
    to_rows=lambda x: x.squeeze(0).t(),
)
