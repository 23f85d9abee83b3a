"""The `.ecdc` file of the original `encodec` command, byte for byte, without language model.

    offset 0   4  "ECDC"
           4   1  version, 0
           5   4  n, the length of the JSON text, uint32 big-endian
           9   n  {"m": model, "al": audio samples at the model's rate, "nc": codebooks, "lm": bool}
                  and, from hopcodec for its own models, "w": which weights, 8 hexadecimal digits
       9 + n      codes, frame by frame, codebook by codebook, 10 bits each, LSB first,
                  padded with zero bits to a whole byte

A segmented model (48 kHz) repeats the body for each segment:

       9 + n   4  scale, float32 big-endian: what the segment's audio is multiplied by
               .  codes of the segment, padded to a whole byte
                  ... and so on for the segments that follow

A file gives neither the sample rate nor the number of frames. Both follow from the model and the
audio length.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from typing import IO, Final

from hopcodec._checks import whole
from hopcodec.codec._codes import AnyCodes, join_codes
from hopcodec.errors import BitstreamError
from hopcodec.files._io import File, Opened
from hopcodec.files.ecdc._body import (
    BLOCK_FRAMES,
    Body,
    Packer,
    PlainPacker,
    SegmentPacker,
    codebooks_of,
    truncated_body,
)
from hopcodec.files.ecdc._header import (
    LAYOUTS,
    MAGIC,
    MAX_AUDIO_LENGTH,
    EcdcHeader,
    EcdcLayout,
    header_bytes,
    layout_of,
    read_header,
)

__all__ = [
    "LAYOUTS",
    "MAGIC",
    "EcdcHeader",
    "EcdcLayout",
    "EcdcReader",
    "EcdcWriter",
    "read_ecdc",
    "read_ecdc_header",
    "write_ecdc",
]

_READ_BYTES: Final = 1 << 20
_SPOOL_BYTES: Final = 1 << 24


def write_ecdc(file: File, codes: AnyCodes, *, model: str, audio_length: int) -> None:
    """Write codes as an `.ecdc` file that the original command reads.

    Parameters
    ----------
    file
        A path, or a file open for binary writing.
    codes
        uint16 `(codebooks, frames)`, or the `Codes` of a model with segments.
    model
        The codec's name, one of `LAYOUTS`. The original command knows those named `encodec_`.
    audio_length
        Samples per channel at the model's rate. It determines the number of frames.

    Raises
    ------
    TypeError
        The codes are of another kind than the model's, not uint16, or not 2-D.
    ValueError
        The format has no name for the model, or the codes do not fit model and length.
    """
    with EcdcWriter(file, model=model, codebooks=codebooks_of(codes)) as writer:
        writer.push(codes)
        writer.finish(audio_length)


def read_ecdc(file: File) -> tuple[EcdcHeader, AnyCodes]:
    """Read a whole `.ecdc` file: its header, and codes uint16 `(codebooks, frames)`.

    The codes of a model with segments are `Codes`. They are allocated only when the file is known
    to hold them.

    Raises
    ------
    BitstreamError
        The file is truncated, corrupt, longer than its header says, of an unknown version or
        model, or entropy coded (`lm: true`).
    OSError
        A path that cannot be opened.
    """
    with EcdcReader(file) as reader:
        return reader.header, join_codes(reader.blocks())


def read_ecdc_header(file: File) -> EcdcHeader:
    """Read the header alone, also of files with language model. Raises as `read_ecdc`."""
    with Opened(file, "rb") as opened:
        return read_header(opened)


class EcdcReader:
    """An `.ecdc` file read block by block, in constant memory.

    Construction checks the header and, where the file can seek, its size. `blocks()` then yields
    the codes once. Raises as `read_ecdc`. A context manager.
    """

    def __init__(self, file: File) -> None:
        self._opened = Opened(file, "rb")
        stream = self._opened.__enter__()
        try:
            self.header = read_header(stream)
            if self.header.language_model:
                raise BitstreamError(
                    "the codes are entropy coded with a language model (lm: true), a variant "
                    "this version does not read; encode the audio without --lm"
                )
            _check_body_size(stream, self.header)
        except BaseException:
            self.close()
            raise
        self._body = Body(stream, self.header)

    def blocks(self, frames_per_block: int = BLOCK_FRAMES) -> Iterator[AnyCodes]:
        """Yield codes uint16 `(codebooks, frames)` in order, `frames_per_block` at a time.

        `frames_per_block` is a multiple of 4, so each block starts on a byte. A model with
        segments yields `Codes` of as many whole segments as that makes, at least one. After the
        last block the file must end.
        """
        if frames_per_block < 4 or frames_per_block % 4:
            raise ValueError(f"frames_per_block: expected a multiple of 4, got {frames_per_block}")
        layout = self.header.layout
        if layout.segmented:
            each = layout.frames_of(layout.segment_samples)
            return self._body.segments(max(1, frames_per_block // each))
        return self._body.blocks(frames_per_block)

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._opened.__exit__()

    def __enter__(self) -> EcdcReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EcdcWriter:
    """An `.ecdc` file that is written as its codes come. A context manager.

    Packed codes wait in a spool (on disk beyond 16 MB), because the header in front of them gives
    the audio length, which is known only at the end. `finish` writes to `file`.
    """

    def __init__(self, file: File, *, model: str, codebooks: int, weights: str = "") -> None:
        layout = layout_of(model, ValueError)
        if not 1 <= codebooks <= layout.codebooks:
            raise ValueError(
                f"{model}: expected 1 to {layout.codebooks} codebooks, got {codebooks}"
            )
        self._file, self._model, self._codebooks = file, model, codebooks
        self._weights = weights
        self._spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - see close()
        packer = SegmentPacker if layout.segmented else PlainPacker
        self._packer: Packer = packer(layout, codebooks, self._spool)

    def push(self, codes: AnyCodes) -> None:
        """Append codes `(codebooks, frames)`, or segments. Raises as `write_ecdc`."""
        self._packer.push(codes)

    def finish(self, audio_length: int) -> int:
        """Write header and codes to the file; return the number of bytes.

        Raises `TypeError` unless `audio_length` is an int, and `ValueError` unless the pushed
        frames are those of so many samples.
        """
        audio_length = whole("audio_length", audio_length, 1, MAX_AUDIO_LENGTH)
        self._packer.finish(self._model, audio_length)
        described = EcdcHeader(self._model, audio_length, self._codebooks, weights=self._weights)
        header = header_bytes(described)
        written = len(header)
        self._spool.seek(0)
        with Opened(self._file, "wb") as out:
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
        raise truncated_body(header, size)
    if size > header.body_bytes:
        raise BitstreamError(
            f"trailing bytes: expected {header.body_bytes} bytes of codes, got {size}"
        )
