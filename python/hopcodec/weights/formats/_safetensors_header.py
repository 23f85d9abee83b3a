"""The table at the head of a safetensors file, checked before any of it is used.

    8 bytes, little-endian: n | n bytes of JSON | tensor bytes, without gaps or overlaps

The JSON maps each name to `{"dtype", "shape", "data_offsets": [begin, end]}` and, optionally,
`__metadata__` to a map of strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from hopcodec.errors import WeightsError
from hopcodec.specs._language import Shape
from hopcodec.weights._limits import MAX_HEADER_BYTES, MAX_TENSORS
from hopcodec.weights.formats._json import parse_object

PREFIX_BYTES = 8
MAX_DIMS = 8
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One row: `dtype` in the file's spelling; `begin` and `end` count from the first data byte."""

    dtype: str
    shape: Shape
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """The whole table."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


def _natural(value: object) -> bool:
    return type(value) is int and value >= 0  # bool is an int to isinstance


def _naturals(value: object, at_most: int) -> bool:
    return isinstance(value, list) and len(value) <= at_most and all(map(_natural, value))


def _entry(name: str, row: object) -> Entry:
    if not isinstance(row, dict) or set(row) != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"tensor {name}: expected dtype, shape and data_offsets, got {row!r}")
    dtype, shape, offsets = row["dtype"], row["shape"], row["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise WeightsError(f"tensor {name}: unknown dtype {dtype!r}")
    if not _naturals(shape, MAX_DIMS):
        raise WeightsError(f"tensor {name}: shape {shape!r} is not a list of sizes")
    if not _naturals(offsets, 2) or len(offsets) != 2:
        raise WeightsError(f"tensor {name}: data_offsets {offsets!r} are not [begin, end]")
    entry = Entry(dtype, tuple(shape), *offsets)
    expected = prod(entry.shape) * ITEM_BYTES[dtype]
    if entry.end - entry.begin != expected:
        raise WeightsError(
            f"tensor {name}: {dtype} of shape {entry.shape} takes {expected} bytes, "
            f"its offsets {entry.begin} to {entry.end} give {entry.end - entry.begin}"
        )
    return entry


def _check_layout(entries: dict[str, Entry], data_bytes: int) -> None:
    """Each byte of data belongs to exactly one tensor."""
    reached = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != reached:
            kind = "overlaps the one before it" if entry.begin < reached else "follows a hole"
            raise WeightsError(f"tensor {name}: at byte {entry.begin} it {kind} ({reached})")
        reached = entry.end
    if reached != data_bytes:
        raise WeightsError(f"tensors take {reached} bytes of data, the file holds {data_bytes}")


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise WeightsError("__metadata__: expected a map of strings")
    return value


def header_end(data: bytes) -> int:
    """Where the header's JSON ends and the data begins."""
    size = int.from_bytes(data[:PREFIX_BYTES], "little")
    if len(data) < PREFIX_BYTES or size > len(data) - PREFIX_BYTES:
        raise WeightsError(f"header of {size} bytes in a file of {len(data)}: truncated?")
    if size > MAX_HEADER_BYTES:
        raise WeightsError(f"header of {size} bytes, at most {MAX_HEADER_BYTES} are allowed")
    return PREFIX_BYTES + size


def parse_header(data: bytes) -> Header:
    """The checked table of a whole file's bytes.

    Raises
    ------
    WeightsError
        When the header is longer than the file or than allowed, is not JSON, names a tensor
        twice, holds too many, or does not account for each data byte exactly once.
    """
    end = header_end(data)
    rows = parse_object(data[PREFIX_BYTES:end])
    metadata = _metadata(rows.pop("__metadata__", {}))
    if len(rows) > MAX_TENSORS:
        raise WeightsError(f"{len(rows)} tensors, at most {MAX_TENSORS} are allowed")
    entries = {name: _entry(name, row) for name, row in rows.items()}
    _check_layout(entries, len(data) - end)
    return Header(entries, metadata)
