"""Batches of audio on the training device.

On a GPU the whole corpus lies there as 16-bit samples (an hour of 24 kHz is 173 MB), so a step
sends it a few hundred numbers and waits for nothing. On the CPU the rows are read from the mapped
file. What follows (gain, mixing, band limits, noise) is the same code on both.
"""

from __future__ import annotations

import torch
from hopcodec.training._config import Data
from hopcodec.training._corpus import FULL_SCALE, Corpus
from hopcodec.training._draws import Draws, Sampler
from torch import Tensor

_PEAK = 0.99  # louder items are turned down as a whole, never clipped


class Batches:
    """`batch(step)`: float32 `(batch, 1, samples)`, the same for the same seed and step.

    Parameters
    ----------
    corpora, data, segment_samples, seed
        As in `Sampler`.
    sample_rate
        Hz.
    device
        Where the batches are needed.
    resident
        Keep the corpora on the device; by default on a GPU.
    """

    def __init__(
        self,
        corpora: list[Corpus],
        data: Data,
        segment_samples: int,
        sample_rate: int,
        seed: int,
        device: torch.device,
        *,
        resident: bool | None = None,
    ) -> None:
        self.sampler = Sampler(corpora, data, segment_samples, seed)
        self._samples = segment_samples
        self._rate = sample_rate
        self._seed = seed
        self._device = device
        self._corpora = [torch.from_numpy(corpus.samples) for corpus in corpora]
        self._offsets = [0]
        for part in self._corpora:
            self._offsets.append(self._offsets[-1] + len(part))
        self._resident: Tensor | None = None
        if device.type == "cuda" if resident is None else resident:
            self._resident = torch.empty(self._offsets[-1], dtype=torch.int16, device=device)
            for part, first in zip(self._corpora, self._offsets, strict=False):
                self._resident[first : first + len(part)].copy_(part)

    def batch(self, step: int) -> Tensor:
        """The audio of `step`, `(batch, 1, samples)`."""
        draws = self.sampler.draw(step)
        rows = self._rows(draws) if self._resident is None else self._gather(draws)
        audio = rows * self.moved(torch.from_numpy(draws.gain)).unsqueeze(1)
        items, others = audio.chunk(2)
        items = items + others
        if draws.noise.any() or draws.cutoff_hz.any():
            items = self._degrade(items, draws, step)
        peak = items.abs().amax(1, keepdim=True)
        return (items * (_PEAK / peak.clamp(min=_PEAK))).unsqueeze(1)

    def moved(self, host: Tensor) -> Tensor:
        """A small tensor on the device, without waiting for it."""
        if self._device.type != "cuda":
            return host
        return host.pin_memory().to(self._device, non_blocking=True)

    def _rows(self, draws: Draws) -> Tensor:
        """Rows from the mapped files; those that would be mixed in with gain 0 are not read."""
        rows = torch.zeros(len(draws.starts), self._samples)
        for row in draws.gain.nonzero()[0]:
            start, end = int(draws.starts[row]), int(draws.ends[row])
            part = self._corpora[int(draws.corpora[row])][start:end]
            torch.div(part, FULL_SCALE, out=rows[row, : end - start])
        return rows

    def _gather(self, draws: Draws) -> Tensor:
        """The same rows from the device's copy, in one read."""
        assert self._resident is not None
        offset = torch.tensor(self._offsets)[torch.from_numpy(draws.corpora)]
        bounds = torch.stack([torch.from_numpy(draws.starts), torch.from_numpy(draws.ends)])
        start, end = self.moved((bounds + offset).unsqueeze(-1))
        index = start + torch.arange(self._samples, device=self._device)
        rows = self._resident[index.clamp(max=len(self._resident) - 1)]
        return torch.where(index < end, rows / FULL_SCALE, 0.0)

    def _degrade(self, items: Tensor, draws: Draws, step: int) -> Tensor:
        """Band limits, then noise with the spectrum of white noise, for the items that have any."""
        spectrum = torch.fft.rfft(items)
        hz = torch.fft.rfftfreq(items.shape[1], 1.0 / self._rate, device=self._device)
        cutoff = self.moved(torch.from_numpy(draws.cutoff_hz)).unsqueeze(1)
        # A cosine slope a twelfth of the cutoff wide: steep, yet without ringing for long.
        slope = ((cutoff - hz) / (cutoff / 12 + 1e-6)).clamp(0, 1)
        passed = torch.where(cutoff > 0, 0.5 - 0.5 * torch.cos(torch.pi * slope), 1.0)
        items = torch.fft.irfft(spectrum * passed, n=items.shape[1])
        generator = torch.Generator(self._device).manual_seed(_mixed(self._seed, step))
        noise = torch.randn(items.shape, generator=generator, device=self._device)
        level = items.square().mean(1, keepdim=True).sqrt()
        return items + noise * level * self.moved(torch.from_numpy(draws.noise)).unsqueeze(1)


def _mixed(seed: int, step: int) -> int:
    """One number from two, different for neighbours (the multiplier of splitmix64)."""
    return (seed + (step + 1) * 0x9E3779B97F4A7C15) % 2**63
