"""Limits on files, checked before anything in them is used."""

from __future__ import annotations

from pathlib import Path

from hopcodec.errors import WeightsError

MAX_FILE_BYTES = 800_000_000  # the largest published codec, DAC 44.1 kHz, takes 307 MB
MAX_HEADER_BYTES = 1_000_000  # safetensors header, pickled state dict, config.json
MAX_TENSORS = 2000


def read_file(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Read a whole regular file of at most `limit` bytes.

    It is not mapped, because a mapped file that is cut short kills the process.
    """
    try:
        if not path.is_file():  # a pipe would keep us waiting
            what = "is not a regular file" if path.exists() else "does not exist"
            raise WeightsError(f"{path}: {what}")
        with path.open("rb") as file:
            data = file.read(limit + 1) if path.stat().st_size <= limit else None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise WeightsError(f"{path}: cannot be read: {error}") from error
    if data is None or len(data) > limit:
        raise WeightsError(f"{path}: larger than the {limit} bytes allowed")
    return data
