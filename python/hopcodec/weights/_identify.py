"""Find the codec of a file that does not name it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hopcodec.specs._language import CodecSpec, Shape
from hopcodec.weights.names._encodec import canonical_name


def best_fit(shapes: Mapping[str, Shape], known: Iterable[CodecSpec]) -> CodecSpec:
    """Return the codec whose tensors fit those of a file best, by names and shapes.

    `assemble` reports what does not fit. The first codec wins ties.
    """
    named = {canonical_name(name): shape for name, shape in shapes.items()}
    return max(known, key=lambda spec: _fit(spec, named))


def _fit(spec: CodecSpec, shapes: Mapping[str, Shape]) -> float:
    """Return the share of the spec's tensors that the file has in their shape, folded or not."""
    expected = spec.tensors()
    found = sum(shape in (shapes.get(n), shapes.get(f"{n}_v")) for n, shape in expected.items())
    return found / len(expected)
