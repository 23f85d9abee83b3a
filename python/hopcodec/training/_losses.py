"""What the decoded audio is judged by.

Every loss is a mean over its own elements, so that neither batch, segment nor window size changes
its scale.
"""

from __future__ import annotations

from torch.nn import functional

import torch
from hopcodec.training._config import Losses
from hopcodec.training._spectra import mel_bank, window_of
from hopcodec.training._spectral_distance import spectral_distances
from torch import Tensor, nn


class SpectralLosses(nn.Module):
    """Log-mel distance over many windows, compressed complex distance over some.

    As the multi-scale mel losses of EnCodec (arXiv 2210.13438, eq. 2) and DAC (arXiv 2306.06546),
    with more bands and a floor above 16-bit noise, and with a complex spectral loss beside them,
    which phase and PESQ profit from.

    Parameters
    ----------
    config
        Windows, bins, floor; a loss of weight 0 is not computed.
    sample_rate
        Hz.
    """

    def __init__(self, config: Losses, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        bins = dict(zip(config.mel_windows, config.mel_bins, strict=True))
        self._mel = bins if config.mel or config.mel_linear else {}
        self._complex = set(config.complex_windows) if config.complex else set()
        self._sizes = sorted(self._mel.keys() | self._complex, reverse=True)
        for size in self._sizes:
            self.register_buffer(f"window_{size}", window_of(size), False)
        for size, count in self._mel.items():
            self.register_buffer(f"bank_{size}", mel_bank(count, size, sample_rate), False)

    def forward(self, estimate: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses by name, unweighted, of audio `(batch, 1, samples)` against its original."""
        estimate, target = estimate.squeeze(1), target.squeeze(1)
        found: dict[str, list[Tensor]] = {"mel": [], "mel_linear": [], "complex": []}
        for size in self._sizes:
            mel, phase = size in self._mel, size in self._complex
            distances = spectral_distances(
                estimate,
                target,
                self.get_buffer(f"window_{size}"),
                self.get_buffer(f"bank_{size}") if mel else None,
                self.config.mel_floor,
                phase=phase,
            )
            if mel and self.config.mel:
                found["mel"].append(distances.log_mel)
            if mel and self.config.mel_linear:
                found["mel_linear"].append(distances.linear_mel)
            if phase:
                found["complex"].append(distances.complex)
        losses = {name: torch.stack(values).mean() for name, values in found.items() if values}
        if self.config.waveform:
            losses["waveform"] = functional.l1_loss(estimate, target)
        return losses


def feature_loss(fake: list[Tensor], real: list[Tensor]) -> Tensor:
    """Mean over layers of the L1 distance, each relative to the real features' mean size.

    EnCodec, arXiv 2210.13438 eq. 5.
    """
    parts = [
        (f - r.detach()).abs().mean() / (r.detach().abs().mean() + 1e-6)
        for f, r in zip(fake, real, strict=True)
    ]
    return torch.stack(parts).mean()


def generator_loss(scores: list[Tensor], kind: str) -> Tensor:
    """How little the discriminators are fooled: mean over discriminators."""
    if kind == "hinge":  # Lim and Ye 2017, without the generator's clip at 1
        return torch.stack([-score.mean() for score in scores]).mean()
    return torch.stack([(1 - score).square().mean() for score in scores]).mean()


def discriminator_loss(real: list[Tensor], fake: list[Tensor], kind: str) -> Tensor:
    """How badly the discriminators tell real from fake: mean over discriminators."""
    if kind == "hinge":
        parts = [
            functional.relu(1 - r).mean() + functional.relu(1 + f).mean()
            for r, f in zip(real, fake, strict=True)
        ]
    else:
        parts = [
            (1 - r).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)
        ]
    return torch.stack(parts).mean()
