"""The released DAC files: where they are, and what is in one (`dac/utils/__init__.py`)."""

from __future__ import annotations

import math
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hopcodec._atomic import replacing
from hopcodec.errors import WeightsError
from hopcodec.weights._hub import ORIGINAL_URLS
from hopcodec.weights._limits import read_file
from hopcodec.weights.config._dac import dac_from_kwargs
from hopcodec.weights.formats._torch import read_torch_file
from torch import Tensor

# (model type, bitrate): the name of its file's address in `ORIGINAL_URLS`.
MODELS = {
    ("44khz", "8kbps"): "dac_44khz",
    ("24khz", "8kbps"): "dac_24khz",
    ("16khz", "8kbps"): "dac_16khz",
    ("44khz", "16kbps"): "dac_44khz_16kbps",
}
_GAIN, _DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


def download(
    model_type: str = "44khz",
    model_bitrate: str = "8kbps",
    tag: str = "latest",
    local_path: Path | None = None,
) -> Path:
    """Fetch a released model, once, and say where it lies.

    Parameters
    ----------
    model_type
        "44khz", "24khz" or "16khz", in any case.
    model_bitrate
        "8kbps", or for "44khz" also "16kbps".
    tag
        Of the release; "latest" or what that is.
    local_path
        Where to keep it; by default in `~/.cache/descript/dac`, as the original does.

    Raises
    ------
    ValueError
        There is no such model.
    WeightsError
        It cannot be fetched.
    """
    key = model_type.lower(), model_bitrate.lower()
    if key not in MODELS:
        known = ", ".join(f"{kind} {rate}" for kind, rate in MODELS)
        raise ValueError(f"expected a model of {known}, got {model_type} {model_bitrate}")
    url = ORIGINAL_URLS[MODELS[key]]
    latest = url.split("/")[-2]
    if tag.lower() not in ("latest", latest):
        raise ValueError(f"tag: expected latest or {latest} for {model_type}, got {tag}")
    if local_path is None:
        folder = Path.home() / ".cache" / "descript" / "dac"
        local_path = folder / f"weights_{key[0]}_{key[1]}_{latest}.pth"
    if not local_path.exists():
        _fetch(url, local_path)
    return local_path


def _fetch(url: str, path: Path) -> None:
    """Download a file; one that breaks off leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            urllib.request.urlopen(url, timeout=60) as response,
            replacing(path) as part,
            part.open("wb") as file,
        ):
            while block := response.read(1 << 20):
                file.write(block)
            # A connection that breaks looks like the end of the file to read(n).
            came, promised = file.tell(), response.headers.get("Content-Length")
            if promised is not None and came != int(promised):
                raise OSError(f"expected {promised} bytes, got {came}")
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{url} could not be fetched ({error}): give the file itself as load_path"
        ) from error


def read_original(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read state dict and metadata of a released file. Nothing in it is executed.

    Raises
    ------
    WeightsError
        It is absent, malformed, not such a file, holds numbers that are not finite, or arguments
        that make no model of about its size.
    """
    data = read_file(path)
    try:
        tensors, metadata = read_torch_file(data)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # whatever a library makes of a malformed file
        raise WeightsError(f"{path}: malformed: {type(error).__name__}: {error}") from error
    if metadata is None:
        raise WeightsError(f'{path}: expected a dict of "state_dict" and "metadata"')
    kwargs = metadata.get("kwargs")
    if not isinstance(kwargs, dict):
        raise WeightsError(f'{path}: expected "kwargs" in its "metadata"')
    state = {name: torch.from_numpy(tensor.read()) for name, tensor in tensors.items()}
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise WeightsError(f"{path}: tensor {name}: expected finite numbers")
    _check(path, state, kwargs)
    return state, {str(name): value for name, value in metadata.items()}


def _check(path: Path, state: Mapping[str, Tensor], kwargs: Mapping[str, object]) -> None:
    """Refuse arguments of a model much larger than the file, before anything is allocated."""
    try:
        spec = dac_from_kwargs(kwargs)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    claimed = sum(math.prod(shape) for shape in spec.tensors().values())
    held = sum(tensor.numel() for tensor in state.values())
    if claimed > 2 * held:
        raise WeightsError(
            f"{path}: expected the {claimed} numbers that its arguments ask for, got {held}"
        )


def write_original(path: Path, state: Mapping[str, Tensor], kwargs: Mapping[str, Any]) -> None:
    """Write such a file, weight norm as `weight_g` and `weight_v`."""
    tensors = {
        name.replace(_GAIN, ".weight_g").replace(_DIRECTION, ".weight_v"): tensor.detach().cpu()
        for name, tensor in state.items()
    }
    torch.save({"state_dict": tensors, "metadata": {"kwargs": dict(kwargs)}}, path)
