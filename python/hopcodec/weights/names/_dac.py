"""Map every published spelling of a DAC's tensor names to one.

original       encoder.block.1.block.0.block.0.alpha     decoder.model.1.block.1.weight_g
... (newer)    ... .parametrizations.weight.original0    (0 is g, 1 is v)
Hugging Face   encoder.block.0.res_unit1.snake1.alpha    decoder.block.0.conv_t1.weight
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from hopcodec.specs._language import CodecSpec, ConvTranspose1d
from hopcodec.weights._raw import FloatArray, RawTensor

_UNIT = {"snake1": "block.0", "conv1": "block.1", "snake2": "block.2", "conv2": "block.3"}
_HF_BLOCK = re.compile(r"^(encoder|decoder)\.block\.(\d+)\.(?:res_unit(\d+)\.)?([a-z_]+\d)\.(.+)$")
_HF_END = re.compile(r"^(encoder|decoder)\.(conv1|snake1|conv2)\.(.+)$")
_ENDINGS = (
    (re.compile(r"\.parametrizations\.weight\.original0$"), ".weight_g"),
    (re.compile(r"\.parametrizations\.weight\.original1$"), ".weight_v"),
)


def looks_like_dac(names: Iterable[str]) -> bool:
    """Return True if these are a DAC's tensors: no other codec has such quantizers."""
    return any(name.startswith("quantizer.quantizers.0.in_proj.") for name in names)


def dac_name(name: str, blocks: int) -> str:
    """Return the spec's name for a tensor of a DAC with so many blocks on either side."""
    for pattern, ending in _ENDINGS:
        name = pattern.sub(ending, name)
    if found := _HF_BLOCK.match(name):
        side, block, unit, layer, part = found.groups()
        return _in_block(side, int(block) + 1, unit, layer, part) or name
    if found := _HF_END.match(name):
        side, layer, part = found.groups()
        place = {"conv1": 0, "snake1": blocks + 1, "conv2": blocks + 2}[layer]
        return f"{side}.{_list(side)}.{place}.{part}"
    return name


def _list(side: str) -> str:
    return "block" if side == "encoder" else "model"


def _in_block(side: str, block: int, unit: str | None, layer: str, part: str) -> str | None:
    """Name a layer of a block. A decoder's block begins with its transposed convolution."""
    first = 1 if side == "encoder" else -1  # Hugging Face's unit 1 is number 0 or 2
    ends = {"snake1": "3", "conv1": "4"} if side == "encoder" else {"snake1": "0", "conv_t1": "1"}
    if unit is None:
        inner = ends.get(layer)
    else:
        inner = f"{int(unit) - first}.{_UNIT[layer]}" if layer in _UNIT else None
    return None if inner is None else f"{side}.{_list(side)}.{block}.block.{inner}.{part}"


def dac_names(spec: CodecSpec) -> Callable[[str], str]:
    """Return `dac_name` for the tensors of `spec`."""
    blocks = sum(isinstance(layer, ConvTranspose1d) for layer in spec.decoder)
    return lambda name: dac_name(name, blocks)


def flat_alpha(name: str, tensor: RawTensor) -> RawTensor:
    """Reshape a Snake's `(1, channels, 1)` to the spec's `(channels,)`."""
    if not (name.endswith(".alpha") and len(tensor.shape) == 3 and tensor.shape[::2] == (1, 1)):
        return tensor

    def read() -> FloatArray:
        return tensor.read().reshape(-1)

    return replace(tensor, shape=(tensor.shape[1],), read=read)
