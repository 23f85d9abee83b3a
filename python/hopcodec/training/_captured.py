"""A whole training step as one CUDA graph: a small model's step is mostly launches otherwise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Figures = dict[str, Tensor]

_WARM_UP = 3  # runs before the capture: libraries choose algorithms and make plans in them


class CapturedStep:
    """`step()`, eagerly at first, captured once, replayed from then on.

    Parameters
    ----------
    step
        Reads and writes tensors that stay where they are, draws from torch's default generator
        only, and waits for nothing. Every call of this object has the effect of one call of it.
    """

    def __init__(self, step: Callable[[], Figures]) -> None:
        self._step = step
        self._runs = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._names: list[str] = []
        self._figures = torch.empty(0)

    def __call__(self) -> Figures:
        """Figures by name, in memory of their own."""
        if self._runs < _WARM_UP:
            self._runs += 1
            return self._aside()
        if self._graph is None:
            self._capture()
        assert self._graph is not None
        self._graph.replay()
        return dict(zip(self._names, self._figures.clone().unbind(), strict=True))

    def _aside(self) -> Figures:
        """On another stream, as what is to be captured must never run on the default one."""
        here = torch.cuda.current_stream()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(here)
        with torch.cuda.stream(side):
            figures = self._step()
        here.wait_stream(side)
        return figures

    def _capture(self) -> None:
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            figures = self._step()
            self._names = list(figures)
            self._figures = torch.stack([figure.float() for figure in figures.values()])
        self._graph = graph
