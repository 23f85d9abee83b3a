"""Values into a convolution's weights, through weight norm where there is one."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def assign(conv: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """In place: an average of the model holds on to the tensors themselves."""
    parts = getattr(conv, "parametrizations", None)
    if isinstance(parts, nn.ModuleDict):
        gain, held = parts["weight"].original0, parts["weight"].original1
        assert isinstance(gain, Tensor)
        gain.copy_(weight.flatten(1).norm(dim=1).view_as(gain))
    else:
        held = conv.weight
    for tensor, value in ((held, weight), (conv.bias, bias)):
        assert isinstance(tensor, Tensor)
        tensor.copy_(value)
