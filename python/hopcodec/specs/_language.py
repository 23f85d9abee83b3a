"""The language that describes codecs: plain data, no arithmetic.

A codec is two chains of layers (audio to latents, latents to audio) around a residual vector
quantizer. Every layer names its weights. `CodecSpec.tensors()` lists each tensor of a weights file
with its shape, so that a loader can check everything before anything is used.

All weights are *folded*: weight norm is multiplied out, so there is one tensor per matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Nonlinearity = Literal["none", "elu", "snake", "tanh"]


@dataclass(frozen=True)
class Padding:
    """The padding of a convolution's input at both ends.

    `left` and `right` rows are added in `mode`. With `full_window`, the right side grows further
    until the last window is full, `(-length) mod stride` rows (EnCodec, `modules/conv.py`).
    """

    left: int
    right: int
    mode: Literal["reflect", "zero"]
    full_window: bool


@dataclass(frozen=True)
class Conv1d:
    """`y = conv1d(activation(x)) + bias`, then `output_activation`. Weight `(out, in, kernel)`.

    With `norm`, the result is group-normalised over all channels and all rows of a segment. Such a
    layer gives nothing before the segment is complete (`Segments`).
    """

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
    norm: str = ""  # its weight and bias, (out_channels,) each

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        yield f"{self.name}.weight", (self.out_channels, self.in_channels, self.kernel)
        yield f"{self.name}.bias", (self.out_channels,)
        yield from _alpha_and_norm(self)


@dataclass(frozen=True)
class ConvTranspose1d:
    """`y = conv_transpose1d(activation(x)) + bias`, ends cut. Weight `(in, out, kernel)`.

    A `norm`, as in `Conv1d`, sees the rows that are cut afterwards (EnCodec, `modules/conv.py`).
    """

    name: str
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    trim_left: int
    trim_right: int
    activation: Nonlinearity = "none"
    alpha: str = ""
    norm: str = ""

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        yield f"{self.name}.weight", (self.in_channels, self.out_channels, self.kernel)
        yield f"{self.name}.bias", (self.out_channels,)
        yield from _alpha_and_norm(self)


def _alpha_and_norm(layer: Conv1d | ConvTranspose1d) -> Iterator[tuple[str, Shape]]:
    if layer.alpha:
        yield layer.alpha, (layer.in_channels,)
    if layer.norm:
        yield f"{layer.norm}.weight", (layer.out_channels,)
        yield f"{layer.norm}.bias", (layer.out_channels,)


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
    """`y = shortcut(x) + branch(x)`. An empty shortcut is the identity."""

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
        """Return the name of codebook `q`, without `str.format`: the name may come from a file."""
        return self.name.replace("{q}", str(q))


@dataclass(frozen=True)
class ProjectedRvq:
    """Residual vector quantizer of DAC (`dac/nn/quantize.py`); `name` holds `{q}` for the stage.

    Each stage projects the residual to `codebook_dim`, finds the entry of largest cosine, and
    subtracts that entry, not normalised, projected back.
    """

    name: str
    codebooks: int
    codebook_size: int
    dim: int
    codebook_dim: int

    def tensors(self) -> Iterator[tuple[str, Shape]]:
        for q in range(self.codebooks):
            stage = self.codebook_name(q)
            yield f"{stage}.in_proj.weight", (self.codebook_dim, self.dim, 1)
            yield f"{stage}.in_proj.bias", (self.codebook_dim,)
            yield f"{stage}.codebook.weight", (self.codebook_size, self.codebook_dim)
            yield f"{stage}.out_proj.weight", (self.dim, self.codebook_dim, 1)
            yield f"{stage}.out_proj.bias", (self.dim,)

    def codebook_name(self, q: int) -> str:
        """Return the name of stage `q`."""
        return self.name.replace("{q}", str(q))


Quantizer = EuclideanRvq | ProjectedRvq


@dataclass(frozen=True)
class Segments:
    """A signal coded in overlapping segments, each on its own (EnCodec 48 kHz, `model.py`).

    Segment i begins at sample `i * stride`. The last ones are shorter where the signal ends. With
    `normalise`, each is divided by its own loudness, which is stored with the codes. Decoded
    segments are added under a triangle and divided by the sum of the triangles.
    """

    samples: int
    stride: int
    normalise: bool


@dataclass(frozen=True)
class CodecSpec:
    """A codec without the numbers of its weights."""

    name: str
    sample_rate: int
    channels: int
    hop_samples: int
    bandwidths: tuple[float, ...]
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    quantizer: Quantizer
    # True if the signal is filled up with zeros to whole hops at first (DAC, `preprocess`).
    # Otherwise each layer pads its own last window.
    whole_hops: bool = False
    segments: Segments | None = None

    @property
    def frame_rate(self) -> float:
        """Frames per second; 75.0 for EnCodec 24 kHz."""
        return self.sample_rate / self.hop_samples

    def tensors(self) -> dict[str, Shape]:
        """List name and shape of every folded tensor, in the order of the data path."""
        parts: Iterable[Layer | Quantizer] = (*self.encoder, self.quantizer, *self.decoder)
        return {name: shape for part in parts for name, shape in part.tensors()}
