"""EnCodec ("High Fidelity Neural Audio Compression", arXiv 2210.13438) as data.

The layer numbering is that of the released state dict: `encoder.model.0` there is
`encoder.layers.0` here (and in Hugging Face's files).
"""

from __future__ import annotations

import math

from hopcodec.models.spec import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    EuclideanRvq,
    Layer,
    Lstm,
    Padding,
    Residual,
)

RATIOS = (8, 5, 4, 2)  # decoder order; the encoder goes the other way


def _causal(kernel: int, stride: int = 1) -> Padding:
    """All padding on the left, reflected, as released (`encodec/modules/conv.py`)."""
    return Padding(left=kernel - stride, right=0, mode="reflect", full_window=True)


def _conv(
    name: str, cin: int, cout: int, kernel: int, stride: int = 1, *, elu: bool = True
) -> Conv1d:
    return Conv1d(
        f"{name}.conv",
        cin,
        cout,
        kernel,
        _causal(kernel, stride),
        stride=stride,
        activation="elu" if elu else "none",
    )


def _residual(name: str, channels: int) -> Residual:
    """ELU, conv3 to half, ELU, conv1 back; learned 1x1 shortcut (`modules/seanet.py`)."""
    return Residual(
        branch=(
            _conv(f"{name}.block.1", channels, channels // 2, 3),
            _conv(f"{name}.block.3", channels // 2, channels, 1),
        ),
        shortcut=(_conv(f"{name}.shortcut", channels, channels, 1, elu=False),),
    )


def _encoder(filters: int, latent: int, ratios: tuple[int, ...]) -> tuple[Layer, ...]:
    width = filters
    layers: list[Layer] = [_conv("encoder.layers.0", 1, width, 7, elu=False)]
    for block, ratio in enumerate(reversed(ratios)):
        index = 1 + 3 * block
        layers.append(_residual(f"encoder.layers.{index}", width))
        layers.append(_conv(f"encoder.layers.{index + 2}", width, 2 * width, 2 * ratio, ratio))
        width *= 2
    index = 1 + 3 * len(ratios)
    layers.append(Lstm(f"encoder.layers.{index}.lstm", width, layers=2, skip=True))
    layers.append(_conv(f"encoder.layers.{index + 2}", width, latent, 7))
    return tuple(layers)


def _decoder(filters: int, latent: int, ratios: tuple[int, ...]) -> tuple[Layer, ...]:
    width = filters * 2 ** len(ratios)
    layers: list[Layer] = [
        _conv("decoder.layers.0", latent, width, 7, elu=False),
        Lstm("decoder.layers.1.lstm", width, layers=2, skip=True),
    ]
    for block, ratio in enumerate(ratios):
        index = 3 + 3 * block
        layers.append(
            ConvTranspose1d(
                f"decoder.layers.{index}.conv",
                width,
                width // 2,
                2 * ratio,
                ratio,
                trim_left=0,
                trim_right=ratio,
                activation="elu",
            )
        )
        width //= 2
        layers.append(_residual(f"decoder.layers.{index + 1}", width))
    layers.append(_conv(f"decoder.layers.{3 + 3 * len(ratios)}", width, 1, 7))
    return tuple(layers)


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
    """A mono, causal EnCodec of any width; the hop is the product of `ratios`."""
    return CodecSpec(
        name=name,
        sample_rate=sample_rate,
        channels=1,
        hop_samples=math.prod(ratios),
        bandwidths=bandwidths,
        encoder=_encoder(filters, latent, ratios),
        decoder=_decoder(filters, latent, ratios),
        quantizer=EuclideanRvq("quantizer.layers.{q}.codebook", codebooks, codebook_size, latent),
    )


def encodec_24khz() -> CodecSpec:
    """The streamable 24 kHz mono model: 320-sample hops, 75 frames/s, 1.5 to 24 kbps."""
    return causal_encodec(
        "encodec_24khz",
        sample_rate=24000,
        bandwidths=(1.5, 3.0, 6.0, 12.0, 24.0),
        codebooks=32,
    )
