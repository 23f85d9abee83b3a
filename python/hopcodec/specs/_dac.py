"""DAC ("High-Fidelity Audio Compression with Improved RVQGAN", arXiv 2306.06546) as data.

Names are those of the released state dict (`dac/model/dac.py`), with weight norm multiplied out.
The convolutions pad both ends with zeros, so the codec looks ahead. The runtime says how far.
"""

from __future__ import annotations

import math
from dataclasses import replace

from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    Layer,
    Nonlinearity,
    Padding,
    ProjectedRvq,
    Residual,
)

DILATIONS = (1, 3, 9)


def _conv(
    name: str,
    cin: int,
    cout: int,
    kernel: int,
    *,
    pad: int,
    stride: int = 1,
    dilation: int = 1,
    alpha: str = "",
    output: Nonlinearity = "none",
) -> Conv1d:
    """Pad zeros on both sides. `alpha` names a Snake in front (`WNConv1d`, `Snake1d`)."""
    return Conv1d(
        name,
        cin,
        cout,
        kernel,
        Padding(left=pad, right=pad, mode="zero", full_window=False),
        stride=stride,
        dilation=dilation,
        activation="snake" if alpha else "none",
        output_activation=output,
        alpha=alpha,
    )


def _residual(name: str, channels: int, dilation: int) -> Residual:
    """Make Snake, dilated conv7, Snake, conv1, plus the input (`ResidualUnit`)."""
    return Residual(
        branch=(
            _conv(
                f"{name}.block.1",
                channels,
                channels,
                7,
                pad=3 * dilation,
                dilation=dilation,
                alpha=f"{name}.block.0.alpha",
            ),
            _conv(f"{name}.block.3", channels, channels, 1, pad=0, alpha=f"{name}.block.2.alpha"),
        )
    )


def _encoder(width: int, rates: tuple[int, ...], latent: int) -> tuple[Layer, ...]:
    layers: list[Layer] = [_conv("encoder.block.0", 1, width, 7, pad=3)]
    for index, rate in enumerate(rates, 1):
        block = f"encoder.block.{index}.block"
        layers += [_residual(f"{block}.{j}", width, d) for j, d in enumerate(DILATIONS)]
        layers.append(
            _conv(
                f"{block}.4",
                width,
                2 * width,
                2 * rate,
                pad=math.ceil(rate / 2),
                stride=rate,
                alpha=f"{block}.3.alpha",
            )
        )
        width *= 2
    end = len(rates) + 1
    last = f"encoder.block.{end + 1}"
    layers.append(_conv(last, width, latent, 3, pad=1, alpha=f"encoder.block.{end}.alpha"))
    return tuple(layers)


def _decoder(latent: int, width: int, rates: tuple[int, ...]) -> tuple[Layer, ...]:
    layers: list[Layer] = [_conv("decoder.model.0", latent, width, 7, pad=3)]
    for index, rate in enumerate(rates, 1):
        block = f"decoder.model.{index}.block"
        trim = math.ceil(rate / 2)
        layers.append(
            ConvTranspose1d(
                f"{block}.1",
                width,
                width // 2,
                2 * rate,
                rate,
                trim_left=trim,
                trim_right=trim,
                activation="snake",
                alpha=f"{block}.0.alpha",
            )
        )
        width //= 2
        layers += [_residual(f"{block}.{j}", width, d) for j, d in enumerate(DILATIONS, 2)]
    end = len(rates) + 1
    alpha = f"decoder.model.{end}.alpha"
    layers.append(_conv(f"decoder.model.{end + 1}", width, 1, 7, pad=3, alpha=alpha, output="tanh"))
    return tuple(layers)


def dac(
    name: str,
    *,
    sample_rate: int,
    encoder_dim: int = 64,
    encoder_rates: tuple[int, ...] = (2, 4, 8, 8),
    latent_dim: int | None = None,
    decoder_dim: int = 1536,
    decoder_rates: tuple[int, ...] = (8, 8, 4, 2),
    n_codebooks: int = 9,
    codebook_size: int = 1024,
    codebook_dim: int = 8,
) -> CodecSpec:
    """Make a mono DAC. Arguments and defaults are those of `dac.DAC`.

    `bandwidths` lists the kilobits per second of 1 to `n_codebooks` codes per frame.
    """
    latent = latent_dim or encoder_dim * 2 ** len(encoder_rates)
    hop = math.prod(encoder_rates)
    bits = (codebook_size - 1).bit_length()
    each = sample_rate / hop * bits / 1000
    return CodecSpec(
        name=name,
        sample_rate=sample_rate,
        channels=1,
        hop_samples=hop,
        bandwidths=tuple(each * q for q in range(1, n_codebooks + 1)),
        encoder=_encoder(encoder_dim, encoder_rates, latent),
        decoder=_decoder(latent, decoder_dim, decoder_rates),
        quantizer=ProjectedRvq(
            "quantizer.quantizers.{q}", n_codebooks, codebook_size, latent, codebook_dim
        ),
        whole_hops=True,
    )


def full_hop(spec: CodecSpec) -> CodecSpec:
    """Change the decoder of a codec to give `hop_samples` for every frame.

    A transposed convolution of odd stride is cut by a row more than it adds (`padding` is
    `ceil(stride / 2)` on both sides), which gives 320 n - 8 samples at 16 and 24 kHz. Here the
    right side keeps that row, as SNAC does with `output_padding = stride % 2`. All samples keep
    their places. The last ones change a little, because later layers see that row instead of
    padding.
    """
    layers = (
        replace(layer, trim_right=layer.kernel - layer.stride - layer.trim_left)
        if isinstance(layer, ConvTranspose1d)
        else layer
        for layer in spec.decoder
    )
    return replace(spec, decoder=tuple(layers))


def dac_16khz() -> CodecSpec:
    """Make DAC 16 kHz: 320-sample hops, 50 frames/s, 12 codebooks, up to 6 kbps."""
    return dac(
        "dac_16khz",
        sample_rate=16000,
        encoder_rates=(2, 4, 5, 8),
        decoder_rates=(8, 5, 4, 2),
        n_codebooks=12,
    )


def dac_24khz() -> CodecSpec:
    """Make DAC 24 kHz: 320-sample hops, 75 frames/s, 32 codebooks, up to 24 kbps."""
    return dac(
        "dac_24khz",
        sample_rate=24000,
        encoder_rates=(2, 4, 5, 8),
        decoder_rates=(8, 5, 4, 2),
        n_codebooks=32,
    )


def dac_44khz() -> CodecSpec:
    """Make DAC 44.1 kHz: 512-sample hops, 86.13 frames/s, 9 codebooks, up to 7.75 kbps."""
    return dac("dac_44khz", sample_rate=44100)


def dac_44khz_16kbps() -> CodecSpec:
    """Make DAC 44.1 kHz with 18 codebooks on a latent of 128, up to 15.5 kbps."""
    return dac("dac_44khz_16kbps", sample_rate=44100, latent_dim=128, n_codebooks=18)
