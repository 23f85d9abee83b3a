"""Where the files of a published model are: in a folder, or on the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hopcodec.errors import WeightsError
from hopcodec.weights._hub import REPOSITORIES

Source = str | os.PathLike[str]

# What `huggingface_hub.hf_hub_download` takes, under the names it has in every `from_pretrained`.
HUB_OPTIONS = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "revision",
    "subfolder",
    "token",
)


def take_hub_options(options: dict[str, Any]) -> dict[str, Any]:
    """Move the arguments that only the hub understands out of `options`."""
    return {name: options.pop(name) for name in HUB_OPTIONS if name in options}


def locate(source: Source, names: Sequence[str], hub: Mapping[str, Any] | None = None) -> Path:
    """The first of the files `names` that a model has.

    Parameters
    ----------
    source
        A folder, one file (then it is that file), or a repository on the hub, such as
        "facebook/encodec_24khz"; hopcodec's own name for it, "encodec_24khz", does as well.
    names
        File names, the preferred one first.
    hub
        Arguments for `huggingface_hub.hf_hub_download`.

    Raises
    ------
    WeightsError
        Nothing of these names is there, or the hub cannot be reached.
    """
    path = Path(source)
    if path.is_dir():
        path = path / ((hub or {}).get("subfolder") or "")
        for name in names:
            if (path / name).is_file():
                return path / name
        raise WeightsError(f"{path}: expected {' or '.join(names)} in it, got none")
    if path.exists():
        return path
    return _from_hub(os.fspath(source), names, hub or {})


def _from_hub(name: str, files: Sequence[str], hub: Mapping[str, Any]) -> Path:
    repository = REPOSITORIES.get(name, name)
    error: Exception = WeightsError("no file name given")
    for file in files:
        try:
            import huggingface_hub

            return Path(huggingface_hub.hf_hub_download(repository, file, **hub))
        except Exception as failed:  # absent, offline, refused: the last word is told
            error = failed
    raise WeightsError(
        f"{name!r}: expected a folder with {' or '.join(files)}, or a repository of the Hugging "
        f"Face hub that can be reached, got {type(error).__name__}: {error}"
    ) from error
