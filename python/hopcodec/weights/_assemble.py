"""Turn a file's tensors into the codec's, and check every name and number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hopcodec.errors import WeightsError
from hopcodec.specs._language import CodecSpec, Shape
from hopcodec.weights._fold import fold_weight_norm
from hopcodec.weights._raw import READABLE, FloatArray, RawTensor
from hopcodec.weights.names._dac import flat_alpha
from hopcodec.weights.names._encodec import names_for, unneeded_names

_Found = dict[str, tuple[str, RawTensor]]  # canonical name -> (the file's name, tensor)


def check_tensor(name: str, array: FloatArray, shape: Shape) -> None:
    """Raise WeightsError unless `array` has this shape and only finite numbers."""
    if array.shape != shape:
        raise WeightsError(f"tensor {name}: expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)]
        raise WeightsError(
            f"tensor {name}: expected finite numbers, got {bad.size} of {array.size} not, "
            f"the first {bad[0]}"
        )


def _read(label: str, tensor: RawTensor, shape: Shape) -> FloatArray:
    if tensor.dtype not in READABLE:
        raise WeightsError(f"tensor {label}: expected {' or '.join(READABLE)}, got {tensor.dtype}")
    if tensor.shape != shape:  # before read(): a file may claim any shape
        raise WeightsError(f"tensor {label}: expected shape {shape}, got {tensor.shape}")
    array = np.ascontiguousarray(tensor.read(), dtype=np.float32)
    check_tensor(label, array, shape)
    return array


def _by_canonical_name(tensors: Mapping[str, RawTensor], spec: CodecSpec) -> _Found:
    found: _Found = {}
    canonical_name = names_for(spec)
    for label, tensor in tensors.items():
        name = canonical_name(label)
        if name in found:
            raise WeightsError(f"tensor {name} is given twice: as {found[name][0]} and as {label}")
        found[name] = (label, flat_alpha(name, tensor))
    return found


def _take(found: _Found, name: str, shape: Shape) -> FloatArray:
    if name not in found:
        raise WeightsError(f"missing tensor {name}: expected shape {shape}, got none")
    label, tensor = found.pop(name)
    return _read(label, tensor, shape)


def _take_folded(found: _Found, name: str, shape: Shape) -> FloatArray:
    parts = (f"{name}_g", f"{name}_v")
    if name in found or not any(part in found for part in parts):
        return _take(found, name, shape)
    g = _take(found, parts[0], (shape[0],) + (1,) * (len(shape) - 1))
    v = _take(found, parts[1], shape)
    try:
        folded = fold_weight_norm(g, v)
    except WeightsError as error:
        raise WeightsError(f"tensor {name}: {error}") from error
    check_tensor(f"{name} (folded from weight_g and weight_v)", folded, shape)
    return folded


def assemble(tensors: Mapping[str, RawTensor], spec: CodecSpec) -> dict[str, FloatArray]:
    """Return exactly `spec.tensors()`, in its order: folded, float32, C-contiguous.

    Raises
    ------
    WeightsError
        A tensor is missing, surplus, given twice, of a wrong shape or dtype, or not finite. The
        message names the first.
    """
    found = _by_canonical_name(tensors, spec)
    weights = {name: _take_folded(found, name, shape) for name, shape in spec.tensors().items()}
    surplus = sorted(found.keys() - unneeded_names(spec))
    if surplus:
        label, tensor = found[surplus[0]]
        more = f" (and {len(surplus) - 1} more)" if len(surplus) > 1 else ""
        raise WeightsError(
            f"surplus tensor {label}{more}: {spec.name} expects none of that name, "
            f"got shape {tensor.shape}"
        )
    return weights
