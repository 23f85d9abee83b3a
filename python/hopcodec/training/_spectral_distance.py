"""Distances of two signals in one window size, as one node of the autograd graph.

Most of a step's arithmetic outside the networks is here, so it is written for few passes over
memory: one FFT of each signal serves the mel and the complex distance, powers are taken once, and
the gradient is in closed form (one inverse FFT), 2 to 3 times faster on a CPU than operator by
operator.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from hopcodec.training._spectra import framed, overlapped, power_of, rfft_adjoint
from torch import Tensor

COMPRESSION = 0.3  # exponent of magnitudes in the complex distance
PHASE_SHARE = 0.3  # of the complex distance that sees phase; the rest compares magnitudes
POWER_FLOOR = 1e-9  # bounds the gradients of the root and of the compression at 0


class Distances(NamedTuple):
    """Means over all elements; a distance that was not asked for is 0."""

    log_mel: Tensor
    linear_mel: Tensor
    complex: Tensor


def spectral_distances(
    estimate: Tensor,
    target: Tensor,
    window: Tensor,
    bank: Tensor | None,
    floor: float,
    *,
    phase: bool,
) -> Distances:
    """Distances of `estimate` from `target`, both `(batch, samples)`; the gradient is `estimate`'s.

    With magnitudes `|X| = sqrt(re^2 + im^2 + 1e-9)` and mel bands `a = |X| bank`, the target's `b`:
    `mean |log10(a + floor) - log10(b + floor)|`, `mean |a - b|`, and, if `phase`,
    `mean 0.3 |X/|X|^0.7 - Y/|Y|^0.7|^2 + 0.7 (|X|^0.3 - |Y|^0.3)^2` (Braun and Tashev, arXiv
    2009.12286, eq. 6), where the floor counts as a third, equal component of both.
    """
    found = _Distances.apply(  # type: ignore[no-untyped-call]
        estimate, target, window, bank, floor, phase
    )
    return Distances(*found)


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        estimate: Tensor,
        target: Tensor,
        window: Tensor,
        bank: Tensor | None,
        floor: float,
        phase: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        size = len(window)
        x = torch.fft.rfft(framed(estimate, size) * window)
        y = torch.fft.rfft(framed(target, size) * window)
        px, py = power_of(x).add_(POWER_FLOOR), power_of(y).add_(POWER_FLOOR)
        rx, ry = px.sqrt(), py.sqrt()
        a = b = mx = my = dot = cross = None
        log_mel = linear_mel = distance = estimate.new_zeros(())
        if bank is not None:
            a, b = rx @ bank, ry @ bank
            log_mel = ((a + floor).log10_() - (b + floor).log10_()).abs_().mean()
            linear_mel = (a - b).abs_().mean()
        if phase:
            cx, cy = px.pow((COMPRESSION - 1) / 2), py.pow((COMPRESSION - 1) / 2)
            mx, my = cx * rx, cy * ry
            dot = (x.real * y.real).addcmul_(x.imag, y.imag).add_(POWER_FLOOR)
            cross = cx.mul_(cy)
            shared = torch.lerp(mx * my, cross * dot, PHASE_SHARE)
            distance = (mx.square() + my.square() - 2 * shared).mean()
        ctx.samples, ctx.floor, ctx.window, ctx.bank = estimate.shape[1], floor, window, bank
        ctx.kept = (x, y, px, rx, a, b, mx, my, dot, cross)
        return log_mel, linear_mel, distance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        log_mel, linear_mel, distance = grads
        x, y, px, rx, a, b, mx, my, dot, cross = ctx.kept
        by_power = torch.zeros_like(px)  # gradient with respect to `px`
        if a is not None and (log_mel is not None or linear_mel is not None):
            by_band = torch.zeros_like(a)
            if log_mel is not None:
                # The logarithm keeps the order, so the sign of its difference is that of a - b.
                scale = log_mel / (a.numel() * math.log(10))
                by_band += (a - b).sign_() / (a + ctx.floor) * scale
            if linear_mel is not None:
                by_band += (a - b).sign_() * (linear_mel / a.numel())
            by_power += (by_band @ ctx.bank.T).div_(rx).mul_(0.5)
        spectrum = None
        if mx is not None and distance is not None:
            scale = distance / px.numel()
            magnitude = (mx - (1 - PHASE_SHARE) * my).mul_(mx).mul_(COMPRESSION)
            aligned = (cross * dot).mul_((1 - COMPRESSION) * PHASE_SHARE)
            by_power += magnitude.add_(aligned).div_(px).mul_(scale)
            spectrum = y * (cross * (-2 * PHASE_SHARE * scale))
        direct = x * by_power.mul_(2)
        spectrum = direct if spectrum is None else spectrum.add_(direct)
        frames = rfft_adjoint(spectrum, len(ctx.window)).mul_(ctx.window)
        return overlapped(frames, ctx.samples), None, None, None, None, None
