"""Check arguments and untrusted values. Each message says what was expected and what came."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

from hopcodec.typing import Audio, CodeArray

T = TypeVar("T")


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
    """Return `audio` if it is C-contiguous float32 `(channels, samples)`, with `batch` in front."""
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


def check_codes(codes: object, most_books: int, *, batch: int | None = None) -> CodeArray:
    """Return `codes` if it is C-contiguous uint16 `(codebooks, frames)`, with `batch` in front."""
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


_LOUDEST = 1024.0  # as the core takes (csrc/graph/session.hpp, kMaxSample)
_AT_ONCE = 1 << 16  # columns that a check compares at once: it needs memory of their size


def check_samples(audio: Audio, name: str = "audio") -> None:
    """Raise ValueError unless all samples are finite and within +-1024."""
    for at in range(0, audio.shape[1], _AT_ONCE):
        block = np.abs(audio[:, at : at + _AT_ONCE])
        if block.max(initial=0.0) <= _LOUDEST:  # NaN is not
            continue
        channel, sample = np.argwhere(~(block <= _LOUDEST))[0]
        raise ValueError(
            f"{name}: expected finite samples within +-{_LOUDEST:g} (full scale is 1), "
            f"got {audio[channel, at + sample]:g} at sample {at + sample}"
        )


def check_below(codes: CodeArray, codebook_size: int) -> None:
    """Raise ValueError unless every code is below the codebook size."""
    if codes.size and int(codes.max()) >= codebook_size:
        frame = int(np.argwhere((codes >= codebook_size).any(axis=0))[0, 0])
        raise ValueError(
            f"codes: expected values below the codebook size, got a larger one in frame {frame}"
        )


def check_snapshot(blob: object) -> bytes:
    """Return `blob` as bytes, if it is bytes-like."""
    if not isinstance(blob, (bytes, bytearray, memoryview)):
        raise TypeError(f"snapshot: expected bytes, got {type(blob).__name__}")
    return bytes(blob)


def check_floats(**arrays: object) -> None:
    """Raise TypeError unless each is a C-contiguous float32 array or None."""
    for name, array in arrays.items():
        if array is None:
            continue
        if not isinstance(array, np.ndarray) or not _exact(array, np.float32, array.ndim):
            raise TypeError(
                f"{name}: expected a C-contiguous float32 array, got {_describe(array)}"
                f"{_remedy(name, array, np.float32)}"
            )


def _remedy(name: str, value: object, dtype: type[Any]) -> str:
    """Say how to convert `value`, where that is plain."""
    if not isinstance(value, np.ndarray):
        return ""
    if dtype == np.float32 and value.dtype == np.int16:
        return f"; 16-bit samples are {name}.astype(np.float32) / 32768"
    if value.dtype != dtype and value.dtype.kind in "fiu":
        return f"; convert with {name}.astype(np.{np.dtype(dtype).name})"
    if not value.flags.c_contiguous or not value.flags.aligned:
        return f"; np.ascontiguousarray({name}) makes it so"
    return ""


def refuse(name: str, expected: str, got: object, error: type[Exception] = ValueError) -> NoReturn:
    """Raise `error` in the usual words."""
    raise error(f"{name}: expected {expected}, got {got!r:.100}")


def require(
    holds: bool, name: str, expected: str, got: object, error: type[Exception] = ValueError
) -> None:
    """Raise `error` in the usual words unless `holds`."""
    if not holds:
        refuse(name, expected, got, error)


def whole(
    name: str,
    value: object,
    least: int = 0,
    most: int | None = None,
    *,
    error: type[Exception] | None = None,
) -> int:
    """Return a whole number of Python or NumPy as an int; refuse a float and a bool.

    Parameters
    ----------
    name
        What the message calls the value.
    value
        Anything.
    least, most
        The smallest and the largest number allowed. None sets no upper limit.
    error
        What to raise. By default TypeError for a wrong type, ValueError for a wrong number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        refuse(name, "a whole number", value, error or TypeError)
    if value < least or (most is not None and value > most):
        expected = f"at least {least}" if most is None else f"{least} to {most}"
        refuse(name, expected, value, error or ValueError)
    return operator.index(value)


def number(
    name: str,
    value: object,
    least: float = 0,
    most: float = math.inf,
    *,
    error: type[Exception] | None = None,
) -> float:
    """Return a number of Python or NumPy as a float; the parameters are those of `whole`.

    NaN and infinity are in no range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        refuse(name, "a number", value, error or TypeError)
    if not least <= value <= most or math.isinf(value):
        unlimited = f"at least {least:.12g} and finite"
        expected = unlimited if math.isinf(most) else f"{least:.12g} to {most:.12g}"
        refuse(name, expected, value, error or ValueError)
    return float(value)


def flag(name: str, value: object, *, error: type[Exception] = TypeError) -> bool:
    """Return `value` if it is a bool."""
    if not isinstance(value, bool):
        refuse(name, "true or false", value, error)
    return value


def text(name: str, value: object, most: int, *, error: type[Exception] | None = None) -> str:
    """Return `value` if it is a string of at most `most` characters."""
    if not isinstance(value, str):
        refuse(name, "a string", value, error or TypeError)
    if len(value) > most:
        refuse(name, f"at most {most} characters", value, error or ValueError)
    return value


def one_of(
    name: str, value: object, choices: Sequence[T], *, error: type[Exception] = ValueError
) -> T:
    """Return the one of `choices` that `value` is, in type and value."""
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    refuse(name, f"one of {', '.join(map(str, choices))}", value, error)


def sequence(
    name: str, value: object, least: int, most: int, *, error: type[Exception] = TypeError
) -> Sequence[object]:
    """Return `value` if it is a list or a tuple of `least` to `most` items."""
    if not isinstance(value, (list, tuple)) or not least <= len(value) <= most:
        refuse(name, f"a list of {least} to {most} items", value, error)
    return value
