"""The language a codec is written in: plain data, no arithmetic.

A codec is two chains of layers (audio to latents, latents to audio) around a residual vector
quantizer. Every layer names its weights; `CodecSpec.tensors()` lists each tensor a weights file
must hold, with its shape, so that a loader can check everything before anything is used.

All weights are *folded*: weight norm has been multiplied out, exactly one tensor per matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Nonlinearity = Literal["none", "elu", "snake", "tanh"]


@dataclass(frozen=True)
class Padding:
    """How a convolution treats the two ends of its input.

    `left` and `right` rows are added in `mode`. With `full_window`, the right side grows further
    until the last window is full, `(-length) mod stride` rows (EnCodec, `modules/conv.py`).
    """

    left: int
    right: int
    mode: Literal["reflect", "zero"]
    full_window: bool


@dataclass(frozen=True)
class Conv1d:
    """`y = conv1d(activation(x)) + bias`, then `output_activation`. Weight `(out, in, kernel)`."""

    name: str
    in_channels: int
    out_channels: int
    kernel: int
    padding: Padding
    stride: int = 1
    dilation: int = 1
    activation: Nonlinearity = "none"
    output_activation: Nonlinearity = "none"
    alpha: str = ""  # tensor (in_channels,) of a Snake input activation

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        yield f"{self.name}.weight", (self.out_channels, self.in_channels, self.kernel)
        yield f"{self.name}.bias", (self.out_channels,)
        if self.alpha:
            yield self.alpha, (self.in_channels,)


@dataclass(frozen=True)
class ConvTranspose1d:
    """`y = conv_transpose1d(activation(x)) + bias`, ends cut. Weight `(in, out, kernel)`."""

    name: str
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    trim_left: int
    trim_right: int
    activation: Nonlinearity = "none"
    alpha: str = ""

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        yield f"{self.name}.weight", (self.in_channels, self.out_channels, self.kernel)
        yield f"{self.name}.bias", (self.out_channels,)
        if self.alpha:
            yield self.alpha, (self.in_channels,)


@dataclass(frozen=True)
class Lstm:
    """`layers` stacked LSTMs, with the input added to the output when `skip`."""

    name: str
    channels: int
    layers: int
    skip: bool

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        n = self.channels
        for k in range(self.layers):
            yield f"{self.name}.weight_ih_l{k}", (4 * n, n)
            yield f"{self.name}.weight_hh_l{k}", (4 * n, n)
            yield f"{self.name}.bias_ih_l{k}", (4 * n,)
            yield f"{self.name}.bias_hh_l{k}", (4 * n,)


@dataclass(frozen=True)
class Residual:
    """`y = shortcut(x) + branch(x)`; an empty shortcut is the identity."""

    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        for layer in (*self.branch, *self.shortcut):
            yield from layer.tensors()


Layer = Conv1d | ConvTranspose1d | Lstm | Residual


@dataclass(frozen=True)
class EuclideanRvq:
    """Residual vector quantizer with Euclidean distance; `name` holds `{q}` for the codebook."""

    name: str
    codebooks: int
    codebook_size: int
    dim: int

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        for q in range(self.codebooks):
            yield f"{self.codebook_name(q)}.embed", (self.codebook_size, self.dim)

    def codebook_name(self, q: int) -> str:
        """Where codebook `q` lies. Not `str.format`: the name may come from a file."""
        return self.name.replace("{q}", str(q))


@dataclass(frozen=True)
class CodecSpec:
    """Everything about a codec except its numbers."""

    name: str
    sample_rate: int
    channels: int
    hop_samples: int
    bandwidths: tuple[float, ...]
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    quantizer: EuclideanRvq

    @property
    def frame_rate(self) -> float:
        """Frames per second; 75.0 for EnCodec 24 kHz."""
        return self.sample_rate / self.hop_samples

    def tensors(self) -> dict[str, Shape]:
        """Name and shape of every folded tensor, in data-path order."""
        parts: Iterable[Layer | EuclideanRvq] = (*self.encoder, self.quantizer, *self.decoder)
        return {name: shape for part in parts for name, shape in part.tensors()}
