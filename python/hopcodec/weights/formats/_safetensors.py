"""Reading any safetensors file, without torch; writing our own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from hopcodec.errors import WeightsError
from hopcodec.specs._json import spec_from_json, spec_to_json
from hopcodec.specs._language import CodecSpec
from hopcodec.weights._assemble import check_tensor
from hopcodec.weights._limits import read_file
from hopcodec.weights._raw import FloatArray, RawTensor
from hopcodec.weights.formats._json import parse_object
from hopcodec.weights.formats._safetensors_header import PREFIX_BYTES, header_end, parse_header

Dtype = Literal["float32", "float16"]

FORMAT = "hopcodec"
VERSION = "1"


def _float32(raw: bytearray) -> FloatArray:
    return np.frombuffer(raw, "<f4").astype(np.float32, copy=False)


def _float16(raw: bytearray) -> FloatArray:
    return np.frombuffer(raw, "<f2").astype(np.float32)


def _bfloat16(raw: bytearray) -> FloatArray:
    """The upper half of a float32; numpy has no such dtype."""
    return (np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)


_READERS: dict[str, tuple[str, Callable[[bytearray], FloatArray]]] = {
    "F32": ("float32", _float32),
    "F16": ("float16", _float16),
    "BF16": ("bfloat16", _bfloat16),
}


def read_safetensors(data: bytes) -> tuple[dict[str, RawTensor], Mapping[str, str]]:
    """Every tensor of a safetensors file's bytes, under the file's own names; its metadata."""
    from safetensors import deserialize

    header = parse_header(data)
    rows = deserialize(data)  # type: ignore[no-untyped-call]  # its stub gives no types
    buffers: dict[str, bytearray] = {name: row["data"] for name, row in rows}
    tensors = {}
    for name, entry in header.entries.items():
        dtype, convert = _READERS.get(entry.dtype, (entry.dtype, _float32))

        def read(
            name: str = name, convert: Callable[[bytearray], FloatArray] = convert
        ) -> FloatArray:
            return convert(buffers.pop(name)).reshape(header.entries[name].shape)

        tensors[name] = RawTensor(dtype, entry.shape, read)
    return tensors, header.metadata


def check_metadata(metadata: Mapping[str, str], spec: CodecSpec) -> None:
    """WeightsError if a file of our own is not for `spec`; the files of others say nothing."""
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
    """The spec that a safetensors file of our own carries; None for any other file or folder.

    Raises
    ------
    WeightsError
        The file is malformed, or its spec is.
    """
    path = Path(source)
    if path.suffix != ".safetensors" or path.is_dir():
        return None
    data = read_file(path)
    try:
        return spec_in_metadata(parse_header(data).metadata)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def spec_in_metadata(metadata: Mapping[str, str]) -> CodecSpec | None:
    """As `spec_in`, from what the file's header says."""
    if metadata.get("format") != FORMAT or "spec" not in metadata:
        return None
    return spec_from_json(parse_object(metadata["spec"].encode()))


def _sorted_metadata(data: bytes) -> bytes:
    """The same file with metadata in name order: the library writes it in a random one."""
    end = header_end(data)
    table = json.loads(data[PREFIX_BYTES:end])
    table["__metadata__"] = dict(sorted(table["__metadata__"].items()))
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % PREFIX_BYTES)  # keeps the data aligned
    return len(text).to_bytes(PREFIX_BYTES, "little") + text + data[end:]


def save_weights(
    path: str | os.PathLike[str],
    spec: CodecSpec,
    weights: Mapping[str, FloatArray],
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: Dtype = "float32",
) -> None:
    """Write folded weights as safetensors; the same weights always give the same bytes.

    Parameters
    ----------
    weights
        Exactly `spec.tensors()`: float32, finite.
    metadata
        More strings for the header, beside `format`, `model`, `spec` and `version`, which are
        ours.
    dtype
        Of the numbers in the file; "float16" halves it, and refuses what float16 cannot hold.

    Raises
    ------
    WeightsError
        When a tensor is missing, surplus, misshapen, not float32 or not finite, a metadata key
        is one of ours, or the file cannot be written.
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
    target = Path(path)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(target)  # nobody ever sees half a file
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise WeightsError(f"{target}: cannot be written: {error}") from error
