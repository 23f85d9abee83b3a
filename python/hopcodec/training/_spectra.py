"""Short-time spectra: framing, its adjoint, and mel bands."""

from __future__ import annotations

import numpy as np

import torch
from torch import Tensor

OVERLAP = 4  # windows over each sample


def window_of(size: int) -> Tensor:
    """A Hann window whose spectra of white noise with variance 1 have mean power 1 in every bin.

    So one floor fits all window sizes.
    """
    window = torch.hann_window(size)
    return window / window.square().sum().sqrt()


def framed(signal: Tensor, size: int) -> Tensor:
    """Whole windows, a quarter of a window apart: `(batch, samples)` to `(batch, windows, size)`.

    Raises
    ------
    ValueError
        The signal is shorter than a window.
    """
    hop = size // OVERLAP
    windows = (signal.shape[1] - size) // hop + 1
    if windows < 1:
        raise ValueError(f"expected {size} samples or more, got {signal.shape[1]}")
    # Quarters side by side instead of an overlapping view: their gradient is four sums of slices,
    # where that of the view is a scatter.
    quarters = signal[:, : (windows + OVERLAP - 1) * hop].reshape(len(signal), -1, hop)
    return torch.cat([quarters[:, k : k + windows] for k in range(OVERLAP)], dim=2)


def overlapped(frames: Tensor, samples: int) -> Tensor:
    """Sum of windows where `framed` took them from: its adjoint, `(batch, samples)`."""
    batch, windows, size = frames.shape
    hop = size // OVERLAP
    sums = frames.new_zeros(batch, samples)
    quarters = sums[:, : (windows + OVERLAP - 1) * hop].view(batch, -1, hop)
    for k in range(OVERLAP):
        quarters[:, k : k + windows] += frames[..., k * hop : (k + 1) * hop]
    return sums


def rfft_adjoint(spectrum: Tensor, size: int) -> Tensor:
    """Gradient at the input of `rfft` from that at its output; one inverse FFT.

    `spectrum` is overwritten. torch's own goes through a complex FFT of twice the size.
    """
    spectrum[..., 1:-1] *= 0.5
    gradient: Tensor = torch.fft.irfft(spectrum, n=size, norm="forward")
    return gradient


def power_of(spectrum: Tensor) -> Tensor:
    """Squared magnitude of a complex tensor."""
    return spectrum.real.square() + spectrum.imag.square()


def mel_bank(bins: int, window: int, sample_rate: int) -> Tensor:
    """Triangles evenly spaced in mel (O'Shaughnessy) from 0 to Nyquist, `(window / 2 + 1, bins)`.

    Each sums to 1, so that a band's level is a mean of the spectrum's. Where bins of the FFT lie
    farther apart than bands, a triangle is widened to reach the nearest: no band is empty.
    """
    hz = np.fft.rfftfreq(window, 1.0 / sample_rate)
    mels = 2595.0 * np.log10(1.0 + hz / 700.0)
    centres = np.linspace(0.0, mels[-1], bins + 2)[1:-1]
    distance = np.abs(mels[:, None] - centres)
    width = np.maximum(centres[0], 1.5 * distance.min(axis=0))
    bank = np.maximum(0.0, 1.0 - distance / width)
    return torch.from_numpy((bank / bank.sum(axis=0)).astype(np.float32))
