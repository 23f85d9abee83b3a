"""The `.ecdc` file of the original `encodec` command, byte for byte, without language model.

    offset 0   4  "ECDC"
           4   1  version, 0
           5   4  n, the length of the JSON text, uint32 big-endian
           9   n  {"m": model, "al": audio samples at the model's rate, "nc": codebooks, "lm": bool}
                  and, from hopcodec for its own models, "w": which weights, 8 hexadecimal digits
       9 + n      codes, frame by frame, codebook by codebook, 10 bits each, LSB first,
                  padded with zero bits to a whole byte

A file says neither the sample rate nor the number of frames: both follow from the model and the
audio length. A segmented model (48 kHz) repeats the body per segment behind a float32 scale; its
layout has a place in `EcdcLayout`, but no such file is read or written here.
"""

from __future__ import annotations

import io
import json
import os
import re
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from hopcodec.bitstream.packing import pack_bits, packed_bytes, unpack_bits
from hopcodec.errors import BitstreamError

Codes = npt.NDArray[np.uint16]
File = str | os.PathLike[str] | IO[bytes]

MAGIC: Final = b"ECDC"
VERSION: Final = 0
_PREFIX: Final = struct.Struct("!4sBI")
_MAX_HEADER_BYTES: Final = 64 * 1024
_MAX_AUDIO_LENGTH: Final = 1 << 48  # samples; 370 years at 24 kHz
_READ_BYTES: Final = 1 << 20
_BLOCK_FRAMES: Final = 4096  # a multiple of 4, so that 10-bit codes end on a byte
_SPOOL_BYTES: Final = 1 << 24


