"""How far a codec looks ahead, and how to make it look less far.

A DAC's layers see as far ahead as behind. To shorten that by cutting each layer's own window would
be another network. Instead a chain is asked, when a step has come, what it would make of a signal
that ends there (`layers/truncated.hpp`): the model's own answer, with the padding it has at the
end of every signal in the place of what is not known yet. That costs a flush per step.

A decoder runs its last layers near the sample rate, where rows are many and look-ahead is short.
They keep all of theirs: only what comes before its second transposed convolution is truncated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from hopcodec.specs._language import CodecSpec, Conv1d, ConvTranspose1d, Layer, Residual


@dataclass(frozen=True)
class Truncation:
    """The first `layers` of a chain see `ahead` steps of `step` rows, and not further."""

    layers: int
    step: int
    ahead: int


def lookahead_rows(layers: Sequence[Layer]) -> Fraction:
    """How many rows of its input a chain needs beyond those that its output row spans."""
    return _walk(layers, Fraction(0), Fraction(1))[0]


def _walk(layers: Sequence[Layer], ahead: Fraction, row: Fraction) -> tuple[Fraction, Fraction]:
    """As `layers::Plan` adds it up: the rows seen ahead, the rows that an output row spans."""
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
    """Whether a chain normalises over its whole signal, and so gives nothing before the end."""
    return any(
        has_norm(layer.branch) or has_norm(layer.shortcut)
        if isinstance(layer, Residual)
        else isinstance(layer, Conv1d | ConvTranspose1d) and layer.norm != ""
        for layer in layers
    )


def decoded_samples(spec: CodecSpec, frames: int) -> int:
    """Samples that the decoder makes of so many frames; 0 of none."""
    rows = frames
    for layer in spec.decoder:
        if isinstance(layer, ConvTranspose1d) and rows > 0:
            rows = (rows - 1) * layer.stride + layer.kernel - layer.trim_left - layer.trim_right
    return rows


def truncations(spec: CodecSpec, frames: int) -> tuple[Truncation | None, Truncation | None]:
    """How encoder and decoder are to be truncated for a look-ahead of `frames` in all.

    The decoder's untruncated end takes its share first; the rest is halved, the odd frame going to
    the decoder. None: that side keeps all it has.

    Raises
    ------
    ValueError
        `frames` is no less than the codec looks ahead anyway, or less than its decoder's end
        alone does; or the codec normalises over its whole signal.
    """
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
    if not isinstance(frames, int) or isinstance(frames, bool):
        raise TypeError(f"low_latency: expected an int, got {type(frames).__name__}")
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
