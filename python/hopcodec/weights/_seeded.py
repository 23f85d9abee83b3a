"""Make weights from a seed, with the same bits on every machine.

The codec has the right shape, cost and size of signals, but codes nothing useful. It serves tests,
benchmarks and trials without trained weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    Layer,
    Lstm,
    ProjectedRvq,
    Quantizer,
)
from hopcodec.weights._raw import FloatArray

# Tuned on speech, so that latents have standard deviation 1 and vary over time, every layer is of
# the order of 1, and the output is about as loud as the input.
_GAIN_FIRST = 16.0  # speech is quiet
_GAIN = 1.15  # makes up for the energy that ELU removes
_GAIN_LATENT = 1.75
_GAIN_AUDIO = 0.13
_BIAS = 0.02
# The same for DAC. Snakes and thirty residual units add to a signal, so each is kept quiet. The sum
# of all entries lies in a small part of the latent space, so the decoder amplifies it first.
_SNAKE_GAIN = 0.9
_UNIT_GAIN = 0.35
_DAC_GAIN_LATENT = 0.45
_DAC_GAIN_DECODER = 3.0
_DAC_GAIN_AUDIO = 0.03
# 1024 random directions in 128 dimensions take some 10 % of the energy of any residual, so each
# codebook is only a little smaller than the one before. At half the size it would soon add nothing.
_CODEBOOK_SCALE = 0.7
_CODEBOOK_FALL = 0.95

_MASK = (1 << 64) - 1
_BLOCK = 1 << 14
_GOLDEN = 0x9E3779B97F4A7C15


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply the output function of splitmix64 (Steele, Lea and Flood, OOPSLA 2014) in place."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _key(seed: int, name: str) -> int:
    """Hash the name by FNV-1a, and mix in the seed."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & _MASK
    mixed = _mixed(np.array([(seed * _GOLDEN) & _MASK], dtype=np.uint64))
    return value ^ int(mixed[0])


def uniform(seed: int, name: str, count: int) -> FloatArray:
    """Return `count` numbers in (-1, 1), float32, that depend on the arguments alone.

    Number i is splitmix64 at counter i. Its top 24 bits k give `(2k + 1 - 2**24) / 2**24`, which
    float32 holds exactly, so nothing is rounded.
    """
    key = np.uint64(_key(seed, name))
    numbers = np.empty(count, np.float32)
    # In blocks that stay in the cache: four times as fast as one pass over all numbers per step.
    for first in range(0, count, _BLOCK):
        block = numbers[first : first + _BLOCK]
        counter = np.arange(first + 1, first + 1 + block.size, dtype=np.uint64)
        counter *= np.uint64(_GOLDEN)
        counter += key
        top = (_mixed(counter) >> np.uint64(40)).astype(np.int64)
        np.multiply(2 * top + (1 - (1 << 24)), 2.0**-24, out=block, casting="same_kind")
    return numbers


@dataclass(frozen=True)
class _Range:
    name: str
    shape: tuple[int, ...]
    bound: float
    centre: float = 0.0
    transposed: str = ""  # use that tensor with its first two dimensions exchanged


def _conv(layer: Conv1d | ConvTranspose1d, gain: float) -> Iterator[_Range]:
    """Choose ranges so that output variance = gain**2 * variance of uncorrelated inputs."""
    fan_in = layer.in_channels * layer.kernel
    if isinstance(layer, ConvTranspose1d):
        fan_in //= layer.stride  # products in one output sample
    for name, shape in layer.tensors():
        if name in (
            layer.alpha,
            f"{layer.norm}.weight",
        ):  # Snake divides by it, norm multiplies
            yield _Range(name, shape, 0.5, centre=1.0)
        else:
            bias = name.endswith(".bias")
            yield _Range(name, shape, _BIAS * gain if bias else sqrt(3.0 / fan_in) * gain)


def _layer(layer: Layer, gain: float) -> Iterator[_Range]:
    if isinstance(layer, (Conv1d, ConvTranspose1d)):
        yield from _conv(layer, gain)
    elif isinstance(layer, Lstm):
        bound = 1.0 / sqrt(layer.channels)
        yield from (_Range(name, shape, bound) for name, shape in layer.tensors())
    elif not layer.shortcut and gain == _SNAKE_GAIN:
        for part in layer.branch:
            yield from _layer(part, _UNIT_GAIN if part is layer.branch[-1] else gain)
    else:  # two paths are added, so each gives half the variance
        for path in (layer.branch, layer.shortcut):
            for part in path:
                yield from _layer(part, gain * sqrt(0.5) if part is path[-1] else gain)


def _chain(
    layers: tuple[Layer, ...], first: float, last: float, between: float = _GAIN
) -> Iterator[_Range]:
    for layer in layers:
        gain = first if layer is layers[0] else last if layer is layers[-1] else between
        yield from _layer(layer, gain)


def _codebooks(quantizer: Quantizer) -> Iterator[_Range]:
    if isinstance(quantizer, ProjectedRvq):
        yield from _projections(quantizer)
        return
    scale = _CODEBOOK_SCALE
    for name, shape in quantizer.tensors():
        yield _Range(name, shape, scale)
        scale *= _CODEBOOK_FALL


def _projections(quantizer: ProjectedRvq) -> Iterator[_Range]:
    """Make projections, each the transpose of the other, as random directions are orthogonal.

    Entries are as long as a projected latent of variance 1, so each stage removes most of the
    energy in its few dimensions.
    """
    bound = sqrt(3.0 / quantizer.dim)
    for name, shape in quantizer.tensors():
        if name.endswith("in_proj.weight"):
            yield _Range(name, shape, bound)
        elif name.endswith("out_proj.weight"):
            there = name.replace("out_proj", "in_proj")
            yield _Range(name, shape, bound, transposed=there)
        else:
            yield _Range(name, shape, _BIAS if name.endswith(".bias") else sqrt(3.0))


def seeded_weights(spec: CodecSpec, seed: int = 1) -> dict[str, FloatArray]:
    """Make deterministic random weights for any codec.

    Parameters
    ----------
    seed
        Any integer. Each gives another model.

    Returns
    -------
    dict
        Exactly the names and shapes of `spec.tensors()`: float32, C-contiguous, the same bits
        with every numpy version on every processor.
    """
    weights = {}
    for r in _ranges(spec):
        if r.transposed:
            back = uniform(seed, r.transposed, prod(r.shape)).reshape(r.shape[1], r.shape[0], -1)
            numbers = np.ascontiguousarray(back.swapaxes(0, 1))
        else:
            numbers = uniform(seed, r.name, prod(r.shape)).reshape(r.shape)
        weights[r.name] = numbers * np.float32(r.bound) + np.float32(r.centre)
    return weights


def _ranges(spec: CodecSpec) -> Iterator[_Range]:
    if isinstance(spec.quantizer, ProjectedRvq):
        yield from _chain(spec.encoder, _GAIN_FIRST, _DAC_GAIN_LATENT, _SNAKE_GAIN)
        yield from _codebooks(spec.quantizer)
        yield from _chain(spec.decoder, _DAC_GAIN_DECODER, _DAC_GAIN_AUDIO, _SNAKE_GAIN)
    else:
        yield from _chain(spec.encoder, _GAIN_FIRST, _GAIN_LATENT)
        yield from _codebooks(spec.quantizer)
        yield from _chain(spec.decoder, _GAIN, _GAIN_AUDIO)
