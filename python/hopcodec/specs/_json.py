"""Convert a codec's spec to JSON and back, so that a weights file can name its codec.

Each object holds its class under "kind" and the fields of that class in `hopcodec.specs._language`
that are not at their default. Anything else is refused, so a spec from a file could have been
written in Python.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hopcodec._checks import flag, number, one_of, sequence, text, whole
from hopcodec.errors import WeightsError
from hopcodec.specs import _language as language
from hopcodec.specs._language import CodecSpec

MAX_LAYERS = 512
MAX_NESTING = 4  # a residual's branch has depth 1
MAX_CODEBOOKS = 1024
MAX_LSTM_LAYERS = 16
_MAX_HISTORY = 1 << 26  # numbers that a stream's convolutions keep; the released codecs need 2^17
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
    """Write the spec as one line of JSON. The same spec always gives the same text."""
    return json.dumps(spec, default=_fields, separators=(",", ":"), sort_keys=True)


def spec_from_json(value: object) -> CodecSpec:
    """Make the spec that a parsed JSON object describes.

    Raises
    ------
    WeightsError
        A field is missing, surplus, of a wrong type or beyond any real codec. The message names it.
    """
    found = _Reader().read("spec", value, CodecSpec)
    assert isinstance(found, CodecSpec)
    _check_sizes(found)
    return found


def _check_sizes(spec: CodecSpec) -> None:
    """Refuse sizes that a user of the spec could not divide by or take a maximum of."""
    for field in ("sample_rate", "channels", "hop_samples"):
        whole(f"spec.{field}", getattr(spec, field), 1, error=WeightsError)
    if (segments := spec.segments) is not None:
        most = segments.samples
        whole("spec.segments.stride", segments.stride, 1, most, error=WeightsError)
    quantizer = spec.quantizer
    for field, least, most in (
        ("codebooks", 1, MAX_CODEBOOKS),
        ("codebook_size", 2, _MAX_SIZE),
        ("dim", 1, _MAX_SIZE),
    ):
        whole(f"spec.quantizer.{field}", getattr(quantizer, field), least, most, error=WeightsError)
    kbps_each = spec.frame_rate * (quantizer.codebook_size - 1).bit_length() / 1000
    for bandwidth in spec.bandwidths or (0.0,):
        books = bandwidth / kbps_each
        if not (1 <= round(books) <= quantizer.codebooks and abs(books - round(books)) < 1e-6):
            raise WeightsError(
                f"spec.bandwidths: expected multiples of {kbps_each:g} kbps, 1 to "
                f"{quantizer.codebooks} codebooks, got {bandwidth:g}"
            )


def _fields(part: Any) -> dict[str, Any]:
    """Return the kind of a part of a spec, and its fields that are not at their default."""
    fields = ((f, getattr(part, f.name)) for f in dataclasses.fields(part))
    given = {f.name: value for f, value in fields if value != f.default}
    return {"kind": _NAMES[type(part)], **given}


class _Reader:
    """Read objects, and limit their number and depth."""

    def __init__(self) -> None:
        self._objects = 0
        self._history = 0

    def read(self, where: str, value: object, kind: Any, depth: int = 0) -> object:
        origin = get_origin(kind)
        if origin is Literal:
            return one_of(where, value, get_args(kind), error=WeightsError)
        if origin is tuple:
            return self._sequence(where, value, get_args(kind)[0], depth)
        if origin in (Union, types.UnionType) or dataclasses.is_dataclass(kind):
            return self._object(where, value, kind, depth)
        return _scalar(where, value, kind)

    def _sequence(self, where: str, value: object, kind: Any, depth: int) -> tuple[object, ...]:
        parts = sequence(where, value, 0, MAX_LAYERS, error=WeightsError)
        return tuple(self.read(f"{where}[{i}]", v, kind, depth) for i, v in enumerate(parts))

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
        layer = chosen(**parts)
        self._check_cost(where, layer)
        return layer

    def _check_cost(self, where: str, layer: object) -> None:
        """Refuse what few bytes ask for and much memory or time would pay for."""
        if isinstance(layer, language.Lstm):
            whole(f"{where}.layers", layer.layers, 1, MAX_LSTM_LAYERS, error=WeightsError)
        if isinstance(layer, language.Conv1d):
            self._history += layer.kernel * layer.dilation * layer.in_channels
            if self._history > _MAX_HISTORY:
                raise WeightsError(
                    f"{where}: expected convolutions that keep at most {_MAX_HISTORY} numbers of "
                    f"a stream, got {self._history}"
                )


def _scalar(where: str, value: object, kind: type) -> object:
    if kind is bool:
        return flag(where, value, error=WeightsError)
    if kind is str:
        return text(where, value, _MAX_NAME, error=WeightsError)
    check = number if kind is float else whole
    return check(where, value, 0, _MAX_SIZE, error=WeightsError)
