"""The trainable quantizer of DAC against the original's, and what training asks of it."""

from __future__ import annotations

import copy

import pytest
from dac_models import descript
from torch_dacs import drawn

import torch
from hopcodec.specs._language import ProjectedRvq
from hopcodec.torch.nn import TrainableProjectedRvq
from hopcodec.torch.nn._quantize_projected import ProjectedResidualVectorQuantize
from hopcodec.torch.speechbrain import ResidualVectorQuantize, VectorQuantize
from torch import Tensor

WIDTH, BOOKS, SIZE, INNER = 24, 5, 32, 8


def pair(dropout: float = 0.0) -> tuple[ResidualVectorQuantize, torch.nn.Module]:
    """Ours and the original's, with the same weights."""
    torch.manual_seed(0)
    ours = ResidualVectorQuantize(WIDTH, BOOKS, SIZE, INNER, dropout)
    drawn(ours)
    theirs = descript().nn.quantize.ResidualVectorQuantize(WIDTH, BOOKS, SIZE, INNER, dropout)
    gain, direction = ".parametrizations.weight.original0", ".parametrizations.weight.original1"
    theirs.load_state_dict(
        {
            name.replace(gain, ".weight_g").replace(direction, ".weight_v"): tensor
            for name, tensor in ours.state_dict().items()
        },
        strict=True,
    )
    return ours, theirs


def latents(batch: int = 3, frames: int = 40, seed: int = 1) -> Tensor:
    return torch.randn(batch, WIDTH, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_quantizers", [None, *range(1, BOOKS + 1)])
def test_it_gives_what_the_original_gives(n_quantizers: int | None) -> None:
    ours, theirs = (quantizer.eval() for quantizer in pair())
    z = latents()
    with torch.no_grad():
        expected = theirs(z, n_quantizers)
        got = ours(z, n_quantizers)
    assert torch.equal(got[1], expected[1])
    assert len(got[1].unique()) > SIZE // 2
    for mine, reference in zip(got, expected, strict=True):
        assert mine.shape == reference.shape
        assert torch.allclose(mine, reference, rtol=1e-5, atol=1e-6)


def test_the_same_seed_drops_the_same_codebooks_and_gives_the_same_gradients() -> None:
    ours, theirs = (quantizer.train() for quantizer in pair(dropout=0.5))
    gradients = []
    for quantizer in (ours, theirs):
        z = latents(batch=6).requires_grad_()
        torch.manual_seed(7)
        quantized, _, _, commitment, codebook = quantizer(z, 2)
        (quantized.square().mean() + 0.25 * commitment + codebook).backward()
        assert z.grad is not None
        own = {name: p.grad for name, p in quantizer.named_parameters()}
        gradients.append([z.grad, *(own[name] for name in sorted(own))])
    assert len(gradients[0]) == 1 + 7 * BOOKS
    for mine, reference in zip(*gradients, strict=True):
        assert reference.abs().max() > 0
        assert torch.allclose(mine, reference, rtol=1e-4, atol=1e-6 * reference.abs().max().item())


def test_codes_and_latents_stand_for_what_the_original_says() -> None:
    ours, theirs = (quantizer.eval() for quantizer in pair())
    with torch.no_grad():
        z, codes, projected, *_ = ours(latents())
        for books in (1, BOOKS):
            pairs = zip(
                ours.from_codes(codes[:, :books]), theirs.from_codes(codes[:, :books]), strict=True
            )
            assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)
        for channels in (INNER, 3 * INNER, 3 * INNER + 5, BOOKS * INNER):
            part = projected[:, :channels]
            pairs = zip(ours.from_latents(part), theirs.from_latents(part), strict=True)
            assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)
        # Straight-through adds and takes away z_e: near the entries, not equal to them.
        assert torch.allclose(z, ours.from_codes(codes)[0], atol=1e-5)
        assert torch.equal(ours.from_latents(projected)[2], codes)


