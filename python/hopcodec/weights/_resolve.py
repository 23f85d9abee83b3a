"""Find the spec and the weights of a name or a path given to `load`."""

from __future__ import annotations

import os
from importlib.resources import as_file, files
from pathlib import Path

from hopcodec.errors import WeightsError
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._names import DEFAULT, SPECS
from hopcodec.weights._hub import REPOSITORIES, fetch
from hopcodec.weights._load import load_codec, load_weights
from hopcodec.weights._raw import Tensors
from hopcodec.weights._seeded import seeded_weights


def resolve(
    model: str | os.PathLike[str] | None, *, seeded: bool = False
) -> tuple[CodecSpec, Tensors]:
    """Return spec and weights for the argument of `load`; noise for weights if `seeded`."""
    name = DEFAULT if model is None else os.fspath(model)
    if not name:
        raise WeightsError("model: expected a name or a path, got an empty one")
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
