"""Networks that tell decoded audio from original, by its spectra or by its periods.

All give their score map and the features of every layer, for the feature matching loss.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

import torch
from hopcodec.training._config import Discriminator
from hopcodec.training._spectra import framed, power_of, window_of
from torch import Tensor, nn

_SLOPE = 0.2  # of the leaky rectifiers
_EXPONENT = 0.5  # magnitudes are compressed: weak high bands are as visible as strong low ones
_POWER_FLOOR = 1e-6


class Judgement(NamedTuple):
    """What a set of discriminators makes of `(batch, 1, samples)`."""

    scores: list[Tensor]  # one map each; high is original
    features: list[Tensor]  # of all layers but the last


def _conv(cin: int, cout: int, bands: int, *, stride: int = 1, dilation: int = 1) -> nn.Module:
    """Three windows by `bands` frequencies; strided in frequency, dilated in time."""
    padding = (dilation, bands // 2)
    conv = nn.Conv2d(cin, cout, (3, bands), (1, stride), padding, dilation=(dilation, 1))
    normed: nn.Module = weight_norm(conv)
    return normed


@torch.compiler.disable  # type: ignore[untyped-decorator]  # it makes no code for complex numbers
def _compressed_spectrum(audio: Tensor, window: Tensor) -> Tensor:
    """Real and imaginary parts `(batch, 2, windows, bins)` of `(batch, 1, samples)`, float32."""
    with torch.autocast(audio.device.type, enabled=False):
        spectrum = torch.fft.rfft(framed(audio.float().squeeze(1), len(window)) * window)
        scale = (power_of(spectrum) + _POWER_FLOOR).pow((_EXPONENT - 1) / 2)
        return torch.stack([spectrum.real * scale, spectrum.imag * scale], dim=1)


class StftDiscriminator(nn.Module):
    """Convolutions over a complex spectrum, real and imaginary parts as channels.

    EnCodec's (arXiv 2210.13438, section 3.4) but for a first layer that already halves the
    frequencies, which saves half of the work, and compressed magnitudes.
    """

    window: Tensor

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("window", window_of(window), False)

        self.layers = nn.ModuleList(
            [
                _conv(2, channels, 9, stride=2),
                _conv(channels, channels, 9, stride=2),
                _conv(channels, channels, 9, stride=2, dilation=2),
                _conv(channels, channels, 9, stride=2, dilation=4),
                _conv(channels, channels, 3),
            ]
        )
        self.score = _conv(channels, 1, 3)

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score map `(batch, 1, windows, bands)` and features of `(batch, 1, samples)`."""
        x = _compressed_spectrum(audio, self.window)
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), _SLOPE)
            features.append(x)
        return self.score(x), features


class PeriodDiscriminator(nn.Module):
    """Convolutions over every `period`-th sample (HiFi-GAN, arXiv 2010.05646, section 2.3)."""

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, channels, 2 * channels, 4 * channels, 8 * channels]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0))) for a, b in pairwise(widths)
        )
        self.score = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), 1, (1, 0)))

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score map `(batch, 1, rows, period)` and features of `(batch, 1, samples)`."""
        x = functional.pad(audio.squeeze(1), (0, -audio.shape[2] % self.period)).reshape(
            len(audio), 1, -1, self.period
        )
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), _SLOPE)
            features.append(x)
        return self.score(x), features


class Discriminators(nn.Module):
    """All of them, as the configuration lists them."""

    def __init__(self, config: Discriminator) -> None:
        super().__init__()
        self.members = nn.ModuleList(
            [
                *(StftDiscriminator(w, config.stft_channels) for w in config.stft_windows),
                *(PeriodDiscriminator(p, config.period_channels) for p in config.periods),
            ]
        )

    def forward(self, audio: Tensor) -> Judgement:
        """Judge `(batch, 1, samples)`."""
        scores, features = [], []
        for member in self.members:
            score, layers = member(audio)
            scores.append(score)
            features += layers
        return Judgement(scores, features)
