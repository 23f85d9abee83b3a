"""What training strives for: losses against float64 numpy, discriminators, balance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

import torch
from hopcodec.training._balance import Balancer, weighted_gradient
from hopcodec.training._config import Discriminator, Losses
from hopcodec.training._discriminators import Discriminators
from hopcodec.training._losses import (
    SpectralLosses,
    discriminator_loss,
    feature_loss,
    generator_loss,
)
from hopcodec.training._spectra import framed, mel_bank, overlapped, rfft_adjoint, window_of
from hopcodec.training._spectral_distance import spectral_distances
from torch import Tensor

RATE = 24000


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small work is faster on one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], size: int, bins: int, floor: float
) -> tuple[float, float, float]:
    """The distances of `spectral_distances`, term by term as its docstring has them."""
    window = np.hanning(size + 1)[:-1]
    window /= np.sqrt((window**2).sum())
    bank = mel_bank(bins, size, RATE).double().numpy()

    def spectrum(x: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
        frames = np.lib.stride_tricks.sliding_window_view(x, size, axis=1)[:, :: size // 4]
        return np.fft.rfft(frames * window)

    x, y = spectrum(a), spectrum(b)
    rx, ry = np.sqrt(np.abs(x) ** 2 + 1e-9), np.sqrt(np.abs(y) ** 2 + 1e-9)
    mx, my = rx @ bank, ry @ bank
    third = np.sqrt(1e-9) * (rx**-0.7 - ry**-0.7)
    phase = np.abs(x * rx**-0.7 - y * ry**-0.7) ** 2 + third**2
    magnitude = (rx**0.3 - ry**0.3) ** 2
    return (
        np.abs(np.log10(mx + floor) - np.log10(my + floor)).mean(),
        np.abs(mx - my).mean(),
        (0.3 * phase + 0.7 * magnitude).mean(),
    )


@pytest.mark.parametrize(("size", "bins"), [(1024, 80), (256, 40), (64, 10)])
def test_distances_are_those_of_numpy(size: int, bins: int) -> None:
    a, b = noise(3, 3000), noise(3, 3000, seed=1)
    found = spectral_distances(a, b, window_of(size), mel_bank(bins, size, RATE), 1e-4, phase=True)
    expected = reference(a.double().numpy(), b.double().numpy(), size, bins, 1e-4)
    assert [float(value) for value in found] == pytest.approx(expected, rel=1e-4)


def test_the_gradient_in_closed_form_is_the_derivative() -> None:
    a = noise(2, 28).double().requires_grad_()
    b = noise(2, 28, seed=1).double()
    window, bank = window_of(16).double(), mel_bank(3, 16, RATE).double()

    def distances(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(spectral_distances(x, b, window, bank, 1e-4, phase=True))

    assert torch.autograd.gradcheck(distances, (a,))
    for name in ("log_mel", "linear_mel", "complex"):  # and of each alone

        def one(x: Tensor, name: str = name) -> Tensor:
            found: Tensor = getattr(spectral_distances(x, b, window, bank, 1e-4, phase=True), name)
            return found

        assert torch.autograd.gradcheck(one, (a,))


def test_framing_and_fft_have_the_adjoints_they_claim() -> None:
    x = noise(2, 203).double()
    frames = framed(x, 32)
    g = noise(*frames.shape, seed=1).double()
    assert float((frames * g).sum()) == pytest.approx(float((x * overlapped(g, 203)).sum()))
    y = noise(4, 32).double().requires_grad_()
    spectrum = torch.fft.rfft(y)
    g = torch.randn_like(spectrum)
    (expected,) = torch.autograd.grad(spectrum, y, g)
    torch.testing.assert_close(rfft_adjoint(g.clone(), 32), expected)
    with pytest.raises(ValueError, match="expected 64 samples or more, got 63"):
        framed(noise(1, 63), 64)


def test_losses_vanish_for_identical_signals_and_grow_with_noise() -> None:
    losses = SpectralLosses(Losses(waveform=1.0, mel_linear=1.0), RATE)
    x = noise(2, 1, 4800)
    same = losses(x, x)
    assert set(same) == {"mel", "mel_linear", "complex", "waveform"}
    assert all(abs(float(value)) < 1e-7 for value in same.values())
    near = losses(x + 0.1 * noise(2, 1, 4800, seed=1), x)
    far = losses(x + noise(2, 1, 4800, seed=1), x)
    assert all(0 < near[name] < far[name] for name in same)


def test_a_loss_of_weight_zero_is_left_out() -> None:
    x = noise(2, 1, 4800)
    assert set(SpectralLosses(Losses(mel=0.0), RATE)(x, x)) == {"complex"}
    assert set(SpectralLosses(Losses(complex=0.0), RATE)(x, x)) == {"mel"}


def test_no_mel_band_is_empty_and_white_noise_is_flat() -> None:
    for size, bins in zip(Losses().mel_windows, Losses().mel_bins, strict=True):
        bank = mel_bank(bins, size, RATE)
        assert bank.shape == (size // 2 + 1, bins)
        torch.testing.assert_close(bank.sum(0), torch.ones(bins))
    for size in (64, 1024):
        spectrum = torch.fft.rfft(framed(10 * noise(1, 200_000), size) * window_of(size))
        power = spectrum.abs().square().mean((0, 1))[1:-1]
        torch.testing.assert_close(power, torch.ones_like(power), rtol=0.35, atol=0)


def test_discriminators_judge_every_part_of_the_signal() -> None:
    config = Discriminator(
        stft_windows=(256, 64), stft_channels=4, periods=(2, 5), period_channels=4
    )
    discriminators = Discriminators(config)
    audio = noise(3, 1, 3203).requires_grad_()
    judgement = discriminators(audio)
    assert len(judgement.scores) == 4
    assert len(judgement.features) == 2 * 5 + 2 * 4
    windows = (3203 - 256) // 64 + 1
    assert judgement.scores[0].shape == (3, 1, windows, 9)  # 129 bins, halved four times
    assert judgement.scores[3].shape[-1] == 5
    for score in judgement.scores:
        (gradient,) = torch.autograd.grad(score.sum(), audio, retain_graph=True)
        assert (gradient.abs() > 0).float().mean() > 0.95


def test_discriminators_learn_to_tell() -> None:
    torch.manual_seed(0)
    config = Discriminator(stft_windows=(64,), stft_channels=4, periods=(3,), period_channels=4)
    discriminators = Discriminators(config)
    optimizer = torch.optim.Adam(discriminators.parameters(), 3e-3)
    ramp = torch.linspace(0, 200, 1024).sin()[None, None].repeat(4, 1, 1)
    for step in range(30):
        real, fake = discriminators(ramp), discriminators(noise(4, 1, 1024, seed=step))
        loss = discriminator_loss(real.scores, fake.scores, "hinge")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5


def test_adversarial_losses() -> None:
    high, low = [torch.full((2, 3), 2.0)], [torch.full((2, 3), -2.0)]
    for kind in ("hinge", "least_squares"):
        assert discriminator_loss(high, low, kind) < discriminator_loss(low, high, kind)
        assert generator_loss([torch.ones(3)], kind) < generator_loss(low, kind)
    assert discriminator_loss(high, low, "hinge") == 0
    features = [noise(2, 4, 5), noise(3, 3)]
    assert feature_loss(features, features) == 0
    doubled = [2 * value for value in features]
    assert float(feature_loss(doubled, features)) == pytest.approx(1.0, rel=1e-4)


def test_the_balancer_gives_each_loss_its_share() -> None:
    audio = noise(4, 1, 100).requires_grad_()

    def losses() -> dict[str, Tensor]:
        return {"mel": 1000 * audio.square().sum(), "feature": 0.001 * audio.sum()}

    balancer = Balancer()
    weights = {"mel": 3.0, "feature": 1.0}
    for _ in range(3):
        gradient = balancer.gradient(losses(), weights, audio)
    alone = {"mel": 3.0, "feature": 0.0}
    mel = Balancer().gradient(losses(), alone, audio)
    assert float(mel.flatten(1).norm(dim=1).mean()) == pytest.approx(1.0, rel=1e-3)
    rest = gradient - 0.75 * mel
    assert float(rest.flatten(1).norm(dim=1).mean()) == pytest.approx(0.25, rel=1e-3)
    plain = weighted_gradient(losses(), weights, audio, retain=False)
    torch.testing.assert_close(plain, 6000 * audio.detach() + 0.001)
    kept = Balancer()
    kept.load_state_dict(balancer.state_dict(), torch.device("cpu"))  # type: ignore[arg-type]
    torch.testing.assert_close(
        kept.gradient(losses(), weights, audio), balancer.gradient(losses(), weights, audio)
    )
