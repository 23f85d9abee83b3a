"""Where a codec's training begins: a transform that already works, and blocks that do little.

A filter bank that steps by half its length starts as the modified discrete cosine transform
(Princen and Bradley, 1986), forth and back, so that before the first step audio passes through the
outer layers with its spectrum intact; the last convolution of each residual branch starts small
(as in Fixup, Zhang et al., arXiv 1901.09321). Everything stays trainable.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import torch
from hopcodec.torch.nn._assign import assign
from hopcodec.torch.nn._layers import Chain, PaddedConv1d, ResidualBlock, TrimmedConvTranspose1d
from torch import nn

# Speech is quiet: coefficients of about one make Snake a curve, not a straight line.
_GAIN = 15.0
_BRANCH = 0.3


def mdct(bands: int) -> npt.NDArray[np.float64]:
    """Orthonormal basis `(bands, 2 bands)` with the sine window: its own inverse, overlapped."""
    n, k = np.arange(2 * bands) + 0.5, np.arange(bands)[:, None] + 0.5
    window = np.sin(np.pi * n / (2 * bands))
    basis: npt.NDArray[np.float64] = (
        np.sqrt(2 / bands) * window * np.cos(np.pi / bands * (n + bands / 2) * k)
    )
    return basis


@torch.no_grad()
def structured_start(encoder: Chain, decoder: Chain) -> None:
    """Set the weights of both ends and of the residual branches, where they have that form."""
    first, last = encoder.layers[0], decoder.layers[-1]
    if isinstance(first, PaddedConv1d) and _is_lapped(first.layer.kernel, first.layer.stride):
        _set(first.conv, _GAIN * _bank(first.layer.out_channels, first.layer.stride))
    if isinstance(last, TrimmedConvTranspose1d) and _is_lapped(
        last.layer.kernel, last.layer.stride
    ):
        _set(last.conv, _bank(last.layer.in_channels, last.layer.stride) / _GAIN)
    for module in (*encoder.modules(), *decoder.modules()):
        if isinstance(module, ResidualBlock):
            end = module.branch.layers[-1]
            if isinstance(end, PaddedConv1d):
                _set(end.conv, _BRANCH * end.conv.weight.detach().double().numpy())


def _is_lapped(kernel: int, stride: int) -> bool:
    return stride > 1 and kernel == 2 * stride


def _bank(rows: int, bands: int) -> npt.NDArray[np.float64]:
    """The basis, cut to the lowest bands or filled up with faint noise, `(rows, 1, 2 bands)`."""
    basis = mdct(bands)[:rows]
    noise = torch.randn(max(0, rows - bands), 2 * bands, dtype=torch.float64).numpy()
    return np.concatenate([basis, 0.02 * noise])[:, None]


def _set(conv: nn.Module, weight: npt.NDArray[np.float64]) -> None:
    like, bias = conv.weight, conv.bias
    assert isinstance(like, torch.Tensor)
    assert isinstance(bias, torch.Tensor)
    value = torch.from_numpy(weight).to(like).reshape(like.shape)
    assign(conv, value, torch.zeros_like(bias))
