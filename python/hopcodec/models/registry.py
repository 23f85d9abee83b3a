"""Which codecs there are by name, and what a name or a path given to `load` means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hopcodec.errors import WeightsError
from hopcodec.models.encodec import encodec_24khz
from hopcodec.models.hopcodec import hopcodec_24khz
from hopcodec.models.spec import CodecSpec

SPECS: dict[str, Callable[[], CodecSpec]] = {
    "encodec_24khz": encodec_24khz,
    "hopcodec_24khz": hopcodec_24khz,
}
DEFAULT = "encodec_24khz"


def resolve(
    model: str | os.PathLike[str] | None,
) -> tuple[CodecSpec, dict[str, npt.NDArray[np.float32]], bool]:
    """Spec, weights, and whether the weights are seeded noise, for what `load` was given."""
    if model is None:
        from hopcodec.weights.seeded import seeded_weights

        spec = SPECS[DEFAULT]()
        return spec, seeded_weights(spec), True
    from hopcodec.weights import load_weights
    from hopcodec.weights.hub import REPOSITORIES, fetch

    name = os.fspath(model)
    if not name:
        raise WeightsError("model: expected a name or a path, got an empty one")
    name = {repository: own for own, repository in REPOSITORIES.items()}.get(name, name)
    if name in SPECS and not Path(name).exists():
        spec = SPECS[name]()
        return spec, load_weights(fetch(name), spec), False
    if not Path(name).exists():
        known = ", ".join(SPECS)
        raise WeightsError(f"model: expected one of {known}, or an existing path, got {name!r}")
    spec = SPECS[DEFAULT]()
    return spec, load_weights(name, spec), False
