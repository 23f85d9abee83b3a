"""DAC's residual vector quantizer, to train: cosine look-up in few dimensions.

Each stage projects the residual to a small codebook space, takes the entry of largest cosine and
adds that entry, not normalised, projected back (Kumar et al., arXiv 2306.06546, section 3.2; the
two tricks are those of Yu et al., arXiv 2110.04627). Entries learn by gradient, not by averages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, cast

from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

import torch
from hopcodec.specs._language import ProjectedRvq
from hopcodec.torch.nn._assign import assign
from hopcodec.torch.nn._quantize import Quantized, k_means, nearest
from torch import Tensor, nn

# Names and shapes of a stage's state are those of the released files: nothing may be added to it.


class ProjectedVectorQuantize(nn.Module):
    """One stage: `in_proj`, `codebook`, `out_proj` (`dac/nn/quantize.py`, `VectorQuantize`).

    Parameters
    ----------
    input_dim
        Channels of a latent.
    codebook_size, codebook_dim
        Entries and their length.
    normalise
        Keep both projections under weight norm, as the original does.
    """

    def __init__(
        self, input_dim: int, codebook_size: int, codebook_dim: int, *, normalise: bool = True
    ) -> None:
        super().__init__()
        self.codebook_size = codebook_size
        self.codebook_dim = codebook_dim
        down, up = nn.Conv1d(input_dim, codebook_dim, 1), nn.Conv1d(codebook_dim, input_dim, 1)
        self.in_proj = weight_norm(down) if normalise else down
        self.out_proj = weight_norm(up) if normalise else up
        self.codebook = nn.Embedding(codebook_size, codebook_dim)

    def forward(
        self, z: Tensor, codes: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Quantise `(batch, input_dim, frames)`.

        With `codes` `(batch, frames)` nothing is searched: those entries are taken.

        Returns
        -------
        z_q : (batch, input_dim, frames)
            Straight-through: `out_proj(z_e + (entry - z_e))`. The sum is within 2.4e-7 of the
            entry, not equal to it, as in the original; decode from codes for the entry itself.
        commitment_loss, codebook_loss : (batch,)
            Mean squared distance of `z_e` from its entry, with a gradient to one or the other.
        codes : int64 (batch, frames)
        z_e : (batch, codebook_dim, frames)
            The projected latents, before quantisation.
        """
        return run_stage(self, z, codes)

    def embed_code(self, embed_id: Tensor) -> Tensor:
        """Entries of codes of any shape, `codebook_dim` as the last dimension."""
        return functional.embedding(embed_id, self.codebook.weight)

    def decode_code(self, embed_id: Tensor) -> Tensor:
        """Entries `(batch, codebook_dim, frames)` of codes `(batch, frames)`."""
        return self.embed_code(embed_id).transpose(1, 2)

    def decode_latents(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Find the entry of largest cosine: `(batch, codebook_dim, frames)`, and its code.

        The lowest index wins ties.
        """
        with torch.no_grad():
            rows = functional.normalize(latents.transpose(1, 2).flatten(0, 1))
            codes = nearest(rows, functional.normalize(self.codebook.weight))
        codes = codes.view(len(latents), -1)
        return self.decode_code(codes), codes


class ProjectedStage(Protocol):
    """One stage of any implementation: what `run_stage` needs of it."""

    in_proj: nn.Module
    out_proj: nn.Module
    codebook: nn.Embedding

    def decode_latents(self, latents: Tensor, /) -> tuple[Tensor, Tensor]:
        """Find entries and codes of projected latents."""


class ProjectedStages(Protocol):
    """A quantizer of any implementation: what `run_stages` needs of it, and `from_codes`."""

    quantizers: nn.ModuleList
    n_codebooks: int
    quantizer_dropout: float

    def from_codes(self, codes: Tensor, /) -> tuple[Tensor, Tensor, Tensor]:
        """Sum the projected entries of codes; return entries and codes as well."""


def run_stage(
    stage: ProjectedStage, z: Tensor, codes: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Quantise with one stage; see `ProjectedVectorQuantize.forward`."""
    z_e = stage.in_proj(z)
    if codes is None:
        entries, codes = stage.decode_latents(z_e)
    else:
        entries = functional.embedding(codes, stage.codebook.weight).transpose(1, 2)
    commitment = (z_e - entries.detach()).square().mean((1, 2))
    codebook = (entries - z_e.detach()).square().mean((1, 2))
    z_q = stage.out_proj(z_e + (entries - z_e).detach())
    return z_q, commitment, codebook, codes, z_e


class Stages(NamedTuple):
    """What all stages give together, for latents `(batch, dim, frames)`."""

    quantized: Tensor  # (batch, dim, frames): the sum of the stages in use, straight-through
    codes: Tensor  # int64 (batch, stages, frames)
    latents: Tensor  # (batch, stages * codebook_dim, frames): projected, before quantisation
    commitment: Tensor  # (stages, batch): each item's mean squared distance from its entries
    codebook: Tensor  # the same, with its gradient to the entries
    used: Tensor  # (stages, batch): 1 where the item uses the stage, else 0
    left: Tensor  # (stages,): mean square of what is left after each stage, detached


def drawn_stages(quantizer: ProjectedStages, batch: int) -> Tensor:
    """Draw the stages of each item of a training batch: dropout for the first share of it.

    Drawn as the original draws, so that the same seed trains the same model.
    """
    books = torch.full((batch,), quantizer.n_codebooks)
    drawn = torch.randint(1, quantizer.n_codebooks + 1, (batch,))
    dropped = int(batch * quantizer.quantizer_dropout)
    books[:dropped] = drawn[:dropped]
    return books


def run_stages(
    quantizer: ProjectedStages,
    z: Tensor,
    n_quantizers: int | Tensor,
    codes: Tensor | None = None,
) -> Stages:
    """Run latents through the stages of a quantizer.

    Parameters
    ----------
    z : (batch, dim, frames)
    n_quantizers
        One number: that many stages run. A tensor `(batch,)`: all run, each item uses its own.
    codes : int64 (batch, at least as many stages, frames), optional
        What to take instead of searching.
    """
    each = isinstance(n_quantizers, Tensor)
    count = quantizer.n_codebooks if each else int(n_quantizers)
    books = torch.as_tensor(n_quantizers, device=z.device).expand(len(z))
    total = torch.zeros_like(z)
    residual = z
    found, latents, commitments, codebooks, uses, left = [], [], [], [], [], []
    for q in range(count):
        given = None if codes is None else codes[:, q]
        stage = quantizer.quantizers[q]
        if isinstance(stage, ProjectedVectorQuantize):  # called, so that its hooks are
            quantised = stage(residual, given)
        else:
            quantised = run_stage(cast(ProjectedStage, stage), residual, given)
        z_q, commitment, codebook, index, z_e = quantised
        used = (books > q).to(z.dtype)
        total = total + z_q * used[:, None, None]
        residual = residual - z_q
        found.append(index)
        latents.append(z_e)
        commitments.append(commitment)
        codebooks.append(codebook)
        uses.append(used)
        left.append(residual.detach().square().mean())
    return Stages(
        total,
        torch.stack(found, 1),
        torch.cat(latents, 1),
        torch.stack(commitments),
        torch.stack(codebooks),
        torch.stack(uses),
        torch.stack(left),
    )


class ProjectedResidualVectorQuantize(nn.Module):
    """Stages in a row, each for what the ones before it left over.

    The common part; what `forward` returns is each interface's own business.

    Parameters
    ----------
    input_dim
        Channels of a latent.
    n_codebooks, codebook_size
        Stages, and entries of each.
    codebook_dim
        Length of an entry, one number or one per stage.
    quantizer_dropout
        Share of a training batch whose number of stages is drawn at random.
    normalise
        Keep the projections under weight norm.
    """

    def __init__(
        self,
        input_dim: int = 512,
        n_codebooks: int = 9,
        codebook_size: int = 1024,
        codebook_dim: int | Sequence[int] = 8,
        quantizer_dropout: float = 0.0,
        *,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        dims = [codebook_dim] * n_codebooks if isinstance(codebook_dim, int) else [*codebook_dim]
        if len(dims) != n_codebooks:
            raise ValueError(f"codebook_dim: expected {n_codebooks} numbers, got {len(dims)}")
        self.n_codebooks = n_codebooks
        self.codebook_dim = dims
        self.codebook_size = codebook_size
        self.quantizer_dropout = quantizer_dropout
        self.quantizers = nn.ModuleList(
            ProjectedVectorQuantize(input_dim, codebook_size, dim, normalise=normalise)
            for dim in dims
        )

    def _stage(self, q: int) -> ProjectedVectorQuantize:
        stage = self.quantizers[q]
        assert isinstance(stage, ProjectedVectorQuantize)
        return stage

    def stages_for(self, n_quantizers: int | None) -> int:
        """How many stages `n_quantizers` means; ValueError for a number that there is not."""
        if n_quantizers is None:
            return self.n_codebooks
        if not 1 <= n_quantizers <= self.n_codebooks:
            raise ValueError(f"n_quantizers: expected 1 to {self.n_codebooks}, got {n_quantizers}")
        return int(n_quantizers)

    def drawn(self, batch: int) -> Tensor:
        """Draw the stages of each item of a training batch; see `drawn_stages`."""
        return drawn_stages(self, batch)

    def stages(self, z: Tensor, n_quantizers: int | Tensor, codes: Tensor | None = None) -> Stages:
        """Run latents through the stages; see `run_stages`."""
        return run_stages(self, z, n_quantizers, codes)

    def from_codes(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What codes stand for.

        Parameters
        ----------
        codes : int64 (batch, 1 to n_codebooks, frames)

        Returns
        -------
        quantized : (batch, dim, frames)
            The sum of the projected entries, from zero in stage order.
        entries : (batch, stages * codebook_dim, frames)
        codes
            As given.
        """
        if codes.ndim != 3 or not 1 <= codes.shape[1] <= self.n_codebooks:
            wanted = f"(batch, 1 to {self.n_codebooks}, frames)"
            raise ValueError(f"codes: expected {wanted}, got {tuple(codes.shape)}")
        entries = [self._stage(q).decode_code(codes[:, q]) for q in range(codes.shape[1])]
        return self._sum(entries), torch.cat(entries, 1), codes

    def from_latents(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise latents `(batch, stages * codebook_dim, frames)` that are projected already.

        Returns `quantized`, `entries` and codes, shaped as in `from_codes`. Channels beyond the
        last whole stage are not looked at.
        """
        ends = torch.tensor(self.codebook_dim).cumsum(0)
        count = int((ends <= latents.shape[1]).sum())
        if count == 0:
            raise ValueError(
                f"latents: expected at least {self.codebook_dim[0]} channels, "
                f"got {latents.shape[1]}"
            )
        own = latents[:, : int(ends[count - 1])]
        parts = torch.split(own, self.codebook_dim[:count], dim=1)
        found = [self._stage(q).decode_latents(part) for q, part in enumerate(parts)]
        entries = [entry for entry, _ in found]
        return self._sum(entries), torch.cat(entries, 1), torch.stack([c for _, c in found], 1)

    def _sum(self, entries: list[Tensor]) -> Tensor:
        total = self._stage(0).out_proj(entries[0])
        for q, entry in enumerate(entries[1:], 1):
            total = total + self._stage(q).out_proj(entry)
        assert isinstance(total, Tensor)
        return total

    def folded(self, spec: ProjectedRvq) -> Iterator[tuple[str, Tensor]]:
        """Name and tensor of every weight of `spec`, weight norm multiplied out."""
        for q in range(spec.codebooks):
            stage, name = self._stage(q), spec.codebook_name(q)
            for part, conv in (("in_proj", stage.in_proj), ("out_proj", stage.out_proj)):
                weight, bias = conv.weight, conv.bias
                assert isinstance(weight, Tensor)
                assert isinstance(bias, Tensor)
                yield f"{name}.{part}.weight", weight
                yield f"{name}.{part}.bias", bias
            yield f"{name}.codebook.weight", stage.codebook.weight


class TrainableProjectedRvq(ProjectedResidualVectorQuantize):
    """The quantizer of a `TrainableCodec` whose spec has a `ProjectedRvq`.

    As `hopcodec.torch.nn.TrainableEuclideanRvq` to its user: called with how many stages each item
    uses, begun from data, asked for latents of codes.
    """

    DECAY = 0.99  # of the running counts, per call

    def __init__(self, spec: ProjectedRvq, *, normalise: bool) -> None:
        super().__init__(
            spec.dim, spec.codebooks, spec.codebook_size, spec.codebook_dim, normalise=normalise
        )
        for q in range(spec.codebooks):  # for the trainer's figures; no part of the model
            counts = torch.ones(spec.codebook_size)
            self._stage(q).register_buffer("cluster_size", counts, persistent=False)

    @torch.no_grad()
    def initialise(self, latents: Tensor, iterations: int = 10) -> None:
        """Begin every stage from its own residual of latents `(batch, dim, frames)`.

        The projections are the principal directions of the residual, forth and back, and the
        entries the k-means centres of what they give.
        """
        residual = latents.detach().float()
        for q in range(self.n_codebooks):
            stage = self._stage(q)
            rows = residual.transpose(1, 2).flatten(0, 1)
            mean, directions = _principal(rows, stage.codebook_dim)
            assign(stage.in_proj, directions.T[..., None], -directions.T @ mean)
            assign(stage.out_proj, directions[..., None], mean)
            projected = (rows - mean) @ directions
            stage.codebook.weight.copy_(k_means(projected, stage.codebook_size, iterations))
            residual = residual - stage(residual)[0]

    def forward(self, latents: Tensor, n_q: Tensor | None = None) -> Quantized:
        """Quantise `(batch, dim, frames)`; `n_q` `(batch,)` says how many stages each item uses.

        `commitment` is DAC's sum: the distance that moves the encoder and four times that which
        moves the entries, so a weight of 0.25 on it gives the published 0.25 and 1.
        """
        x = latents.float()
        books = torch.full((len(x),), self.n_codebooks, device=x.device) if n_q is None else n_q
        result = self.stages(x, books)
        if self.training:
            self._count(result.codes)
        energy = x.detach().square().mean() + 1e-12
        return Quantized(
            result.quantized.to(latents.dtype),
            result.codes,
            ((result.commitment + 4 * result.codebook) * result.used).mean(1).sum(),
            10 * torch.log10(energy / (result.left + 1e-12)),
        )

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes `(batch, n_q, frames)` to latents `(batch, dim, frames)`."""
        return self.from_codes(codes)[0]

    @torch.no_grad()
    def _count(self, codes: Tensor) -> None:
        share = self.codebook_size / codes[:, 0].numel()
        for q, index in enumerate(codes.unbind(1)):
            size = self._stage(q).get_buffer("cluster_size")
            flat = index.flatten()
            ones = torch.full_like(flat, share, dtype=size.dtype)
            size.lerp_(torch.zeros_like(size).index_add_(0, flat, ones), 1 - self.DECAY)


def _principal(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean `(dim,)` and the `count` directions of largest variance `(dim, count)` of rows."""
    mean = rows.mean(0)
    centred = (rows - mean).double()
    directions = torch.linalg.eigh(centred.T @ centred).eigenvectors
    return mean, directions[:, -count:].flip(1).to(rows.dtype)
