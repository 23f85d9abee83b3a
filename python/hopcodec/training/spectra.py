"""Short-time spectra for the losses: one FFT per window size, shared by all that look at it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

OVERLAP = 4  # windows over each sample


class Stft(nn.Module):
    """Hann-windowed spectra, a quarter of a window apart, whole windows only.

    Scaled so that white noise of variance 1 has mean power 1 in every bin, whatever the window:
    one floor then fits all window sizes.
    """

    window: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.hop = size // OVERLAP
        window = torch.hann_window(size)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)

    def forward(self, signal: Tensor) -> Tensor:
        """`(batch, samples)` to complex `(batch, windows, size / 2 + 1)`."""
        windows = (signal.shape[1] - self.size) // self.hop + 1
        if windows < 1:
            raise ValueError(f"expected {self.size} samples or more, got {signal.shape[1]}")
        # Quarters side by side instead of an overlapping view: their gradient is four sums of
        # slices, where that of the view is a scatter.
        whole = signal[:, : (windows + OVERLAP - 1) * self.hop]
        quarters = whole.reshape(len(signal), -1, self.hop)
        framed = torch.cat([quarters[:, k : k + windows] for k in range(OVERLAP)], dim=2)
        spectrum: Tensor = torch.fft.rfft(framed * self.window)
        return spectrum


def mel_bank(bins: int, window: int, sample_rate: int) -> Tensor:
    """Triangles evenly spaced in mel (O'Shaughnessy) from 0 to Nyquist, `(window / 2 + 1, bins)`.

    Each sums to 1, so that a band's level is a mean of the spectrum's. Where bins of the FFT lie
    farther apart than bands, a triangle is widened to reach the nearest: no band is empty.
    """
    hz = np.fft.rfftfreq(window, 1.0 / sample_rate)
    mels = 2595.0 * np.log10(1.0 + hz / 700.0)
    edges = np.linspace(0.0, mels[-1], bins + 2)
    width = edges[1] - edges[0]
    nearest = np.abs(mels[:, None] - edges[None, 1:-1]).min(axis=0)
    width = np.maximum(width, 1.5 * nearest)
    bank = np.maximum(0.0, 1.0 - np.abs(mels[:, None] - edges[None, 1:-1]) / width)
    return torch.from_numpy((bank / bank.sum(axis=0)).astype(np.float32))


def power(spectrum: Tensor) -> Tensor:
    """Squared magnitude of a complex tensor."""
    return torch.view_as_real(spectrum).square().sum(-1)


def fits(window: int, samples: int) -> bool:
    """Whether a segment holds at least two windows of this size."""
    return samples >= window + window // OVERLAP


def pad_to_hops(audio: Tensor, hop: int) -> Tensor:
    """Zeros after `(batch, samples)` up to a multiple of `hop`."""
    return functional.pad(audio, (0, -audio.shape[1] % hop))
