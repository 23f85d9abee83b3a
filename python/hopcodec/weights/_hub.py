"""Download published weights, and verify that a file is the one published."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from hopcodec.errors import WeightsError
from hopcodec.weights._limits import read_file

REPOSITORIES = {
    "encodec_24khz": "facebook/encodec_24khz",
    "encodec_32khz": "facebook/encodec_32khz",
    "encodec_48khz": "facebook/encodec_48khz",
    "dac_16khz": "descript/dac_16khz",
    "dac_24khz": "descript/dac_24khz",
    "dac_44khz": "descript/dac_44khz",
}

# The authors' own files (`encodec/model.py`, `dac/utils/__init__.py`).
_ENCODEC = "https://dl.fbaipublicfiles.com/encodec/v0/"
_DAC = "https://github.com/descriptinc/descript-audio-codec/releases/download/"
ORIGINAL_URLS = {
    "encodec_24khz": _ENCODEC + "encodec_24khz-d7cc33bc.th",
    "encodec_48khz": _ENCODEC + "encodec_48khz-7e698e3e.th",
    "dac_16khz": _DAC + "0.0.5/weights_16khz.pth",
    "dac_24khz": _DAC + "0.0.4/weights_24khz.pth",
    "dac_44khz": _DAC + "0.0.1/weights.pth",
    "dac_44khz_16kbps": _DAC + "1.0.0/weights_44khz_16kbps.pth",
}
# The first digits of the SHA-256 of files whose name states them.
ORIGINAL_FILES = {
    "encodec_24khz-d7cc33bc.th": "d7cc33bc",
    "encodec_48khz-7e698e3e.th": "7e698e3e",
}

_WEIGHTS, _CONFIG = "model.safetensors", "config.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def verify_original(path: Path, data: bytes) -> None:
    """Raise WeightsError if `path` has the name of a published file but not its content."""
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
    """Return the SHA-256 that the hub states, which is the ETag of a large file.

    The cache keeps each file under its ETag and links to it. Where there are no links, the hub is
    asked.
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
        A codec with published weights: "encodec_24khz", "dac_44khz", ...

    Returns
    -------
    Path
        A folder with `model.safetensors`, whose SHA-256 is the hub's, and `config.json`.

    Raises
    ------
    WeightsError
        The name is unknown, the hub cannot be reached, or the file has another SHA-256.
    """
    repository = REPOSITORIES.get(name)
    if repository is None and name in ORIGINAL_URLS:
        raise WeightsError(
            f"{name} is on no hub: download {ORIGINAL_URLS[name]} and give its path to "
            "hopcodec.load or the --model option"
        )
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
    original = f", or the authors' {ORIGINAL_URLS[name]}" if name in ORIGINAL_URLS else ""
    return (
        f"{name} could not be fetched from the Hugging Face hub ({type(error).__name__}): supply "
        f'it with hopcodec.load("path/to/folder-or-file") or the --model option, as the folder '
        f"{repository} ({_CONFIG} and {_WEIGHTS}), that {_WEIGHTS} alone{original}"
    )
