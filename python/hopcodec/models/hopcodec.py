"""The project's own speech codec as data: frames first, all deep layers at the frame rate.

The first layer is a bank of filters two hops long, one step a hop, and the last one its transpose;
between them only residual blocks at 75 frames/s. So almost no arithmetic is done at the sample
rate, and a hop costs a few matrix-vector products. Overlapping windows of two hops cost one hop of
look-ahead, as in any lapped transform (Malvar, 1990), and need no smoothing at frame borders.
"""

from __future__ import annotations

from hopcodec.models.spec import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    EuclideanRvq,
    Layer,
    Padding,
    Residual,
)

HOP = 320


def _conv(name: str, cin: int, cout: int, kernel: int, *, dilation: int = 1) -> Conv1d:
    """Snake, then a causal convolution; zeros stand before the start, in training as in use."""
    return Conv1d(
        name,
        cin,
        cout,
        kernel,
        Padding(left=(kernel - 1) * dilation, right=0, mode="zero", full_window=False),
        dilation=dilation,
        activation="snake",
        alpha=f"{name}.alpha",
    )


def _block(name: str, width: int, kernel: int, dilation: int) -> Residual:
    return Residual(
        branch=(
            _conv(f"{name}.0", width, width, kernel, dilation=dilation),
            _conv(f"{name}.1", width, width, 1),
        )
    )


def _blocks(name: str, width: int, kernel: int, dilations: tuple[int, ...]) -> tuple[Layer, ...]:
    return tuple(_block(f"{name}.{i}", width, kernel, d) for i, d in enumerate(dilations))


def lapped_codec(
    name: str,
    *,
    encoder_width: int,
    decoder_width: int,
    encoder_dilations: tuple[int, ...],
    decoder_dilations: tuple[int, ...],
    latent: int,
    codebooks: int,
    codebook_size: int = 1024,
    bandwidths: tuple[float, ...],
    kernel: int = 3,
    sample_rate: int = 24000,
    hop: int = HOP,
) -> CodecSpec:
    """A codec of this kind in any width; one hop of look-ahead, in the encoder."""
    analysis = Conv1d(
        "encoder.analysis",
        1,
        encoder_width,
        2 * hop,
        Padding(left=0, right=hop, mode="zero", full_window=True),
        stride=hop,
    )
    synthesis = ConvTranspose1d(
        "decoder.synthesis",
        decoder_width,
        1,
        2 * hop,
        hop,
        trim_left=0,
        trim_right=hop,
        activation="snake",
        alpha="decoder.synthesis.alpha",
    )
    return CodecSpec(
        name=name,
        sample_rate=sample_rate,
        channels=1,
        hop_samples=hop,
        bandwidths=bandwidths,
        encoder=(
            analysis,
            *_blocks("encoder.blocks", encoder_width, kernel, encoder_dilations),
            _conv("encoder.latent", encoder_width, latent, 1),
        ),
        decoder=(
            _conv("decoder.expand", latent, decoder_width, kernel),
            *_blocks("decoder.blocks", decoder_width, kernel, decoder_dilations),
            synthesis,
        ),
        quantizer=EuclideanRvq("quantizer.codebooks.{q}", codebooks, codebook_size, latent),
    )


def hopcodec_24khz() -> CodecSpec:
    """The default: 24 kHz mono speech, 320-sample hops, 0.75 to 6 kbps, 26.7 ms of latency."""
    return lapped_codec(
        "hopcodec_24khz",
        encoder_width=256,
        decoder_width=320,
        encoder_dilations=(1, 2, 1, 2),
        decoder_dilations=(1, 2, 1, 2),
        latent=64,
        codebooks=8,
        bandwidths=(0.75, 1.5, 3.0, 4.5, 6.0),
    )
