"""Load weights from any published file into one checked, folded dictionary of arrays."""

from __future__ import annotations

from hopcodec.weights._fold import fold_weight_norm
from hopcodec.weights._hub import fetch
from hopcodec.weights._load import load_codec, load_weights
from hopcodec.weights._seeded import seeded_weights
from hopcodec.weights.formats._safetensors import Dtype, save_weights, spec_in

__all__ = [
    "Dtype",
    "fetch",
    "fold_weight_norm",
    "load_codec",
    "load_weights",
    "save_weights",
    "seeded_weights",
    "spec_in",
]
