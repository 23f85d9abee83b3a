"""Small DACs that are no special case: every weight drawn, biases and alphas too, codes spread."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from dac_models import descript
from torch.nn.utils.parametrize import is_parametrized

import torch
from hopcodec.torch.speechbrain import DAC
from torch import Tensor, nn

torch.set_num_threads(1)  # the last bits of PyTorch's results depend on the number

# Odd stride, latents of another width than the encoder's, dropout for training.
SHAPE: dict[str, Any] = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4, 5, 8],
    "latent_dim": 24,
    "decoder_dim": 64,
    "decoder_rates": [8, 5, 4, 2],
    "n_codebooks": 5,
    "codebook_size": 64,
    "codebook_dim": 8,
    "quantizer_dropout": 0.5,
    "sample_rate": 16000,
}
HOP = 320


@torch.no_grad()
def drawn(model: nn.Module, seed: int = 0) -> None:
    """Weights under which signals stay at about one, and audio comes out within full scale."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor: Tensor, bound: float, centre: float = 0.0) -> Tensor:
        return centre + bound * (2 * torch.rand(tensor.shape, generator=generator) - 1)

    for module in model.modules():
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
            products = module.in_channels * module.kernel_size[0]
            gain = 0.7  # Snake adds to what it is given
            if isinstance(module, nn.ConvTranspose1d):
                products //= module.stride[0]
            elif module.kernel_size == (1,):
                gain = 0.3 if module.in_channels == module.out_channels else 1.0  # of a unit
            elif module.in_channels == 1:
                gain = 10.0  # sound is quiet
            elif module.out_channels == 1:
                gain = 0.25  # tanh follows
            set_weight(module, uniform(module.weight, gain * (3.0 / products) ** 0.5))
            assert module.bias is not None
            module.bias.copy_(uniform(module.bias, 0.05))
        elif hasattr(module, "alpha") and isinstance(module.alpha, nn.Parameter):  # of a Snake
            module.alpha.copy_(uniform(module.alpha, 0.5, centre=1.0))
        elif isinstance(module, nn.Embedding):
            module.weight.copy_(uniform(module.weight, 1.0))


def set_weight(conv: nn.Module, weight: Tensor) -> None:
    """Through weight norm, where there is one."""
    if is_parametrized(conv, "weight"):
        conv.weight = weight
    else:
        held = conv.weight
        assert isinstance(held, Tensor)
        held.copy_(weight)


def small_dac(seed: int = 0, **changes: Any) -> DAC:
    """In evaluation mode."""
    torch.manual_seed(seed)
    model = DAC(**{**SHAPE, **changes})
    drawn(model, seed)
    return model.eval()


def original_state(model: nn.Module) -> dict[str, Tensor]:
    """The state dict as the released files spell it."""
    gain, direction = ".parametrizations.weight.original0", ".parametrizations.weight.original1"
    return {
        name.replace(gain, ".weight_g").replace(direction, ".weight_v"): tensor
        for name, tensor in model.state_dict().items()
    }


def original_model(state: Mapping[str, Tensor], **shape: Any) -> Any:
    """`dac.DAC` (evaluation mode) with exactly this state, `weight_g` and `weight_v` in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its weight_norm is deprecated
        model = descript().DAC(**shape)
    model.load_state_dict(dict(state), strict=True)
    return model.eval()


def sound(batch: int, samples: int, seed: int = 0) -> Tensor:
    """`(batch, 1, samples)`: tones under envelopes, and noise."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(samples) / 16000
    pitch = 80 + 300 * torch.rand(batch, 1, 1, generator=generator)
    tone = sum(torch.sin(2 * torch.pi * k * pitch * t) / k for k in (1, 2, 3, 5))
    envelope = 0.55 + 0.45 * torch.sin(2 * torch.pi * 2.3 * t + 9 * pitch)
    noise = torch.randn(batch, 1, samples, generator=generator)
    return 0.3 * tone * envelope + 0.05 * noise
