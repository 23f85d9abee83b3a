"""A DAC decoder without its padding, as the original `dac` command runs it on parts of long files.

The original sets the padding of every convolution to zero, so that a chunk of codes gives only the
samples that no padding reaches. Its transposed convolutions then lose their trim instead, and begin
and end with rows that lack a neighbour. The seams of such files are those of the original.

Here a spec describes the same. Residual units keep their padding, and an identity convolution cuts
off the rows that it reached. That convolution has kernel 3, of which only the middle is not zero,
and its dilation is the number of rows to cut on each side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hopcodec.codec._codec import Codec
from hopcodec.specs._language import Conv1d, ConvTranspose1d, Layer, Padding, Residual
from hopcodec.weights._raw import Tensors

_NONE = Padding(left=0, right=0, mode="zero", full_window=False)


def unpadded(codec: Codec) -> Codec:
    """Make a codec that decodes chunks as the original does without padding. It cannot encode.

    Raises
    ------
    ValueError
        The codec's layers are not those of DAC.
    WeightsError
        The weights cannot be read again.
    """
    spec, weights = codec.reload()
    layers, identities = unpadded_layers(spec.decoder)
    return Codec(
        replace(spec, encoder=(), decoder=layers),
        {**weights, **identities},
        threads=codec.threads,
        precision=codec.precision,
        seeded=codec.seeded,
    )


def unpadded_layers(decoder: Sequence[Layer]) -> tuple[tuple[Layer, ...], Tensors]:
    """Return the layers without padding, and the weights that they need beside the old ones."""
    layers: list[Layer] = []
    weights: Tensors = {}
    reached = 0  # rows at each end that padding has reached, which are cut
    channels = 0
    for layer in decoder:
        match layer:
            case Residual():
                reached += _reach(layer)
                layers.append(layer)
                continue
            case Conv1d():
                plain: Layer = replace(layer, padding=_NONE)
            case ConvTranspose1d():
                plain = replace(layer, trim_left=0, trim_right=0)
            case _:
                raise ValueError(f"chunks: expected the layers of DAC, got {type(layer).__name__}")
        if reached:
            crop, identity = _crop(f"crop.{len(layers)}", channels, reached)
            layers.append(crop)
            weights |= identity
            reached = 0
        layers.append(plain)
        channels = layer.out_channels
    return tuple(layers), weights


def _reach(unit: Residual) -> int:
    """Count the rows of a residual unit's output that its zeros reach, at each end."""
    reach = 0
    for layer in unit.branch:
        if not isinstance(layer, Conv1d) or layer.padding.left != layer.padding.right:
            raise ValueError("chunks: expected residual units padded alike at both ends")
        reach += layer.padding.left
    return reach


def _crop(name: str, channels: int, rows: int) -> tuple[Conv1d, Tensors]:
    weight = np.zeros((channels, channels, 3), np.float32)
    weight[:, :, 1] = np.eye(channels, dtype=np.float32)
    layer = Conv1d(name, channels, channels, 3, _NONE, dilation=rows)
    return layer, {f"{name}.weight": weight, f"{name}.bias": np.zeros(channels, np.float32)}
