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
        hint = ""
        if isinstance(audio, np.ndarray) and audio.ndim == 1 and batch is None and channels == 1:
            hint = "; a mono signal is audio[None, :]"
        raise TypeError(
            f"audio: expected a C-contiguous float32 array {shape}, got {_describe(audio)}{hint}"
        )
    assert isinstance(audio, np.ndarray)
    if audio.shape[-2] != channels or (batch is not None and audio.shape[0] != batch):
        raise TypeError(f"audio: expected shape {shape}, got {audio.shape}")
    return audio


def check_codes(codes: object, most_books: int, *, batch: int | None = None) -> Codes:
    """`codes` itself, if C-contiguous uint16 `(codebooks, frames)`, `batch` in front."""
    lead = "" if batch is None else f"{batch}, "
    shape = f"({lead}1 to {most_books} codebooks, frames)"
    if not _exact(codes, np.uint16, 2 if batch is None else 3):
        raise TypeError(
            f"codes: expected a C-contiguous uint16 array {shape}, got {_describe(codes)}"
        )
    assert isinstance(codes, np.ndarray)
    wrong_batch = batch is not None and codes.shape[0] != batch
    if wrong_batch or not 1 <= codes.shape[-2] <= most_books:
        raise TypeError(f"codes: expected shape {shape}, got {codes.shape}")
    return codes
