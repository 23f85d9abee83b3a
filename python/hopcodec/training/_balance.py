"""How the losses on the decoded audio are weighed against each other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_DECAY = 0.999
_EPSILON = 1e-12


def weighted_gradient(
    losses: Mapping[str, Tensor], weights: Mapping[str, float], audio: Tensor, *, retain: bool
) -> Tensor:
    """Gradient of the weighted sum of `losses` with respect to `audio`; `retain` the graph."""
    total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
    (gradient,) = torch.autograd.grad(total, audio, retain_graph=retain)
    return gradient


class Balancer:
    """Each loss gets its weight's share of the gradient on the audio, whatever its size.

    `sum_i w_i / sum(w) * g_i / mean(|g_i|)`, with the norm of each loss's gradient averaged over
    steps and over items (EnCodec, arXiv 2210.13438, eq. 8). One backward pass for each loss.
    """

    def __init__(self) -> None:
        self._norms: dict[str, Tensor] = {}
        self._steps: dict[str, int] = {}

    def gradient(
        self,
        losses: Mapping[str, Tensor],
        weights: Mapping[str, float],
        audio: Tensor,
        *,
        retain: bool = True,  # the losses share spectra, so it is kept whether asked or not
    ) -> Tensor:
        """The balanced gradient with respect to `audio` `(batch, 1, samples)`."""
        whole = sum(weights[name] for name in losses)
        result = torch.zeros_like(audio)
        for name, loss in losses.items():
            (part,) = torch.autograd.grad(loss, audio, retain_graph=True)
            norm = part.flatten(1).norm(dim=1).mean()
            steps = self._steps[name] = self._steps.get(name, 0) + 1
            mean = self._norms.get(name, torch.zeros_like(norm))
            mean = self._norms[name] = mean * _DECAY + norm * (1 - _DECAY)
            unbiased = mean / (1 - _DECAY**steps)
            result += part * (weights[name] / whole / (unbiased + _EPSILON))
        return result

    def state_dict(self) -> dict[str, dict[str, Tensor] | dict[str, int]]:
        """What a checkpoint keeps."""
        return {"norms": dict(self._norms), "steps": dict(self._steps)}

    def load_state_dict(
        self, state: Mapping[str, Mapping[str, Tensor]], device: torch.device
    ) -> None:
        """Go on from `state_dict`."""
        self._norms = {name: norm.to(device) for name, norm in state["norms"].items()}
        self._steps = {name: int(steps) for name, steps in state["steps"].items()}