@dataclass(frozen=True)
class EcdcLayout:
    """How one model's codes lie in the file."""

    sample_rate: int
    frame_rate: int
    codebooks: int
    code_bits: int

    def frames(self, audio_length: int) -> int:
        """`ceil(audio_length * frame_rate / sample_rate)` in integers.

        The order matters: `encodec` 0.1.1 divides first in floating point and asks for one frame
        too many at some lengths (53 760 samples: 169 frames for 168).
        """
        return -(-audio_length * self.frame_rate // self.sample_rate)


# The first is the original command's; the second is ours, in the same format.
LAYOUTS: Final = {
    "encodec_24khz": EcdcLayout(24000, 75, 32, 10),
    "hopcodec_24khz": EcdcLayout(24000, 75, 8, 10),
}
_FINGERPRINT: Final = re.compile(r"([0-9a-f]{8})?")
_SEGMENTED: Final = ("encodec_48khz",)


@dataclass(frozen=True)
class EcdcHeader:
    """What a file says about itself. `audio_length` counts samples per channel at model rate."""

    model: str
    audio_length: int
    codebooks: int
    language_model: bool = False
    weights: str = ""  # `Codec.fingerprint` of the model; "" if the file does not say

    @property
    def layout(self) -> EcdcLayout:
        """Rates and widths of the model; `BitstreamError` for one this version does not know."""
        return _layout(self.model, BitstreamError)

    @property
    def frames(self) -> int:
        """Frames of codes in the file."""
        return self.layout.frames(self.audio_length)

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.audio_length / self.layout.sample_rate

    @property
    def body_bytes(self) -> int:
        """Bytes of packed codes behind the header."""
        return packed_bytes(self.frames * self.codebooks, self.layout.code_bits)


def write_ecdc(file: File, codes: Codes, *, model: str, audio_length: int) -> None:
    """Write `codes` as an `.ecdc` file.

    Parameters
    ----------
    file
        A path, or a file open for binary writing.
    codes
        uint16 `(codebooks, frames)`.
    model
        The codec's name, one of `LAYOUTS`. The original command knows `encodec_24khz`.
    audio_length
        Samples per channel the codes stand for, at the model's rate; fixes the frame count.

    Raises
    ------
    TypeError
        Codes that are not uint16 or not 2-D.
    ValueError
        A model the format has no name for, or codes that do not fit model and length.
    """
    with EcdcWriter(file, model=model, codebooks=_codebooks_of(codes)) as writer:
        writer.push(codes)
        writer.finish(audio_length)


def read_ecdc(file: File) -> tuple[EcdcHeader, Codes]:
    """Read a whole `.ecdc` file: its header, and codes uint16 `(codebooks, frames)`.

    Nothing is allocated for the codes before the file is known to hold them.

    Raises
    ------
    BitstreamError
        The file is truncated, corrupt, longer than its header says, of an unknown version or
        model, or entropy coded (`lm: true`).
    OSError
        A path that cannot be opened.
    """
    with EcdcReader(file) as reader:
        blocks = list(reader.blocks())
        return reader.header, np.ascontiguousarray(np.concatenate(blocks, axis=1))


def read_ecdc_header(file: File) -> EcdcHeader:
    """Read the header alone, of files with language model too. Raises as `read_ecdc`."""
    with _Opened(file, "rb") as opened:
        return _read_header(opened)


class EcdcReader:
    """An `.ecdc` file read block by block, in constant memory.

    The header is checked on construction and, where the file can seek, its size too; `blocks()`
    then yields the codes once. Raises as `read_ecdc`. A context manager.
    """

    def __init__(self, file: File) -> None:
        self._opened = _Opened(file, "rb")
        stream = self._opened.__enter__()
        try:
            self.header = _read_header(stream)
            if self.header.language_model:
                raise BitstreamError(
                    "the codes are entropy coded with a language model (lm: true), a variant "
                    "this version does not read; encode the audio without --lm"
                )
            _check_body_size(stream, self.header)
        except BaseException:
            self.close()
            raise
        self._stream = stream

    def blocks(self, frames_per_block: int = _BLOCK_FRAMES) -> Iterator[Codes]:
        """Yield codes uint16 `(codebooks, frames)` in order, `frames_per_block` at a time.

        `frames_per_block` is a multiple of 4, so that each block starts on a byte. After the last
        block the file must end.
        """
        if frames_per_block < 4 or frames_per_block % 4:
            raise ValueError(f"frames_per_block: expected a multiple of 4, got {frames_per_block}")
        header = self.header
        bits, total = header.layout.code_bits, header.frames
        done_bytes = 0
        for first in range(0, total, frames_per_block):
            frames = min(frames_per_block, total - first)
            count = frames * header.codebooks
            wanted = packed_bytes(count, bits)
            data = _read_up_to(self._stream, wanted)
            done_bytes += len(data)
            if len(data) < wanted:
                raise _truncated_body(header, done_bytes)
            try:
                values = unpack_bits(data, bits, count)
            except ValueError as error:
                raise BitstreamError(f"corrupt codes: {error}") from None
            yield np.ascontiguousarray(values.reshape(frames, header.codebooks).T)
        if self._stream.read(1):
            raise BitstreamError(
                f"trailing bytes: expected the file to end after {header.body_bytes} bytes of codes"
            )

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._opened.__exit__()

    def __enter__(self) -> EcdcReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EcdcWriter:
    """An `.ecdc` file written as its codes come, the audio length being known only at the end.

    Packed codes wait in a spool (on disk beyond 16 MB), since the header before them names the
    length. Nothing reaches `file` before `finish`. A context manager.
    """

    def __init__(self, file: File, *, model: str, codebooks: int, weights: str = "") -> None:
        self._layout = _layout(model, ValueError)
        if not 1 <= codebooks <= self._layout.codebooks:
            raise ValueError(
                f"{model}: expected 1 to {self._layout.codebooks} codebooks, got {codebooks}"
            )
        self._file, self._model, self._codebooks = file, model, codebooks
        self._weights = weights
        self._frames = 0
        self._rest = np.zeros(0, dtype=np.uint16)  # fewer than 4 values: less than whole bytes
        self._spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - see close()

    def push(self, codes: Codes) -> None:
        """Append codes uint16 `(codebooks, frames)`; raises as `write_ecdc`."""
        if _codebooks_of(codes) != self._codebooks:
            raise ValueError(f"codes: expected {self._codebooks} rows, got {codes.shape[0]}")
        for first in range(0, codes.shape[1], _BLOCK_FRAMES):
            block = codes[:, first : first + _BLOCK_FRAMES]
            values = np.concatenate((self._rest, block.T.reshape(-1)))
            whole = values.size - values.size % 4
            self._spool.write(pack_bits(values[:whole], self._layout.code_bits))
            self._rest = values[whole:]
            self._frames += block.shape[1]

    def finish(self, audio_length: int) -> int:
        """Write header and codes to the file; returns the bytes written.

        Raises `ValueError` unless the pushed frames are those of `audio_length` samples.
        """
        if not 1 <= audio_length <= _MAX_AUDIO_LENGTH:
            raise ValueError(f"audio_length: expected at least 1 sample, got {audio_length}")
        expected = self._layout.frames(audio_length)
        if self._frames != expected:
            raise ValueError(
                f"{audio_length} samples of {self._model}: expected {expected} frames of codes, "
                f"got {self._frames}"
            )
        self._spool.write(pack_bits(self._rest, self._layout.code_bits))
        self._rest = self._rest[:0]
        described = EcdcHeader(self._model, audio_length, self._codebooks, weights=self._weights)
        header = _header_bytes(described)
        written = len(header)
        self._spool.seek(0)
        with _Opened(self._file, "wb") as out:
            out.write(header)
            while chunk := self._spool.read(_READ_BYTES):
                out.write(chunk)
                written += len(chunk)
        return written

    def close(self) -> None:
        """Drop the spool. Without `finish` before, nothing was written."""
        self._spool.close()

    def __enter__(self) -> EcdcWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Opened:
    """A path opened and closed here, or someone else's open file left open."""

    def __init__(self, file: File, mode: str) -> None:
        self._file, self._mode = file, mode
        self._own: IO[bytes] | None = None

    def __enter__(self) -> IO[bytes]:
        if isinstance(self._file, (str, os.PathLike)):
            self._own = open(self._file, self._mode)
            return self._own
        return self._file

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.close()


def _layout(model: str, error: type[Exception]) -> EcdcLayout:
    try:
        return LAYOUTS[model]
    except KeyError:
        pass
    if model in _SEGMENTED:
        raise error(f"model {model!r} lies in segments with a scale each: not supported yet")
    raise error(f"unknown model {model!r}: expected one of {', '.join(LAYOUTS)}")


def _codebooks_of(codes: Codes) -> int:
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint16 or codes.ndim != 2:
        got = (
            f"{codes.dtype} with {codes.ndim} dimensions"
            if isinstance(codes, np.ndarray)
            else type(codes).__name__
        )
        raise TypeError(f"codes: expected a uint16 array (codebooks, frames), got {got}")
    return int(codes.shape[0])


def _header_bytes(header: EcdcHeader) -> bytes:
    fields = {
        "m": header.model,
        "al": header.audio_length,
        "nc": header.codebooks,
        "lm": header.language_model,
        **({"w": header.weights} if header.weights else {}),
    }
    text = json.dumps(fields).encode("utf-8")
    return _PREFIX.pack(MAGIC, VERSION, len(text)) + text


def _read_header(stream: IO[bytes]) -> EcdcHeader:
    prefix = _read_up_to(stream, _PREFIX.size)
    if prefix[:4] != MAGIC[: len(prefix)]:
        raise BitstreamError(f"not an .ecdc file: expected {MAGIC!r} first, got {prefix[:4]!r}")
    if len(prefix) < _PREFIX.size:
        raise BitstreamError(
            f"truncated: expected {_PREFIX.size} bytes before the header, got {len(prefix)}"
        )
    _, version, length = _PREFIX.unpack(prefix)
    if version != VERSION:
        raise BitstreamError(f"version: expected {VERSION}, got {version}")
    if length > _MAX_HEADER_BYTES:
        raise BitstreamError(f"header: expected at most {_MAX_HEADER_BYTES} bytes, got {length}")
    text = _read_up_to(stream, length)
    if len(text) < length:
        raise BitstreamError(f"truncated: expected {length} bytes of header, got {len(text)}")
    return _parse_header(text)


def _parse_header(text: bytes) -> EcdcHeader:
    try:
        fields = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError too
        raise BitstreamError(f"header: expected JSON text, got {text[:40]!r} ({error})") from None
    if not isinstance(fields, dict):
        raise BitstreamError(f"header: expected a JSON object, got a {type(fields).__name__}")
    for key, kind in (("m", str), ("al", int), ("nc", int), ("lm", bool)):
        if key not in fields:
            raise BitstreamError(f"header: expected the keys m, al, nc, lm; {key!r} is missing")
        if type(fields[key]) is not kind:  # exactly: True is an int to isinstance
            raise BitstreamError(
                f"header: expected {key!r} to be of type {kind.__name__}, "
                f"got {type(fields[key]).__name__}"
            )
    weights = fields.get("w", "")
    if not isinstance(weights, str) or not _FINGERPRINT.fullmatch(weights):
        raise BitstreamError("header: expected 'w' to be 8 hexadecimal digits")
    header = EcdcHeader(fields["m"], fields["al"], fields["nc"], fields["lm"], weights)
    _check_header(header)
    return header


def _check_header(header: EcdcHeader) -> None:
    layout = header.layout
    if not 1 <= header.audio_length <= _MAX_AUDIO_LENGTH:
        # Not printed: it may have thousands of digits.
        raise BitstreamError(f"audio length: expected 1 to {_MAX_AUDIO_LENGTH} samples")
    if not 1 <= header.codebooks <= layout.codebooks:
        raise BitstreamError(f"codebooks: expected 1 to {layout.codebooks}, got another number")


def _check_body_size(stream: IO[bytes], header: EcdcHeader) -> None:
    try:
        if not stream.seekable():
            return
        here = stream.tell()
        size = stream.seek(0, io.SEEK_END) - here
        stream.seek(here)
    except (OSError, AttributeError):
        return  # then `blocks` finds out on the way
    if size < header.body_bytes:
        raise _truncated_body(header, size)
    if size > header.body_bytes:
        raise BitstreamError(
            f"trailing bytes: expected {header.body_bytes} bytes of codes, got {size}"
        )


def _truncated_body(header: EcdcHeader, got: int) -> BitstreamError:
    return BitstreamError(
        f"truncated: expected {header.body_bytes} bytes of codes "
        f"({header.frames} frames of {header.codebooks} codebooks), got {got}"
    )


def _read_up_to(stream: IO[bytes], count: int) -> bytes:
    """`count` bytes, or fewer at the end of the file; a short read is not the end."""
    parts: list[bytes] = []
    while count > 0:
        part = stream.read(min(count, _READ_BYTES))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
