"""EnCodec for many streams at once in torch, states in place: what one would write on a GPU.

Channels first, cuDNN's convolutions and LSTM, zero state at the start. Every state tensor keeps its
storage, so a step can be captured as a CUDA graph (`Captured`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F

import torch
from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    EuclideanRvq,
    Layer,
    Lstm,
    Nonlinearity,
    Residual,
)
from peers.base import Weights
from torch import Tensor

Step = Callable[[Tensor], Tensor]


def _activate(kind: Nonlinearity, x: Tensor) -> Tensor:
    if kind == "snake":
        raise ValueError("activation: expected none, elu or tanh, got snake")
    return F.elu(x) if kind == "elu" else torch.tanh(x) if kind == "tanh" else x


class Batched:
    """A chain of layers for `batch` streams; `step` takes `(batch, channels, rows)`."""

    def __init__(self, layers: Sequence[Layer], weights: Weights, batch: int, device: str) -> None:
        self.batch = batch
        self.device = device
        self.states: list[Tensor] = []
        self._weights = weights
        self._steps = [self._build(layer) for layer in layers]

    def step(self, x: Tensor) -> Tensor:
        for layer in self._steps:
            x = layer(x)
        return x

    def reset(self) -> None:
        for state in self.states:
            state.zero_()

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(self._weights[name]).to(self.device)

    def _state(self, *shape: int) -> Tensor:
        self.states.append(torch.zeros(shape, device=self.device))
        return self.states[-1]

    def _build(self, layer: Layer) -> Step:
        match layer:
            case Conv1d():
                return self._conv(layer)
            case ConvTranspose1d():
                return self._transpose(layer)
            case Lstm():
                return self._lstm(layer)
            case Residual():
                branch = [self._build(part) for part in layer.branch]
                shortcut = [self._build(part) for part in layer.shortcut]
                return lambda x: _run(shortcut, x) + _run(branch, x)

    def _conv(self, layer: Conv1d) -> Step:
        weight, bias = self._tensor(f"{layer.name}.weight"), self._tensor(f"{layer.name}.bias")
        held = (layer.kernel - 1) * layer.dilation + 1 - layer.stride
        state = self._state(self.batch, layer.in_channels, held)

        def step(x: Tensor) -> Tensor:
            x = torch.cat([state, _activate(layer.activation, x)], dim=2)
            if held > 0:
                state.copy_(x[:, :, x.shape[2] - held :])
            y = F.conv1d(x, weight, bias, layer.stride, 0, layer.dilation)
            return _activate(layer.output_activation, y)

        return step

    def _transpose(self, layer: ConvTranspose1d) -> Step:
        weight, bias = self._tensor(f"{layer.name}.weight"), self._tensor(f"{layer.name}.bias")
        tail = layer.kernel - layer.stride
        state = self._state(self.batch, layer.out_channels, tail)

        def step(x: Tensor) -> Tensor:
            y = F.conv_transpose1d(_activate(layer.activation, x), weight, None, layer.stride)
            y[:, :, :tail] += state
            whole = y.shape[2] - tail
            state.copy_(y[:, :, whole:])
            return y[:, :, :whole] + bias[:, None]

        return step

    def _lstm(self, layer: Lstm) -> Step:
        lstm = torch.nn.LSTM(layer.channels, layer.channels, layer.layers).to(self.device)
        with torch.no_grad():
            for name, parameter in lstm.named_parameters():
                parameter.copy_(self._tensor(f"{layer.name}.{name}"))
        hidden = self._state(layer.layers, self.batch, layer.channels)
        cell = self._state(layer.layers, self.batch, layer.channels)

        def step(x: Tensor) -> Tensor:
            y, (h, c) = lstm(x.permute(2, 0, 1), (hidden, cell))
            hidden.copy_(h)
            cell.copy_(c)
            y = y.permute(1, 2, 0)
            return y + x if layer.skip else y

        return step


def _run(steps: Sequence[Step], x: Tensor) -> Tensor:
    for step in steps:
        x = step(x)
    return x


class BatchedEncodec:
    """`encode`: audio (batch, 1, samples) -> codes (codebooks, batch, frames); `decode` back."""

    def __init__(
        self, spec: CodecSpec, weights: Weights, codebooks: int, batch: int, device: str
    ) -> None:
        assert isinstance(spec.quantizer, EuclideanRvq)
        self.encoder = Batched(spec.encoder, weights, batch, device)
        self.decoder = Batched(spec.decoder, weights, batch, device)
        names = [f"{spec.quantizer.codebook_name(q)}.embed" for q in range(codebooks)]
        self.tables = [torch.from_numpy(weights[name]).to(device) for name in names]
        self.halves = [-0.5 * table.square().sum(dim=1) for table in self.tables]

    def encode(self, audio: Tensor) -> Tensor:
        residual = self.encoder.step(audio).transpose(1, 2).flatten(0, 1)
        codes = []
        for table, half in zip(self.tables, self.halves, strict=True):
            codes.append(torch.addmm(half, residual, table.T).argmax(dim=1))
            residual = residual - F.embedding(codes[-1], table)
        return torch.stack(codes).view(len(codes), audio.shape[0], -1)

    def decode(self, codes: Tensor) -> Tensor:
        rows = torch.stack(
            [F.embedding(code, table) for code, table in zip(codes, self.tables, strict=True)]
        ).sum(dim=0)
        return self.decoder.step(rows.transpose(1, 2))


class Captured:
    """One step as a CUDA graph: inputs are copied in, results read from where they always stand.

    `capture` makes a graph of what it is given to run (`cuda_place.py`).
    """

    def __init__(
        self,
        step: Step,
        example: Tensor,
        capture: Callable[[Callable[[], object]], Callable[[], None]],
    ) -> None:
        self._input = example.clone()

        def run() -> None:
            with torch.inference_mode():
                self._output = step(self._input)

        self._replay = capture(run)

    def __call__(self, x: Tensor) -> Tensor:
        self._input.copy_(x)
        self._replay()
        return self._output
