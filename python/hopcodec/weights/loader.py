"""One door for every weights file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hopcodec.errors import WeightsError
from hopcodec.models.spec import CodecSpec
from hopcodec.weights.assemble import assemble
from hopcodec.weights.hf_config import check_config
from hopcodec.weights.hub import verify_original
from hopcodec.weights.limits import read_file
from hopcodec.weights.raw import FloatArray, RawTensor
from hopcodec.weights.safetensors_file import read_safetensors
from hopcodec.weights.torch_file import read_torch

_FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read
_TORCH_SUFFIXES = (".th", ".pt", ".pth", ".bin")


def _reader(path: Path, spec: CodecSpec) -> Callable[[bytes], dict[str, RawTensor]]:
    if path.suffix == ".safetensors":
        return lambda data: read_safetensors(data, spec)
    if path.suffix in _TORCH_SUFFIXES:
        return read_torch
    known = ", ".join((".safetensors", *_TORCH_SUFFIXES))
    raise WeightsError(f"{path}: expected a folder or a file named {known}, got {path.suffix!r}")


def _file_in(folder: Path) -> Path:
    for name in _FOLDER_FILES:
        if (folder / name).exists():
            return folder / name
    raise WeightsError(f"{folder}: expected {' or '.join(_FOLDER_FILES)} in it, got neither")


def load_weights(source: str | os.PathLike[str], spec: CodecSpec) -> dict[str, FloatArray]:
    """Read a codec's weights from any published layout.

    Parameters
    ----------
    source
        A `.safetensors` file, a torch state dict (`.th`, `.pt`, `.pth`, `.bin`), or a Hugging
        Face folder; with the original names or Hugging Face's, weight norm folded or not.
    spec
        The codec they are for.

    Returns
    -------
    dict
        Exactly the names and shapes of `spec.tensors()`: folded, float32, C-contiguous.

    Raises
    ------
    WeightsError
        When the file is absent, malformed, over-large, not what its name says, or does not
        hold exactly this codec's tensors. Nothing in a file is ever executed.
    """
    path = Path(source)
    if path.is_dir():
        folder, path = path, _file_in(path)
        if (folder / "config.json").exists():
            check_config(folder / "config.json", spec)
    read = _reader(path, spec)
    data = read_file(path)
    verify_original(path, data)
    try:
        return assemble(read(data), spec)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # whatever a library makes of a malformed file
        raise WeightsError(f"{path}: malformed: {type(error).__name__}: {error}") from error
