"""Parse untrusted JSON: an object, no key twice, no NaN, bounded nesting."""

from __future__ import annotations

import json

from hopcodec.errors import WeightsError


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise WeightsError(f"key {twice!r} is given twice")
    return result


def _constant(text: str) -> object:
    raise WeightsError(f"{text} is not JSON")


def parse_object(data: bytes) -> dict[str, object]:
    """Parse the JSON object in `data` (UTF-8); raise WeightsError on anything else."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant
        )
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise WeightsError(f"expected a JSON object, got {type(value).__name__}")
    return value
