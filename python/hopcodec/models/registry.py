"""Which codecs there are by name, and what a name or a path given to `load` means."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hopcodec.errors import WeightsError
from hopcodec.models.dac import dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from hopcodec.models.encodec import encodec_24khz, encodec_32khz, encodec_48khz
from hopcodec.models.hopcodec import hopcodec_24khz
from hopcodec.models.spec import CodecSpec

Weights = dict[str, npt.NDArray[np.float32]]

SPECS: dict[str, Callable[[], CodecSpec]] = {
    "hopcodec_24khz": hopcodec_24khz,
    "encodec_24khz": encodec_24khz,
    "encodec_32khz": encodec_32khz,
    "encodec_48khz": encodec_48khz,
    "dac_16khz": dac_16khz,
    "dac_24khz": dac_24khz,
    "dac_44khz": dac_44khz,
    "dac_44khz_16kbps": dac_44khz_16kbps,
}
DEFAULT = "hopcodec_24khz"  # its weights lie inside the package


def resolve(
    model: str | os.PathLike[str] | None, *, seeded: bool = False
) -> tuple[CodecSpec, Weights]:
    """Spec and weights for what `load` was given; noise for weights when `seeded`."""
    name = DEFAULT if model is None else os.fspath(model)
    if not name:
        raise WeightsError("model: expected a name or a path, got an empty one")
    from hopcodec.weights import load_codec, load_weights, seeded_weights
    from hopcodec.weights.hub import REPOSITORIES, fetch

    name = {repository: own for own, repository in REPOSITORIES.items()}.get(name, name)
    named = name in SPECS and (model is None or not Path(name).exists())
    if seeded:
        if not named:
            known = ", ".join(SPECS)
            raise WeightsError(f"model: expected one of {known} to be seeded, got {name!r}")
        spec = SPECS[name]()
        return spec, seeded_weights(spec)
    if named and name == DEFAULT:
        with as_file(files("hopcodec") / "assets" / f"{name}.safetensors") as path:
            return SPECS[name](), load_weights(path, SPECS[name]())
    if named:
        return SPECS[name](), load_weights(fetch(name), SPECS[name]())
    if not Path(name).exists():
        known = ", ".join(SPECS)
        raise WeightsError(f"model: expected one of {known}, or an existing path, got {name!r}")
    return load_codec(name)
