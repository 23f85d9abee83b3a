"""What the decoded audio is judged by, besides the discriminators.

Every loss is a mean over its own elements, so that neither batch, segment nor window size changes
its scale. The target's spectra need no gradient and are computed without one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hopcodec.training.config import Losses
from hopcodec.training.spectra import Stft, mel_bank, power

_COMPRESSION = 0.3  # exponent of magnitudes in the complex loss
_COMPLEX_SHARE = 0.3  # of it that sees phase; the rest compares magnitudes
_POWER_FLOOR = 1e-9  # bounds the gradients of the root and of the compression at 0


class SpectralLosses(nn.Module):
    """Log-mel distance over many windows, compressed complex distance over some.

    The mel loss is the mean of `|log10(a + floor) - log10(b + floor)|` over mel magnitudes, and
    `mel_linear` the mean of `|a - b|` (as in EnCodec, arXiv 2210.13438 eq. 2, and DAC, arXiv
    2306.06546, with more bands and a floor above 16-bit noise). The complex loss compares spectra
    with magnitudes raised to 0.3 (Braun and Tashev, arXiv 2009.12286, eq. 6).

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
        mel = dict(zip(config.mel_windows, config.mel_bins, strict=True))
        self._mel = mel if config.mel or config.mel_linear else {}
        self._complex = set(config.complex_windows) if config.complex else set()
        sizes = sorted(self._mel.keys() | self._complex, reverse=True)
        self.transforms = nn.ModuleList(Stft(size) for size in sizes)
        for size, bins in self._mel.items():
            self.register_buffer(f"bank_{size}", mel_bank(bins, size, sample_rate), False)

    def forward(self, estimate: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses by name, unweighted, of audio `(batch, 1, samples)` against its original."""
        estimate, target = estimate.float().squeeze(1), target.float().squeeze(1)
        found: dict[str, list[Tensor]] = {"mel": [], "mel_linear": [], "complex": []}
        for transform in self.transforms:
            assert isinstance(transform, Stft)
            with torch.no_grad():
                reference = transform(target)
                reference_power = power(reference) + _POWER_FLOOR
            spectrum = transform(estimate)
            spectrum_power = power(spectrum) + _POWER_FLOOR
            if transform.size in self._mel:
                bank = self.get_buffer(f"bank_{transform.size}")
                a, b = spectrum_power.sqrt() @ bank, reference_power.sqrt() @ bank
                floor = self.config.mel_floor
                distance = (a + floor).log10() - (b + floor).log10()
                found["mel"].append(distance.abs().mean())
                if self.config.mel_linear:
                    found["mel_linear"].append(functional.l1_loss(a, b))
            if transform.size in self._complex:
                found["complex"].append(
                    compressed(spectrum, spectrum_power, reference, reference_power)
                )
        losses = {name: torch.stack(values).mean() for name, values in found.items() if values}
        if self.config.waveform:
            losses["waveform"] = functional.l1_loss(estimate, target)
        return losses


def compressed(a: Tensor, a_power: Tensor, b: Tensor, b_power: Tensor) -> Tensor:
    """Mean squared distance of spectra, and of their magnitudes, both to the power 0.3."""
    exponent = (_COMPRESSION - 1) / 2
    a_scale, b_scale = a_power.pow(exponent), b_power.pow(exponent)
    phase = torch.view_as_real(a * a_scale) - torch.view_as_real(b * b_scale)
    magnitude = a_scale * a_power.sqrt() - b_scale * b_power.sqrt()
    return (
        _COMPLEX_SHARE * phase.square().sum(-1).mean()
        + (1 - _COMPLEX_SHARE) * magnitude.square().mean()
    )


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
