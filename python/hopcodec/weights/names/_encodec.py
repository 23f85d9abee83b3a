"""One name per tensor, whichever of the published spellings a file uses.

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

# What training keeps beside each codebook; nothing at inference reads it.
_TRAINING_ONLY = ("inited", "cluster_size", "embed_avg")


def canonical_name(name: str) -> str:
    """The spec's name for a tensor, with `weight_g` / `weight_v` where it is not folded."""
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return name


def names_for(spec: CodecSpec) -> Callable[[str], str]:
    """How to find the spec's name for a tensor in a file of this codec."""
    return dac_names(spec) if isinstance(spec.quantizer, ProjectedRvq) else canonical_name


def unneeded_names(spec: CodecSpec) -> set[str]:
    """Canonical names a published file may hold and we do without."""
    codebooks = (spec.quantizer.codebook_name(q) for q in range(spec.quantizer.codebooks))
    return {f"{codebook}.{part}" for codebook in codebooks for part in _TRAINING_ONLY}
