"""Load any weights file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hopcodec.errors import WeightsError
from hopcodec.specs._encodec import encodec_24khz, encodec_32khz, encodec_48khz
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._lapped import hopcodec_24khz
from hopcodec.weights._assemble import assemble
from hopcodec.weights._hub import verify_original
from hopcodec.weights._identify import best_fit
from hopcodec.weights._limits import read_file
from hopcodec.weights._raw import RawTensor, Tensors
from hopcodec.weights.config._dac import dac_from_config, dac_from_kwargs, dac_from_shapes
from hopcodec.weights.config._encodec import check_config, encodec_from_config, read_config
from hopcodec.weights.formats._safetensors import check_metadata, read_safetensors, spec_in_metadata
from hopcodec.weights.formats._torch import read_torch
from hopcodec.weights.names._dac import looks_like_dac

_FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")  # the first that is there is read
_CONFIG = "config.json"
_TORCH_SUFFIXES = (".th", ".pt", ".pth", ".bin")

# The codecs, beside a DAC, of a file that does not name one.
_BARE = (encodec_24khz, encodec_32khz, encodec_48khz, hopcodec_24khz)


def load_weights(source: str | os.PathLike[str], spec: CodecSpec) -> Tensors:
    """Read a codec's weights from any published layout.

    Parameters
    ----------
    source
        A `.safetensors` file, a torch state dict (`.th`, `.pt`, `.pth`, `.bin`), bare or with
        metadata, or a Hugging Face folder. Names may be the original ones or Hugging Face's, and
        weight norm may be folded or not.
    spec
        The codec of the weights.

    Returns
    -------
    dict
        Exactly the names and shapes of `spec.tensors()`: folded, float32, C-contiguous.

    Raises
    ------
    WeightsError
        The file is absent, malformed or too large, is not what its name says, or does not hold
        exactly this codec's tensors. Nothing in a file is ever executed.
    """
    path, config = _opened(source)
    if config is not None:
        check_config(config, spec)
    with _named(path):
        file = _read(path)
        check_metadata(file.metadata, spec)
        return assemble(file.tensors, spec)


def load_codec(source: str | os.PathLike[str]) -> tuple[CodecSpec, Tensors]:
    """Read codec and weights of a file that says which codec it holds.

    A file of our own holds its spec, a folder its `config.json`, and an original DAC the arguments
    that built it. Bare tensors are recognised by their names and sizes.
    """
    path, config = _opened(source)
    with _named(path):
        file = _read(path)
        spec = _spec_of(file, config)
    if config is not None:
        check_config(config, spec)
    with _named(path):
        check_metadata(file.metadata, spec)
        return spec, assemble(file.tensors, spec)


def _spec_of(file: _File, config: Path | None) -> CodecSpec:
    if (own := spec_in_metadata(file.metadata)) is not None:
        return own
    if config is not None:
        fields = read_config(config)
        dac = fields.get("model_type") == "dac"
        return dac_from_config(fields) if dac else encodec_from_config(fields)
    shapes = {name: tensor.shape for name, tensor in file.tensors.items()}
    if not looks_like_dac(file.tensors):
        return best_fit(shapes, [make() for make in _BARE])
    return dac_from_shapes(shapes) if file.kwargs is None else dac_from_kwargs(file.kwargs)


def _opened(source: str | os.PathLike[str]) -> tuple[Path, Path | None]:
    """Return the file to read, and the `config.json` of its folder."""
    path = Path(source)
    if not path.is_dir():
        return path, None
    config = path / _CONFIG
    for name in _FOLDER_FILES:
        if (path / name).exists():
            return path / name, config if config.exists() else None
    raise WeightsError(f"{path}: expected {' or '.join(_FOLDER_FILES)} in it, got neither")


@dataclass(frozen=True)
class _File:
    """A file's tensors by its own names, and its description of their codec."""

    tensors: Mapping[str, RawTensor]
    metadata: Mapping[str, str]  # of a safetensors file
    kwargs: Mapping[str, object] | None  # of an original DAC


def _read(path: Path) -> _File:
    suffixes = (".safetensors", *_TORCH_SUFFIXES)
    if path.suffix not in suffixes:
        raise WeightsError(
            f"expected a folder or a file named {', '.join(suffixes)}, got {path.suffix!r}"
        )
    data = read_file(path)
    verify_original(path, data)
    if path.suffix == ".safetensors":
        return _File(*read_safetensors(data), None)
    tensors, kwargs = read_torch(data)
    return _File(tensors, {}, kwargs)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn any exception into a WeightsError that begins with the file's name."""
    try:
        yield
    except WeightsError as error:
        said = str(error)
        raise WeightsError(said if said.startswith(str(path)) else f"{path}: {said}") from error
    except Exception as error:  # a malformed file raises many kinds
        raise WeightsError(f"{path}: malformed: {type(error).__name__}: {error}") from error
