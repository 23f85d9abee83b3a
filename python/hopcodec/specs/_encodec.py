"""EnCodec ("High Fidelity Neural Audio Compression", arXiv 2210.13438) as data.

The layer numbering is that of the released state dict: `encoder.model.0` there is
`encoder.layers.0` here (and in Hugging Face's files).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    EuclideanRvq,
    Layer,
    Lstm,
    Padding,
    Residual,
    Segments,
)

RATIOS = (8, 5, 4, 2)  # in decoder order, which the encoder reverses
PadMode = Literal["reflect", "zero"]


@dataclass(frozen=True)
class Seanet:
    """The layers of `encodec/modules/seanet.py`, in one of its styles.

    The defaults are those of every released model. Residual block j of a level is dilated by
    `dilation_growth ** j`. `trim_right` is the share that a causal transposed convolution cuts off
    its right end.
    """

    channels: int
    filters: int
    latent: int
    ratios: tuple[int, ...]
    causal: bool
    group_norm: bool
    conv_shortcut: bool
    pad_mode: PadMode
    kernel: int = 7
    last_kernel: int = 7
    residual_kernel: int = 3
    residual_layers: int = 1
    dilation_growth: int = 2
    compress: int = 2
    lstm_layers: int = 2
    trim_right: float = 1.0

    def _ends(self, total: int) -> tuple[int, int]:
        """Split rows to pad or cut into left and right (`modules/conv.py`)."""
        right = total // 2
        return total - right, right

    def _padding(self, total: int) -> Padding:
        left, right = (total, 0) if self.causal else self._ends(total)
        return Padding(left, right, self.pad_mode, full_window=True)

    def _norm(self, name: str) -> str:
        return f"{name}.norm" if self.group_norm else ""

    def _conv(
        self,
        name: str,
        cin: int,
        cout: int,
        kernel: int,
        stride: int = 1,
        *,
        dilation: int = 1,
        elu: bool = True,
    ) -> Conv1d:
        return Conv1d(
            f"{name}.conv",
            cin,
            cout,
            kernel,
            self._padding((kernel - 1) * dilation + 1 - stride),
            stride=stride,
            dilation=dilation,
            activation="elu" if elu else "none",
            norm=self._norm(name),
        )

    def _up(self, name: str, cin: int, cout: int, ratio: int) -> ConvTranspose1d:
        left, right = self._ends(ratio)
        if self.causal:
            right = math.ceil(ratio * self.trim_right)
            left = ratio - right
        return ConvTranspose1d(
            f"{name}.conv",
            cin,
            cout,
            2 * ratio,
            ratio,
            trim_left=left,
            trim_right=right,
            activation="elu",
            norm=self._norm(name),
        )

    def _residual(self, name: str, width: int, dilation: int) -> Residual:
        """Make ELU, conv3 to half, ELU, conv1 back, beside a learned 1x1 or the identity."""
        shortcut = self._conv(f"{name}.shortcut", width, width, 1, elu=False)
        narrow = width // self.compress
        kernel = self.residual_kernel
        return Residual(
            branch=(
                self._conv(f"{name}.block.1", width, narrow, kernel, dilation=dilation),
                self._conv(f"{name}.block.3", narrow, width, 1),
            ),
            shortcut=(shortcut,) if self.conv_shortcut else (),
        )

    def _residuals(self, chain: str, index: int, width: int) -> Iterator[Residual]:
        """Make the residual blocks of one level, numbered from `index`."""
        for j in range(self.residual_layers):
            yield self._residual(f"{chain}.layers.{index + j}", width, self.dilation_growth**j)

    def _lstm(self, name: str, width: int) -> Lstm:
        return Lstm(f"{name}.lstm", width, self.lstm_layers, skip=True)

    def encoder(self) -> tuple[Layer, ...]:
        width, index = self.filters, 1
        layers: list[Layer] = [
            self._conv("encoder.layers.0", self.channels, width, self.kernel, elu=False),
        ]
        for ratio in reversed(self.ratios):
            layers += self._residuals("encoder", index, width)
            index += self.residual_layers + 2  # there an ELU is a layer of its own
            name = f"encoder.layers.{index - 1}"
            layers.append(self._conv(name, width, 2 * width, 2 * ratio, ratio))
            width *= 2
        layers.append(self._lstm(f"encoder.layers.{index}", width))
        name = f"encoder.layers.{index + 2}"
        layers.append(self._conv(name, width, self.latent, self.last_kernel))
        return tuple(layers)

    def decoder(self) -> tuple[Layer, ...]:
        width, index = self.filters * 2 ** len(self.ratios), 3
        layers: list[Layer] = [
            self._conv("decoder.layers.0", self.latent, width, self.kernel, elu=False),
            self._lstm("decoder.layers.1", width),
        ]
        for ratio in self.ratios:
            layers.append(self._up(f"decoder.layers.{index}", width, width // 2, ratio))
            width //= 2
            layers += self._residuals("decoder", index + 1, width)
            index += self.residual_layers + 2
        name = f"decoder.layers.{index}"
        layers.append(self._conv(name, width, self.channels, self.last_kernel))
        return tuple(layers)


def encodec(
    name: str,
    *,
    sample_rate: int,
    bandwidths: tuple[float, ...],
    codebooks: int,
    channels: int = 1,
    codebook_size: int = 1024,
    filters: int = 32,
    latent: int = 128,
    ratios: tuple[int, ...] = RATIOS,
    causal: bool = True,
    group_norm: bool = False,
    conv_shortcut: bool = True,
    pad_mode: PadMode = "reflect",
    segments: Segments | None = None,
) -> CodecSpec:
    """Make an EnCodec of any size. The hop is the product of `ratios`.

    Parameters
    ----------
    causal
        All padding is on the left. Otherwise half is on each side, which looks ahead.
    group_norm
        Normalise over all channels and rows after each convolution ("time_group_norm"), which
        needs `segments`. Otherwise weight norm is folded into the weights.
    conv_shortcut
        A learned 1x1 convolution beside each residual branch, or the identity.
    """
    net = Seanet(channels, filters, latent, ratios, causal, group_norm, conv_shortcut, pad_mode)
    return CodecSpec(
        name=name,
        sample_rate=sample_rate,
        channels=channels,
        hop_samples=math.prod(ratios),
        bandwidths=bandwidths,
        encoder=net.encoder(),
        decoder=net.decoder(),
        quantizer=EuclideanRvq("quantizer.layers.{q}.codebook", codebooks, codebook_size, latent),
        segments=segments,
    )


def causal_encodec(
    name: str,
    *,
    sample_rate: int,
    bandwidths: tuple[float, ...],
    codebooks: int,
    codebook_size: int = 1024,
    filters: int = 32,
    latent: int = 128,
    ratios: tuple[int, ...] = RATIOS,
) -> CodecSpec:
    """Make a mono, causal EnCodec of any width, which streams with a latency of one hop."""
    return encodec(
        name,
        sample_rate=sample_rate,
        bandwidths=bandwidths,
        codebooks=codebooks,
        codebook_size=codebook_size,
        filters=filters,
        latent=latent,
        ratios=ratios,
    )


def encodec_24khz() -> CodecSpec:
    """Make the streaming 24 kHz mono model: 320-sample hops, 75 frames/s, 1.5 to 24 kbps."""
    return causal_encodec(
        "encodec_24khz",
        sample_rate=24000,
        bandwidths=(1.5, 3.0, 6.0, 12.0, 24.0),
        codebooks=32,
    )


def encodec_48khz() -> CodecSpec:
    """Make the 48 kHz stereo model: segments of 1 s, 1 % overlap, 150 frames/s, 3 to 24 kbps."""
    return encodec(
        "encodec_48khz",
        sample_rate=48000,
        bandwidths=(3.0, 6.0, 12.0, 24.0),
        codebooks=16,
        channels=2,
        causal=False,
        group_norm=True,
        segments=Segments(samples=48000, stride=47520, normalise=True),
    )


def encodec_32khz() -> CodecSpec:
    """Make MusicGen's 32 kHz mono model: 640-sample hops, 50 frames/s, 4 codebooks, 2.2 kbps.

    `facebook/encodec_32khz` pads by reflection, as its `config.json` says. Other weights may pad
    otherwise, as theirs says.
    """
    return encodec(
        "encodec_32khz",
        sample_rate=32000,
        bandwidths=(2.2,),
        codebooks=4,
        codebook_size=2048,
        filters=64,
        ratios=(8, 5, 4, 4),
        causal=False,
        conv_shortcut=False,
    )