def test_one_stage_embeds_and_finds_its_own_entries() -> None:
    torch.manual_seed(2)
    stage = VectorQuantize(WIDTH, SIZE, INNER)
    codes = torch.arange(SIZE).view(2, -1)
    assert torch.equal(stage.embed_code(codes), stage.codebook.weight[codes])
    assert stage.decode_code(codes).shape == (2, INNER, SIZE // 2)
    entries, found = stage.decode_latents(3.0 * stage.decode_code(codes))
    assert torch.equal(found, codes)
    assert torch.equal(entries, stage.decode_code(codes))


def test_the_lowest_of_equal_entries_wins() -> None:
    stage = VectorQuantize(WIDTH, 4, 2)
    with torch.no_grad():
        stage.codebook.weight.copy_(torch.tensor([[0.0, 1], [2, 0], [2, 0], [1, 0]]))
    assert stage.decode_latents(torch.tensor([[[5.0], [0.0]]]))[1].item() == 1


def test_one_dimension_per_stage_is_possible() -> None:
    quantizer = ResidualVectorQuantize(WIDTH, 3, SIZE, [2, 4, 6]).eval()
    z, codes, projected, *_ = quantizer(latents())
    assert projected.shape[1] == 12
    assert quantizer.from_latents(projected[:, :7])[2].shape[1] == 2
    assert torch.allclose(quantizer.from_codes(codes)[0], z, atol=1e-5)
    with pytest.raises(ValueError, match="codebook_dim: expected 3 numbers, got 2"):
        ResidualVectorQuantize(WIDTH, 3, SIZE, [2, 4])


def test_what_is_out_of_range_is_refused() -> None:
    quantizer = pair()[0].eval()
    for count in (0, BOOKS + 1):
        with pytest.raises(ValueError, match=f"n_quantizers: expected 1 to 5, got {count}"):
            quantizer(latents(), count)
    with pytest.raises(ValueError, match=r"codes: expected \(batch, 1 to 5, frames\), got"):
        quantizer.from_codes(torch.zeros(1, 6, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="latents: expected at least 8 channels, got 7"):
        quantizer.from_latents(torch.zeros(1, 7, 3))


def test_given_codes_are_taken_and_give_the_same_result() -> None:
    quantizer = pair()[0].eval()
    z = latents()
    searched = quantizer.stages(z, BOOKS)
    given = quantizer.stages(z, 3, searched.codes)
    assert torch.equal(given.codes, searched.codes[:, :3])
    assert torch.equal(given.latents, searched.latents[:, : 3 * INNER])
    other = quantizer.stages(z, 3, (searched.codes + 1) % SIZE)
    assert (other.commitment.mean(1) > given.commitment.mean(1)).all()


def trainable() -> TrainableProjectedRvq:
    torch.manual_seed(3)
    spec = ProjectedRvq("quantizer.{q}", BOOKS, SIZE, WIDTH, INNER)
    return TrainableProjectedRvq(spec, normalise=True)


def test_it_begins_from_the_data_and_every_stage_helps() -> None:
    quantizer = trainable().eval()
    mixed = torch.randn(10, WIDTH, generator=torch.Generator().manual_seed(4))
    z = (torch.randn(8, 300, 10) @ mixed + 0.5).transpose(1, 2)
    average = copy.deepcopy(quantizer)
    held = [p.detach() for p in quantizer.parameters()]  # what an average of the model reads
    before = quantizer(z).snr_db
    quantizer.initialise(z)
    after = quantizer(z).snr_db
    assert (after.diff() > 0.3).all()
    assert after[0] > before[0] + 1.0
    for mine, now in zip(held, quantizer.parameters(), strict=True):
        assert torch.equal(mine, now)
    average.load_state_dict(quantizer.state_dict(), strict=True)
    assert torch.equal(average(z).codes, quantizer(z).codes)


def test_it_learns_by_gradient() -> None:
    quantizer = trainable()
    z = latents(batch=4, frames=100)
    quantizer.initialise(z)
    optimiser = torch.optim.Adam(quantizer.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        result = quantizer(z)
        loss = (result.quantized - z).square().mean() + 0.25 * result.commitment
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    counts = torch.stack([stage.get_buffer("cluster_size") for stage in quantizer.quantizers])
    assert torch.allclose(counts.mean(1), torch.ones(BOOKS), atol=1e-4)
    assert "cluster_size" not in str(quantizer.state_dict().keys())


def test_items_may_use_fewer_stages() -> None:
    quantizer = trainable().eval()
    z = latents()
    some = quantizer(z, torch.tensor([1, 3, BOOKS]))
    assert some.codes.shape == (3, BOOKS, 40)
    for item, books in enumerate((1, 3, BOOKS)):
        expected = quantizer.decode(some.codes[item : item + 1, :books])[0]
        assert torch.allclose(some.quantized[item], expected, atol=1e-5)


def test_a_gradient_passes_straight_through_every_stage() -> None:
    quantizer = ProjectedResidualVectorQuantize(WIDTH, 1, SIZE, INNER).eval()
    z = latents().requires_grad_()
    quantizer.stages(z, 1).quantized.sum().backward()
    stage = quantizer.quantizers[0]
    through = stage.out_proj.weight[..., 0].sum(0) @ stage.in_proj.weight[..., 0]
    assert z.grad is not None
    assert torch.allclose(z.grad, through[None, :, None].expand_as(z), atol=1e-5)
