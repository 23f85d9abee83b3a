"""How a codec's layers become torch operators, and the chain that runs them statefully."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import torch
from hopcodec.specs._language import Layer, Residual
from peers.base import Audio, Weights
from torch import Tensor, nn

Shape = tuple[int, ...]
State = Sequence[Tensor]


class StatefulLayer(nn.Module):
    """A layer whose state goes in and comes out: `forward(x, state) -> (y, next state)`."""

    state_shapes: list[Shape]

    def __init__(self, state_shapes: list[Shape]) -> None:
        super().__init__()
        self.state_shapes = state_shapes


@dataclass(frozen=True)
class Lowering:
    """One way to write the layers: a layer factory, and the data layout it works in.

    `from_audio` takes (channels, samples) and `to_audio` gives it back; `to_rows` and `from_rows`
    go between the layout and (frames, features), which the quantizer works on.
    """

    make: Callable[[Layer, Weights], StatefulLayer]
    from_audio: Callable[[Tensor], Tensor]
    to_audio: Callable[[Tensor], Tensor]
    from_rows: Callable[[Tensor], Tensor]
    to_rows: Callable[[Tensor], Tensor]


def constant(array: Audio) -> nn.Parameter:
    """A weight nobody trains."""
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(array)), requires_grad=False)


class Chain(StatefulLayer):
    """Layers one after the other; the state is the concatenation of theirs."""

    def __init__(self, layers: Sequence[StatefulLayer]) -> None:
        super().__init__([shape for layer in layers for shape in layer.state_shapes])
        self.steps = nn.ModuleList(layers)
        self._counts = [len(layer.state_shapes) for layer in layers]

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        after: list[Tensor] = []
        for step, count in zip(self.steps, self._counts, strict=True):
            begin = len(after)
            x, own = step(x, state[begin : begin + count])
            after.extend(own)
        return x, after


class ResidualSum(StatefulLayer):
    """`shortcut(x) + branch(x)`."""

    def __init__(self, branch: Chain, shortcut: Chain) -> None:
        super().__init__([*branch.state_shapes, *shortcut.state_shapes])
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        split = len(self.branch.state_shapes)
        y, branch_after = self.branch(x, state[:split])
        x, shortcut_after = self.shortcut(x, state[split:])
        return x + y, [*branch_after, *shortcut_after]


def make_chain(lowering: Lowering, layers: Sequence[Layer], weights: Weights) -> Chain:
    """The layers of a spec, residual blocks included, in one lowering."""

    def make(layer: Layer) -> StatefulLayer:
        if isinstance(layer, Residual):
            branch = make_chain(lowering, layer.branch, weights)
            shortcut = make_chain(lowering, layer.shortcut, weights)
            return ResidualSum(branch, shortcut)
        return lowering.make(layer, weights)

    return Chain([make(layer) for layer in layers])
