"""Which codec a file holds, where nobody said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hopcodec.specs._language import CodecSpec, Shape
from hopcodec.weights.names._encodec import canonical_name


def best_fit(shapes: Mapping[str, Shape], known: Iterable[CodecSpec]) -> CodecSpec:
    """The codec whose tensors are most nearly those of a file, by its names and shapes.

    Best, not perfectly: what does not fit is for `assemble` to name. The first wins ties.
    """
    named = {canonical_name(name): shape for name, shape in shapes.items()}
    return max(known, key=lambda spec: _fit(spec, named))


def _fit(spec: CodecSpec, shapes: Mapping[str, Shape]) -> float:
    """Share of the spec's tensors that are there in their shape, folded or not."""
    expected = spec.tensors()
    found = sum(shape in (shapes.get(n), shapes.get(f"{n}_v")) for n, shape in expected.items())
    return found / len(expected)
