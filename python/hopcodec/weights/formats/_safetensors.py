"""Read any safetensors file without torch, and write our own.

    8 bytes, little-endian: n | n bytes of JSON | tensor bytes, without gaps or overlaps

The library checks the layout. Here the header's size, the number of tensors and keys given twice
are checked, which it leaves open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from hopcodec._atomic import replacing
from hopcodec.errors import WeightsError
from hopcodec.specs._json import spec_from_json, spec_to_json
from hopcodec.specs._language import CodecSpec
from hopcodec.weights._assemble import check_tensor
from hopcodec.weights._limits import MAX_HEADER_BYTES, MAX_TENSORS, read_file
from hopcodec.weights._raw import FloatArray, RawTensor
from hopcodec.weights.formats._json import parse_object

Dtype = Literal["float32", "float16"]

FORMAT = "hopcodec"
VERSION = "1"
_PREFIX_BYTES = 8


def _float32(raw: bytearray) -> FloatArray:
    return np.frombuffer(raw, "<f4").astype(np.float32, copy=False)


def _float16(raw: bytearray) -> FloatArray:
    return np.frombuffer(raw, "<f2").astype(np.float32)


def _bfloat16(raw: bytearray) -> FloatArray:
    """Convert bfloat16, the upper half of a float32, for which NumPy has no dtype."""
    return (np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)


_READERS: dict[str, tuple[str, Callable[[bytearray], FloatArray]]] = {
    "F32": ("float32", _float32),
    "F16": ("float16", _float16),
    "BF16": ("bfloat16", _bfloat16),
}


def read_safetensors(data: bytes) -> tuple[dict[str, RawTensor], Mapping[str, str]]:
    """Return the tensors in a file's bytes, under the file's own names, and its metadata.

    Raises
    ------
    WeightsError
        The header is malformed or too large, or does not account for each data byte once.
    """
    from safetensors import SafetensorError, deserialize

    names, metadata = _header(data)
    try:
        rows = dict(deserialize(data))  # type: ignore[no-untyped-call]  # its stub gives no types
    except SafetensorError as error:
        raise WeightsError(str(error)) from error
    return {name: _raw(**rows[name]) for name in names}, metadata


def _raw(dtype: str, shape: list[int], data: bytearray) -> RawTensor:
    held = [data]  # freed once it is read
    name, convert = _READERS.get(dtype, (dtype, _float32))
    return RawTensor(name, tuple(shape), lambda: convert(held.pop()).reshape(shape))


def _header_end(data: bytes) -> int:
    """Return where the header's JSON ends and the tensors begin."""
    size = int.from_bytes(data[:_PREFIX_BYTES], "little")
    if len(data) < _PREFIX_BYTES or size > len(data) - _PREFIX_BYTES:
        raise WeightsError(f"header of {size} bytes in a file of {len(data)}: truncated?")
    if size > MAX_HEADER_BYTES:
        raise WeightsError(f"header of {size} bytes, at most {MAX_HEADER_BYTES} are allowed")
    return _PREFIX_BYTES + size


def _header(data: bytes) -> tuple[list[str], dict[str, str]]:
    """Return the tensors' names in the order of the file, and the metadata."""
    rows = parse_object(data[_PREFIX_BYTES : _header_end(data)])
    metadata = rows.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise WeightsError("__metadata__: expected a map of strings")
    if len(rows) > MAX_TENSORS:
        raise WeightsError(f"{len(rows)} tensors, at most {MAX_TENSORS} are allowed")
    return list(rows), metadata


def check_metadata(metadata: Mapping[str, str], spec: CodecSpec) -> None:
    """Raise WeightsError if a file of our own is for another spec than `spec`."""
    if metadata.get("format") != FORMAT:
        return
    for key, expected in (("version", VERSION), ("model", spec.name)):
        if metadata.get(key) != expected:
            raise WeightsError(f"{key}: expected {expected!r}, got {metadata.get(key)!r}")
    if "spec" not in metadata or spec_from_json(parse_object(metadata["spec"].encode())) != spec:
        raise WeightsError(
            f"spec: expected the {spec.name} given, got another codec of that name; "
            "hopcodec.load(path) takes the one that the file describes"
        )


def spec_in(source: str | os.PathLike[str]) -> CodecSpec | None:
    """Read the spec in a safetensors file of our own; None for any other file or folder.

    Raises
    ------
    WeightsError
        The file or its spec is malformed.
    """
    path = Path(source)
    if path.suffix != ".safetensors" or path.is_dir():
        return None
    data = read_file(path)
    try:
        return spec_in_metadata(_header(data)[1])
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def spec_in_metadata(metadata: Mapping[str, str]) -> CodecSpec | None:
    """Read the spec in a file's metadata, as `spec_in`."""
    if metadata.get("format") != FORMAT or "spec" not in metadata:
        return None
    return spec_from_json(parse_object(metadata["spec"].encode()))


def _sorted_metadata(data: bytes) -> bytes:
    """Put the metadata in order of names, since the library writes it in a random order."""
    end = _header_end(data)
    table = json.loads(data[_PREFIX_BYTES:end])
    table["__metadata__"] = dict(sorted(table["__metadata__"].items()))
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _PREFIX_BYTES)  # keeps the data aligned
    return len(text).to_bytes(_PREFIX_BYTES, "little") + text + data[end:]


def save_weights(
    path: str | os.PathLike[str],
    spec: CodecSpec,
    weights: Mapping[str, FloatArray],
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: Dtype = "float32",
) -> None:
    """Write folded weights as safetensors. The same weights always give the same bytes.

    Parameters
    ----------
    path
        The file.
    spec
        The codec of the weights.
    weights
        Exactly `spec.tensors()`: float32, finite.
    metadata
        Strings for the header, beside `format`, `model`, `spec` and `version`, which are ours.
    dtype
        Type of the numbers in the file. "float16" halves the file, and refuses larger numbers.

    Raises
    ------
    WeightsError
        A tensor is missing, surplus, misshapen, not float32 or not finite, a metadata key is one of
        ours, or the file cannot be written.
    """
    from safetensors.numpy import save

    ours = {
        "format": FORMAT,
        "model": spec.name,
        "spec": spec_to_json(spec),
        "version": VERSION,
    }
    extra = dict(metadata or {})
    if taken := sorted(ours.keys() & extra.keys()):
        raise WeightsError(f"metadata {taken[0]!r} is written by hopcodec itself")
    expected = spec.tensors()
    if odd := sorted(expected.keys() ^ weights.keys()):
        kind = "missing" if odd[0] in expected else "surplus"
        raise WeightsError(f"{kind} tensor {odd[0]}")
    for name, shape in expected.items():
        array = weights[name]
        if array.dtype != np.float32:
            raise WeightsError(f"tensor {name}: expected float32, got {array.dtype}")
        check_tensor(name, array, shape)
        largest = np.abs(array).max()
        if largest > np.finfo(dtype).max:
            raise WeightsError(f"tensor {name}: expected numbers that {dtype} holds, got {largest}")
    contiguous = {name: np.ascontiguousarray(weights[name], dtype) for name in expected}
    data = _sorted_metadata(save(contiguous, {**extra, **ours}))
    try:
        with replacing(path) as partial:
            partial.write_bytes(data)
    except OSError as error:
        raise WeightsError(f"{Path(path)}: cannot be written: {error}") from error
