"""Residual vector quantisation with codebooks that follow the data by exponential averages.

Each entry is the running mean of the residuals it was chosen for (van den Oord et al., arXiv
1711.00937, appendix A.1; EnCodec, arXiv 2210.13438, section 3.2). Codebooks begin from k-means, and
residuals of the present batch replace dead entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from hopcodec.specs._language import EuclideanRvq
from torch import Tensor, nn

_CHUNK_ROWS = 16384  # of a distance table, so that k-means over a corpus fits in memory


def nearest(x: Tensor, entries: Tensor) -> Tensor:
    """Find the entry nearest to each row of `x` `(n, dim)`. The lowest index wins ties."""
    bias = 0.5 * entries.square().sum(1)
    parts = torch.split(x, _CHUNK_ROWS)
    return torch.cat([torch.addmm(bias, part, entries.T, beta=-1).argmax(1) for part in parts])


def k_means(x: Tensor, clusters: int, iterations: int) -> Tensor:
    """Find centres `(clusters, dim)` of the rows of `x`, from random rows on (Lloyd 1982).

    Empty clusters begin again from the rows farthest from their centre.
    """
    if len(x) < clusters:
        x = x.repeat(-(-clusters // len(x)), 1)
        x = x + 1e-3 * x.std() * torch.randn_like(x)
    centres = x[torch.randperm(len(x), device=x.device)[:clusters]].clone()
    for _ in range(iterations):
        index = nearest(x, centres)
        counts = torch.bincount(index, minlength=clusters)
        sums = torch.zeros_like(centres).index_add_(0, index, x)
        centres = sums / counts.clamp(min=1).unsqueeze(1)
        empty = (counts == 0).nonzero().flatten()
        if len(empty):
            farthest = (x - centres[index]).square().sum(1).topk(len(empty)).indices
            centres[empty] = x[farthest]
    return centres


class EuclideanVectorQuantize(nn.Module):
    """One Euclidean codebook. In training mode every call moves it towards its input.

    Parameters
    ----------
    codebook_size, dim
        The number of entries, and their length.
    decay
        Of the averages, per call.
    dead_below
        A random row of the present call replaces an entry whose averaged share of the rows is
        below this fraction of an equal share.
    """

    embed: Tensor
    embed_sum: Tensor
    cluster_size: Tensor

    def __init__(
        self, codebook_size: int, dim: int, *, decay: float = 0.99, dead_below: float = 0.03
    ) -> None:
        super().__init__()
        self.decay = decay
        self.dead_below = dead_below
        entries = torch.randn(codebook_size, dim)
        self.register_buffer("embed", entries)
        self.register_buffer("embed_sum", entries.clone())
        self.register_buffer("cluster_size", torch.ones(codebook_size))

    @torch.no_grad()
    def initialise(self, x: Tensor, iterations: int = 10) -> None:
        """Begin from the k-means centres of rows `x` `(n, dim)`."""
        self.restart(k_means(x, len(self.embed), iterations))

    @torch.no_grad()
    def restart(self, entries: Tensor) -> None:
        """Begin from `entries` `(codebook_size, dim)`, as if all were used equally."""
        self.embed.copy_(entries)
        self.embed_sum.copy_(entries)
        self.cluster_size.fill_(1.0)

    @torch.no_grad()
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map rows `(n, dim)` to their entries `(n, dim)` and codes `(n,)`."""
        codes = nearest(x, self.embed)
        entries = self.embed[codes]
        if self.training:
            self._follow(x, codes)
        return entries, codes

    def _follow(self, x: Tensor, codes: Tensor) -> None:
        size = len(self.embed)
        # In units of an equal share, so that no batch size is special.
        share = size / len(x)
        # Not bincount: on a GPU it waits for the device to learn the length of its result.
        counts = x.new_zeros(size).index_add_(0, codes, x.new_ones(len(x))) * share
        sums = torch.zeros_like(self.embed).index_add_(0, codes, x) * share
        self.cluster_size.lerp_(counts, 1 - self.decay)
        self.embed_sum.lerp_(sums, 1 - self.decay)
        dead = (self.cluster_size < self.dead_below).unsqueeze(1)
        rows = x[torch.randint(len(x), (size,), device=x.device)]
        # Without a branch: nothing here waits for the device.
        self.cluster_size.copy_(torch.where(dead[:, 0], 1.0, self.cluster_size))
        self.embed_sum.copy_(torch.where(dead, rows, self.embed_sum))
        self.embed.copy_(self.embed_sum / self.cluster_size.unsqueeze(1))


