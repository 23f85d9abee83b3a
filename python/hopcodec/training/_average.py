"""The running mean of a model's weights: what is validated and exported."""

from __future__ import annotations

import copy

import torch
from hopcodec.torch.nn import TrainableCodec
from torch import Tensor


class AveragedCodec:
    """A codec whose weights follow another's, smoothed over about `1 / (1 - decay)` steps.

    Codebooks are averaged too: they move with the encoder, and must lag as its mean does.
    """

    def __init__(self, model: TrainableCodec, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self._decay = decay
        self._mine = _floats(self.model)
        self._theirs = _floats(model)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """One step; the first ones count more, so that the beginning is soon forgotten."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._mine, self._theirs, 1 - decay)

    @torch.no_grad()
    def take_codebooks(self, model: TrainableCodec) -> None:
        """Begin the codebooks' mean anew from `model`'s, just initialised."""
        self.model.quantizer.load_state_dict(model.quantizer.state_dict())


def _floats(model: TrainableCodec) -> list[Tensor]:
    tensors = [*model.parameters(), *model.buffers()]
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
