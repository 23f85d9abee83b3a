"""Arguments at the door: the message names what was expected and what came."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint16]


def _describe(value: object) -> str:
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    layout = "" if value.flags.c_contiguous else ", not C-contiguous"
    layout += "" if value.flags.aligned else ", not aligned"
    return f"{value.dtype} {value.shape}{layout}"


def _exact(value: object, dtype: type[Any], ndim: int) -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.dtype == dtype
        and value.ndim == ndim
        and bool(value.flags.c_contiguous and value.flags.aligned)
    )


def check_audio(audio: object, channels: int, *, batch: int | None = None) -> Audio:
    """`audio` itself, if C-contiguous float32 `(channels, samples)`, `batch` in front."""
    shape = f"({channels}, samples)" if batch is None else f"({batch}, {channels}, samples)"
    if not _exact(audio, np.float32, 2 if batch is None else 3):
        hint = _remedy("audio", audio, np.float32)
        if isinstance(audio, np.ndarray) and audio.ndim == 1 and batch is None and channels == 1:
            hint += "; a mono signal is audio[None, :]"
        raise TypeError(
            f"audio: expected a C-contiguous float32 array {shape}, got {_describe(audio)}{hint}"
        )
    assert isinstance(audio, np.ndarray)
    if audio.shape[-2] != channels or (batch is not None and audio.shape[0] != batch):
        turned = batch is None and audio.shape[1] == channels
        hint = "; np.ascontiguousarray(audio.T) turns it" if turned else ""
        raise TypeError(f"audio: expected shape {shape}, got {audio.shape}{hint}")
    return audio


def check_codes(codes: object, most_books: int, *, batch: int | None = None) -> Codes:
    """`codes` itself, if C-contiguous uint16 `(codebooks, frames)`, `batch` in front."""
    lead = "" if batch is None else f"{batch}, "
    shape = f"({lead}1 to {most_books} codebooks, frames)"
    if not _exact(codes, np.uint16, 2 if batch is None else 3):
        raise TypeError(
            f"codes: expected a C-contiguous uint16 array {shape}, got {_describe(codes)}"
            f"{_remedy('codes', codes, np.uint16)}"
        )
    assert isinstance(codes, np.ndarray)
    wrong_batch = batch is not None and codes.shape[0] != batch
    if wrong_batch or not 1 <= codes.shape[-2] <= most_books:
        raise TypeError(f"codes: expected shape {shape}, got {codes.shape}")
    return codes


def check_snapshot(blob: object) -> bytes:
    """`blob` as bytes, if it is bytes-like."""
    if not isinstance(blob, (bytes, bytearray, memoryview)):
        raise TypeError(f"snapshot: expected bytes, got {type(blob).__name__}")
    return bytes(blob)


def check_floats(**arrays: object) -> None:
    """TypeError unless each is a C-contiguous float32 array; None stands for a default."""
    for name, array in arrays.items():
        if array is None:
            continue
        if not isinstance(array, np.ndarray) or not _exact(array, np.float32, array.ndim):
            raise TypeError(
                f"{name}: expected a C-contiguous float32 array, got {_describe(array)}"
                f"{_remedy(name, array, np.float32)}"
            )


def _remedy(name: str, value: object, dtype: type[Any]) -> str:
    """How to make it what was expected, where that is plain."""
    if not isinstance(value, np.ndarray):
        return ""
    if dtype == np.float32 and value.dtype == np.int16:
        return f"; 16-bit samples are {name}.astype(np.float32) / 32768"
    if value.dtype != dtype and value.dtype.kind in "fiu":
        return f"; convert with {name}.astype(np.{np.dtype(dtype).name})"
    if not value.flags.c_contiguous or not value.flags.aligned:
        return f"; np.ascontiguousarray({name}) makes it so"
    return ""
