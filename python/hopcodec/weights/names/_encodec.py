"""Map every published spelling of an EnCodec's tensor names to one.

original       encoder.model.0.conv.conv.weight_g     decoder.model.3.convtr.convtr.weight_v
... group norm encoder.model.0.conv.norm.weight       decoder.model.3.convtr.norm.weight
Hugging Face   encoder.layers.0.conv.weight_g         decoder.layers.3.conv.weight_v
... (newer)    encoder.layers.0.conv.parametrizations.weight.original0     (0 is g, 1 is v)
folded         encoder.layers.0.conv.weight           decoder.layers.3.conv.weight
... group norm encoder.layers.0.norm.weight           decoder.layers.3.norm.weight
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hopcodec.specs._language import CodecSpec, ProjectedRvq
from hopcodec.weights.names._dac import dac_names

_RENAMES = (
    (re.compile(r"^(encoder|decoder)\.model\."), r"\1.layers."),
    (re.compile(r"\.(conv|convtr)\.\1\."), ".conv."),
    (re.compile(r"\.(conv|convtr)\.norm\."), ".norm."),
    (re.compile(r"^quantizer\.vq\.layers\.(\d+)\._codebook\."), r"quantizer.layers.\1.codebook."),
    (re.compile(r"\.parametrizations\.weight\.original0$"), ".weight_g"),
    (re.compile(r"\.parametrizations\.weight\.original1$"), ".weight_v"),
)

# Tensors of training beside each codebook, which inference does not read.
_TRAINING_ONLY = ("inited", "cluster_size", "embed_avg")


def canonical_name(name: str) -> str:
    """Return the spec's name for a tensor, with `weight_g` or `weight_v` if not folded."""
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return name


def names_for(spec: CodecSpec) -> Callable[[str], str]:
    """Return a function that finds the spec's name for a tensor of this codec's files."""
    return dac_names(spec) if isinstance(spec.quantizer, ProjectedRvq) else canonical_name


def unneeded_names(spec: CodecSpec) -> set[str]:
    """List canonical names that a published file may hold and we ignore."""
    codebooks = (spec.quantizer.codebook_name(q) for q in range(spec.quantizer.codebooks))
    return {f"{codebook}.{part}" for codebook in codebooks for part in _TRAINING_ONLY}
