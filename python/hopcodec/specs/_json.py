"""A codec's spec as JSON, so that a weights file can say what it is the weights of.

Each object holds its class under "kind" and the fields of that class in `hopcodec.specs._language`,
those at their default left out; anything else is refused, so a spec read from a file is one that
could have been written in Python.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hopcodec.errors import WeightsError
from hopcodec.specs import _language as language
from hopcodec.specs._language import CodecSpec

MAX_LAYERS = 512
MAX_NESTING = 4  # a residual's branch is 1
_MAX_SIZE = 1 << 20
_MAX_NAME = 256

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        language.CodecSpec,
        language.Conv1d,
        language.ConvTranspose1d,
        language.EuclideanRvq,
        language.Lstm,
        language.Padding,
        language.ProjectedRvq,
        language.Residual,
        language.Segments,
    )
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def spec_to_json(spec: CodecSpec) -> str:
    """The spec as one line of JSON; the same spec always gives the same text."""
    return json.dumps(_plain(spec), separators=(",", ":"), sort_keys=True)


def spec_from_json(value: object) -> CodecSpec:
    """The spec that a parsed JSON object describes.

    Raises
    ------
    WeightsError
        Naming the field that is missing, surplus, of a wrong type or beyond any real codec.
    """
    found = _Reader().read("spec", value, CodecSpec)
    assert isinstance(found, CodecSpec)
    _check_sizes(found)
    return found


def _check_sizes(spec: CodecSpec) -> None:
    """What every user of a spec divides by or takes the largest of."""
    for field in ("sample_rate", "channels", "hop_samples"):
        if (got := getattr(spec, field)) < 1:
            raise WeightsError(f"spec.{field}: expected at least 1, got {got}")
    if (segments := spec.segments) is not None and not 1 <= segments.stride <= segments.samples:
        raise WeightsError(
            f"spec.segments.stride: expected 1 to {segments.samples}, got {segments.stride}"
        )
    quantizer = spec.quantizer
    if quantizer.codebooks < 1 or quantizer.codebook_size < 2 or quantizer.dim < 1:
        raise WeightsError(
            "spec.quantizer: expected at least 1 codebook of 2 entries of 1 number, got "
            f"{quantizer.codebooks} of {quantizer.codebook_size} of {quantizer.dim}"
        )
    kbps_each = spec.frame_rate * (quantizer.codebook_size - 1).bit_length() / 1000
    for bandwidth in spec.bandwidths or (0.0,):
        books = bandwidth / kbps_each
        if not (1 <= round(books) <= quantizer.codebooks and abs(books - round(books)) < 1e-6):
            raise WeightsError(
                f"spec.bandwidths: expected multiples of {kbps_each:g} kbps, 1 to "
                f"{quantizer.codebooks} codebooks, got {bandwidth:g}"
            )


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: _plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) != f.default
        }
        return {"kind": _NAMES[type(value)], **fields}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


class _Reader:
    """Counts layers and depth on the way down: a file must not make us build without end."""

    def __init__(self) -> None:
        self._objects = 0

    def read(self, where: str, value: object, kind: Any, depth: int = 0) -> object:
        origin = get_origin(kind)
        if origin is Literal:
            return self._literal(where, value, get_args(kind))
        if origin is tuple:
            return self._sequence(where, value, get_args(kind)[0], depth)
        if origin in (Union, types.UnionType) or dataclasses.is_dataclass(kind):
            return self._object(where, value, kind, depth)
        return _scalar(where, value, kind)

    def _literal(self, where: str, value: object, choices: tuple[object, ...]) -> object:
        if value not in choices:
            expected = ", ".join(map(str, choices))
            raise WeightsError(f"{where}: expected one of {expected}, got {value!r:.100}")
        return value

    def _sequence(self, where: str, value: object, kind: Any, depth: int) -> tuple[object, ...]:
        if not isinstance(value, list) or len(value) > MAX_LAYERS:
            raise WeightsError(f"{where}: expected a list of at most {MAX_LAYERS}")
        return tuple(self.read(f"{where}[{i}]", v, kind, depth) for i, v in enumerate(value))

    def _object(self, where: str, value: object, kind: Any, depth: int) -> object:
        self._objects += 1
        if depth > MAX_NESTING or self._objects > 2 * MAX_LAYERS:
            raise WeightsError(f"{where}: nested or repeated beyond any codec")
        choices = tuple(c for c in get_args(kind) if c is not types.NoneType) or (kind,)
        name = value.get("kind") if isinstance(value, dict) else None
        chosen = _KINDS.get(name) if isinstance(name, str) else None
        if chosen not in choices:
            expected = " or ".join(_NAMES[choice] for choice in choices)
            raise WeightsError(
                f'{where}: expected an object of "kind" {expected}, got {name!r:.100}'
            )
        assert isinstance(value, dict)
        assert chosen is not None
        hints = get_type_hints(chosen, vars(typing) | vars(language))
        given = value.keys() - {"kind"}
        required = {f.name for f in dataclasses.fields(chosen) if f.default is dataclasses.MISSING}
        if odd := sorted((required - given) | (given - hints.keys())):
            what = "missing" if odd[0] in hints else "surplus"
            raise WeightsError(f"{where}: {what} field {odd[0]!r:.100} of {name}")
        parts = {
            field: self.read(f"{where}.{field}", value[field], hint, depth + 1)
            for field, hint in hints.items()
            if field in given
        }
        return chosen(**parts)


def _scalar(where: str, value: object, kind: type) -> object:
    wanted = (int, float) if kind is float else (kind,)
    if type(value) not in wanted:  # exactly: True is an int to isinstance
        raise WeightsError(
            f"{where}: expected {kind.__name__}, got {type(value).__name__} {value!r:.100}"
        )
    if isinstance(value, str) and len(value) > _MAX_NAME:
        raise WeightsError(f"{where}: expected at most {_MAX_NAME} characters, got {len(value)}")
    if isinstance(value, (int, float)) and not 0 <= value <= _MAX_SIZE:
        raise WeightsError(f"{where}: expected 0 to {_MAX_SIZE}, got {value!r:.100}")
    return float(value) if isinstance(value, (int, float)) and kind is float else value
