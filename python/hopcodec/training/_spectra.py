"""Short-time spectra: framing, its adjoint, and mel bands."""

from __future__ import annotations

import numpy as np

import torch
from hopcodec.audio import _mel
from torch import Tensor

OVERLAP = 4  # windows that cover each sample


def window_of(size: int) -> Tensor:
    """Return a Hann window in whose spectra white noise of variance 1 has mean power 1.

    One floor then fits all window sizes.
    """
    window = torch.hann_window(size)
    return window / window.square().sum().sqrt()


def framed(signal: Tensor, size: int) -> Tensor:
    """Cut `(batch, samples)` into windows, a quarter of one apart: `(batch, windows, size)`.

    Raises
    ------
    ValueError
        The signal is shorter than a window.
    """
    hop = size // OVERLAP
    windows = (signal.shape[1] - size) // hop + 1
    if windows < 1:
        raise ValueError(f"expected {size} samples or more, got {signal.shape[1]}")
    # The gradient of these quarters is four sums of slices. That of a view is a scatter.
    quarters = signal[:, : (windows + OVERLAP - 1) * hop].reshape(len(signal), -1, hop)
    return torch.cat([quarters[:, k : k + windows] for k in range(OVERLAP)], dim=2)


def overlapped(frames: Tensor, samples: int) -> Tensor:
    """Add windows where `framed` took them from, which is its adjoint: `(batch, samples)`."""
    batch, windows, size = frames.shape
    hop = size // OVERLAP
    sums = frames.new_zeros(batch, samples)
    quarters = sums[:, : (windows + OVERLAP - 1) * hop].view(batch, -1, hop)
    for k in range(OVERLAP):
        quarters[:, k : k + windows] += frames[..., k * hop : (k + 1) * hop]
    return sums


def rfft_adjoint(spectrum: Tensor, size: int) -> Tensor:
    """Return the gradient at the input of `rfft` from that at its output, by one inverse FFT.

    `spectrum` is overwritten. torch's own gradient takes a complex FFT of twice the size.
    """
    spectrum[..., 1:-1] *= 0.5
    gradient: Tensor = torch.fft.irfft(spectrum, n=size, norm="forward")
    return gradient


def power_of(spectrum: Tensor) -> Tensor:
    """Return the squared magnitude of a complex tensor."""
    return spectrum.real.square() + spectrum.imag.square()


def mel_bank(bins: int, window: int, sample_rate: int) -> Tensor:
    """Return the triangles of `hopcodec.audio._mel.mel_bank`, straight in mel, as float32."""
    bank = _mel.mel_bank(bins, window, sample_rate, "mel")
    return torch.from_numpy(bank.astype(np.float32))
