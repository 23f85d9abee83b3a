"""Where the published weights are, and whether a file is really the one published."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from hopcodec.errors import WeightsError
from hopcodec.weights.limits import read_file

REPOSITORIES = {"encodec_24khz": "facebook/encodec_24khz"}

# The authors' own files: name, and how its SHA-256 starts (`encodec/model.py`).
ORIGINAL_URL = "https://dl.fbaipublicfiles.com/encodec/v0/"
ORIGINAL_FILES = {"encodec_24khz-d7cc33bc.th": "d7cc33bc"}

_WEIGHTS, _CONFIG = "model.safetensors", "config.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def verify_original(path: Path, data: bytes) -> None:
    """WeightsError if `path` bears the name of a published file and `data` is not its content."""
    start = ORIGINAL_FILES.get(path.name)
    if start is None:
        return
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(start):
        raise WeightsError(
            f"{path}: expected a SHA-256 starting with {start}, got {digest[:16]}...: "
            "damaged or not the published file"
        )


def _expected_digest(repository: str, downloaded: Path) -> str:
    """What the hub says the file's SHA-256 is: the ETag of a large file.

    The cache keeps each file under its ETag and links to it; where links are not to be had,
    the hub is asked.
    """
    blob = downloaded.resolve().name
    if _SHA256.fullmatch(blob):
        return blob
    import huggingface_hub

    url = huggingface_hub.hf_hub_url(repository, _WEIGHTS)
    etag = huggingface_hub.get_hf_file_metadata(url).etag
    if etag is None or not _SHA256.fullmatch(etag):
        raise OSError(f"the hub gives no SHA-256 for {_WEIGHTS}, but {etag!r}")
    return etag


def fetch(name: str) -> Path:
    """Download a published model into Hugging Face's cache, or find it there.

    Parameters
    ----------
    name
        "encodec_24khz".

    Returns
    -------
    Path
        A folder with `model.safetensors`, whose SHA-256 is the hub's, and `config.json`.

    Raises
    ------
    WeightsError
        When the name is unknown, the hub cannot be reached, or the file is not what it says.
    """
    repository = REPOSITORIES.get(name)
    if repository is None:
        raise WeightsError(f"expected one of {', '.join(REPOSITORIES)} to download, got {name!r}")
    try:
        import huggingface_hub

        huggingface_hub.hf_hub_download(repository, _CONFIG)
        path = Path(huggingface_hub.hf_hub_download(repository, _WEIGHTS))
        expected = _expected_digest(repository, path)
    except Exception as error:
        raise WeightsError(_how_to_supply(name, repository, error)) from error
    digest = hashlib.sha256(read_file(path)).hexdigest()
    if digest != expected:
        raise WeightsError(
            f"{path}: expected SHA-256 {expected}, got {digest}: delete it and fetch again"
        )
    return path.parent


def _how_to_supply(name: str, repository: str, error: Exception) -> str:
    original = next(file for file in ORIGINAL_FILES if file.startswith(name))
    return (
        f"{name} could not be fetched from the Hugging Face hub ({type(error).__name__}): supply "
        f'it with hopcodec.load("path/to/folder-or-file") or the --model option, as the folder '
        f"{repository} ({_CONFIG} and {_WEIGHTS}), that {_WEIGHTS} alone, or the authors' "
        f"{ORIGINAL_URL}{original}"
    )
