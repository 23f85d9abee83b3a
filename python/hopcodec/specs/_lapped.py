"""The project's own speech codec as data: a short lapped transform, and other layers at low rates.

The first layer is a bank of filters over two quarters of a hop, with a step of a quarter. The last
layer is its transpose. Residual blocks between them run at 300 and at 75 rows/s, so almost no
arithmetic runs at the sample rate, and a hop costs a few matrix-vector products. Windows that
overlap by a quarter of a hop need no smoothing at their borders. They delay by 80 samples, as in
any lapped transform (Malvar, "Lapped transforms for efficient transform/subband coding", 1990).

The delay is in the decoder. The last window of a frame ends with its hop, so a frame is complete
when its hop is, and its second half waits for the next frame. If windows began with the hop, a
frame would need 80 samples of the next one, and a device that delivers whole hops would bring them
320 samples later. The last 80 samples of a signal are the fading half of its last window alone.
"""

from __future__ import annotations

from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    EuclideanRvq,
    Layer,
    Padding,
    Residual,
)

HOP = 320
_STEPS = 4  # steps of the transform in a hop


def _conv(name: str, cin: int, cout: int, kernel: int, *, dilation: int = 1) -> Conv1d:
    """Make a Snake and a causal convolution, with zeros before the start."""
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


def _blocks(name: str, width: int, dilations: tuple[int, ...]) -> tuple[Layer, ...]:
    return tuple(
        Residual(
            branch=(
                _conv(f"{name}.{i}.0", width, width, 3, dilation=dilation),
                _conv(f"{name}.{i}.1", width, width, 1),
            )
        )
        for i, dilation in enumerate(dilations)
    )


def _down(name: str, cin: int, cout: int) -> Conv1d:
    """Make the layer from steps to frames."""
    padding = Padding(left=_STEPS, right=0, mode="zero", full_window=True)
    return Conv1d(
        name, cin, cout, 2 * _STEPS, padding, _STEPS, activation="snake", alpha=f"{name}.alpha"
    )


def _up(name: str, cin: int, cout: int, stride: int, *, trim_left: int = 0) -> ConvTranspose1d:
    return ConvTranspose1d(
        name,
        cin,
        cout,
        2 * stride,
        stride,
        trim_left=trim_left,
        trim_right=stride - trim_left,
        activation="snake",
        alpha=f"{name}.alpha",
    )


def lapped_codec(
    name: str,
    *,
    step_widths: tuple[int, int],
    frame_widths: tuple[int, int],
    encoder_steps: tuple[int, ...],
    encoder_frames: tuple[int, ...],
    decoder_frames: tuple[int, ...],
    decoder_steps: tuple[int, ...],
    latent: int,
    codebooks: int,
    bandwidths: tuple[float, ...],
    codebook_size: int = 1024,
    sample_rate: int = 24000,
    hop: int = HOP,
) -> CodecSpec:
    """Make a codec of this kind in any width.

    Widths are those of encoder and decoder. `encoder_steps` to `decoder_steps` list the dilations
    of the residual blocks, in the order of the signal path.
    """
    step = hop // _STEPS
    analysis = Conv1d(
        "encoder.analysis",
        1,
        step_widths[0],
        2 * step,
        Padding(left=step, right=0, mode="zero", full_window=True),
        stride=step,
    )
    return CodecSpec(
        name=name,
        sample_rate=sample_rate,
        channels=1,
        hop_samples=hop,
        bandwidths=bandwidths,
        encoder=(
            analysis,
            *_blocks("encoder.steps", step_widths[0], encoder_steps),
            _down("encoder.down", step_widths[0], frame_widths[0]),
            *_blocks("encoder.frames", frame_widths[0], encoder_frames),
            _conv("encoder.latent", frame_widths[0], latent, 1),
        ),
        decoder=(
            _conv("decoder.latent", latent, frame_widths[1], 3),
            *_blocks("decoder.frames", frame_widths[1], decoder_frames),
            _up("decoder.up", frame_widths[1], step_widths[1], _STEPS),
            *_blocks("decoder.steps", step_widths[1], decoder_steps),
            _up("decoder.synthesis", step_widths[1], 1, step, trim_left=step),
        ),
        quantizer=EuclideanRvq("quantizer.codebooks.{q}", codebooks, codebook_size, latent),
    )


def hopcodec_24khz() -> CodecSpec:
    """Make the default codec: 24 kHz mono speech, 320-sample hops, 0.75 to 6 kbps, 16.7 ms."""
    return lapped_codec(
        "hopcodec_24khz",
        step_widths=(128, 192),
        frame_widths=(256, 256),
        encoder_steps=(1, 3, 9),
        encoder_frames=(1, 2, 1),
        decoder_frames=(1, 2, 1),
        decoder_steps=(1, 3, 9, 1, 3, 9, 1),
        latent=32,
        codebooks=8,
        bandwidths=(0.75, 1.5, 3.0, 4.5, 6.0),
    )
