"""Weights: from any published file to one canonical, checked, folded dictionary of arrays."""

from __future__ import annotations

from hopcodec.weights.fold import fold_weight_norm
from hopcodec.weights.hub import fetch
from hopcodec.weights.loader import load_codec, load_weights
from hopcodec.weights.safetensors_file import Dtype, save_weights, spec_in
from hopcodec.weights.seeded import seeded_weights

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
