"""The look-ahead of a codec, and its truncation.

A DAC's layers see as far ahead as behind. Cutting each layer's window would make another network.
Instead, after each step a chain computes its output for a signal that ends there
(`layers/truncated.hpp`). This is the model's own answer, with the padding of a signal's end in
place of unknown rows. It costs a flush per step.

A decoder runs its last layers near the sample rate, where rows are many and look-ahead is short.
These layers keep their look-ahead: only those before its second transposed convolution are
truncated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from hopcodec._checks import whole
from hopcodec.specs._language import CodecSpec, Conv1d, ConvTranspose1d, Layer, Residual


@dataclass(frozen=True)
class Truncation:
    """A limit: the first `layers` of a chain see `ahead` steps of `step` rows and no further."""

    layers: int
    step: int
    ahead: int


def lookahead_rows(layers: Sequence[Layer]) -> Fraction:
    """Count the rows of input that a chain needs beyond those its output row spans."""
    return _walk(layers, Fraction(0), Fraction(1))[0]


def _walk(layers: Sequence[Layer], ahead: Fraction, row: Fraction) -> tuple[Fraction, Fraction]:
    """Count the rows seen ahead and the rows an output row spans, as `layers::Plan` does."""
    for layer in layers:
        if isinstance(layer, Conv1d):
            reach = (layer.kernel - 1) * layer.dilation + 1
            ahead += max(0, reach - layer.stride - layer.padding.left) * row
            row *= layer.stride
        elif isinstance(layer, ConvTranspose1d):
            row /= layer.stride
            ahead += layer.trim_left * row
        elif isinstance(layer, Residual):
            ahead = max(_walk(layer.branch, ahead, row)[0], _walk(layer.shortcut, ahead, row)[0])
    return ahead, row


def has_norm(layers: Sequence[Layer]) -> bool:
    """Return True if a chain normalises over its whole signal and so must wait for its end."""
    return any(
        has_norm(layer.branch) or has_norm(layer.shortcut)
        if isinstance(layer, Residual)
        else isinstance(layer, Conv1d | ConvTranspose1d) and layer.norm != ""
        for layer in layers
    )


def decoded_samples(spec: CodecSpec, frames: int) -> int:
    """Count the samples that the decoder makes of so many frames."""
    rows = frames
    for layer in spec.decoder:
        if isinstance(layer, ConvTranspose1d) and rows > 0:
            rows = (rows - 1) * layer.stride + layer.kernel - layer.trim_left - layer.trim_right
    return rows


def truncations(spec: CodecSpec, frames: int) -> tuple[Truncation | None, Truncation | None]:
    """Choose the truncations of encoder and decoder for a look-ahead of `frames` in all.

    The decoder's untruncated end takes its share first. The rest is halved, and an odd frame goes
    to the decoder. None leaves a side as it is.

    Raises
    ------
    ValueError
        `frames` is not below the codec's look-ahead, or is below that of its decoder's end alone,
        or the codec has segments, or it normalises over its whole signal.
    """
    if spec.segments is not None:
        raise ValueError(
            f"low_latency: expected none for {spec.name}, whose segments are whole, got {frames}"
        )
    if has_norm(spec.encoder) or has_norm(spec.decoder):
        raise ValueError(
            f"low_latency: expected none for {spec.name}, which normalises over the whole signal, "
            f"got {frames}"
        )
    ups = [i for i, layer in enumerate(spec.decoder) if isinstance(layer, ConvTranspose1d)]
    cut = ups[1] if len(ups) > 1 else len(spec.decoder)
    encoder_most = ceil(lookahead_rows(spec.encoder) / spec.hop_samples)
    decoder_most = ceil(lookahead_rows(spec.decoder[:cut]))
    end = lookahead_rows(spec.decoder) - lookahead_rows(spec.decoder[:cut])
    least, most = ceil(end), ceil(end) + encoder_most + decoder_most - 1
    frames = whole("low_latency", frames, -(1 << 31))  # its range is refused below, with the reason
    if not least <= frames <= most:
        offer = f"{least} to {most} frames" if least <= most else "none: there is nothing to cut"
        raise ValueError(f"low_latency: expected {offer} for {spec.name}, got {frames}")
    share = frames - least
    encoder = max(min(encoder_most, share // 2), share - decoder_most)
    decoder = share - encoder
    return (
        None
        if encoder == encoder_most
        else Truncation(len(spec.encoder), spec.hop_samples, encoder),
        None if decoder == decoder_most else Truncation(cut, 1, decoder),
    )