class Quantized(NamedTuple):
    """The result of a residual quantizer for latents `(batch, dim, frames)`."""

    quantized: Tensor  # (batch, dim, frames); gradients pass straight through to the latents
    codes: Tensor  # (batch, codebooks, frames), all codebooks
    commitment: Tensor  # scalar: mean squared distance of each residual from its entry
    snr_db: Tensor  # (codebooks,): latent energy over what is left after each codebook, detached


def residual_quantize(
    stages: Iterable[nn.Module], latents: Tensor, n_q: Tensor | None = None
) -> Quantized:
    """Quantise `(batch, dim, frames)` stage by stage, each the residual of those before.

    A stage maps rows `(n, dim)` to their entries `(n, dim)` and codes `(n,)`. `n_q` `(batch,)` is
    the number of stages that each item uses, by default all.
    """
    batch, _, frames = latents.shape
    rows = latents.float().transpose(1, 2).flatten(0, 1)
    # The residual keeps the gradient of the latents: every stage's commitment reaches them.
    residual = rows
    total = torch.zeros_like(rows)
    energy = rows.detach().square().mean() + 1e-12
    codes, losses, left = [], [], []
    for stage, quantizer in enumerate(stages):
        entries, index = quantizer(residual.detach())
        distance = (residual - entries).square().mean(1)
        if n_q is None:
            used = entries
        else:
            mask = (n_q > stage).to(rows.dtype).unsqueeze(1).expand(-1, frames).flatten()
            used = entries * mask.unsqueeze(1)
            distance = distance * mask
        losses.append(distance.mean())
        total = total + used
        residual = residual - entries
        left.append(residual.detach().square().mean())
        codes.append(index.view(batch, frames))
    straight = rows + (total - rows).detach()
    return Quantized(
        straight.view(batch, frames, -1).transpose(1, 2).to(latents.dtype),
        torch.stack(codes, 1),
        torch.stack(losses).sum(),
        10 * torch.log10(energy / (torch.stack(left) + 1e-12)),
    )


class TrainableEuclideanRvq(nn.Module):
    """Codebooks in a row, each for the residual of those before.

    Parameters
    ----------
    codebooks, codebook_size, dim
        As in `hopcodec.specs._language.EuclideanRvq`.
    decay, dead_below
        Of every `EuclideanVectorQuantize`.
    """

    def __init__(
        self,
        codebooks: int,
        codebook_size: int,
        dim: int,
        *,
        decay: float = 0.99,
        dead_below: float = 0.03,
    ) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList(
            EuclideanVectorQuantize(codebook_size, dim, decay=decay, dead_below=dead_below)
            for _ in range(codebooks)
        )

    @torch.no_grad()
    def initialise(self, latents: Tensor, iterations: int = 10) -> None:
        """Begin every codebook from k-means of its residual.

        `latents` are `(batch, dim, frames)`. Some tens of frames per entry are enough.
        """
        residual = latents.detach().float().transpose(1, 2).flatten(0, 1)
        for quantizer in self.quantizers:
            assert isinstance(quantizer, EuclideanVectorQuantize)
            quantizer.initialise(residual, iterations)
            residual = residual - quantizer.embed[nearest(residual, quantizer.embed)]

    def forward(self, latents: Tensor, n_q: Tensor | None = None) -> Quantized:
        """Quantise `(batch, dim, frames)`.

        `n_q` `(batch,)` is the number of codebooks that each item uses, by default all. Every
        codebook learns from every item.
        """
        return residual_quantize(self.quantizers, latents, n_q)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Map codes `(batch, n_q, frames)` to latents `(batch, dim, frames)`."""
        total = torch.zeros((), device=codes.device)
        for quantizer, index in zip(self.quantizers, codes.unbind(1), strict=False):
            assert isinstance(quantizer, EuclideanVectorQuantize)
            total = total + quantizer.embed[index]
        return total.transpose(1, 2)

    def folded(self, spec: EuclideanRvq) -> Iterator[tuple[str, Tensor]]:
        """Yield name and tensor of every weight of `spec`."""
        for q, quantizer in enumerate(self.quantizers):
            assert isinstance(quantizer, EuclideanVectorQuantize)
            yield f"{spec.codebook_name(q)}.embed", quantizer.embed
