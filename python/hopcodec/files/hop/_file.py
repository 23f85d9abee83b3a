"""The `.hop` file: codes of any codec, checked, seekable, and written as they come.

    header   offset  0   8  magic: 89 48 4f 50 0d 0a 1a 0a
                     8   2  version, 1
                    10   2  flags: 1 the weights are named, 2 each block has a scale
                    12   4  sample rate in Hz
                    16   2  channels
                    18   2  c, codebooks: codes per frame
                    20   4  samples per frame
                    24   1  b, bits per code
                    25   1  m, bytes of the model's name
                    26   2  0
                    28   4  n, frames per block
                    32   4  fingerprint of the weights
                    36   4  samples of a segment, or 0
                    40   4  samples from one segment to the next, or 0
                    44   m  the model's name
                44 + m   4  CRC-32 of all before it

    block           +0   4  f, frames in it: n, or fewer at the end
                    +4   4  CRC-32 of its number (uint64) and all of it but these 4 bytes
                   [+8   4  scale, float32]
                        ..  codes, frame by frame, codebook by codebook, b bits each,
                            LSB first, padded with zero bits to a whole byte
    ...
    end             +0   4  0
                    +4   4  CRC-32 as of a block
                    +8   8  samples per channel of the audio

Numbers are little-endian, and checksums are zlib's CRC-32. All blocks but the last (the last two of
a codec with segments, where each is a segment) have n frames, so block i begins at
`header + i * block_bytes(n)` and a reader seeks by arithmetic. A writer never goes back, so it can
write to a pipe or a socket. A truncated file gives its whole blocks, and then an error.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from hopcodec._checks import whole
from hopcodec.codec._codes import AnyCodes, Codes, Segment, join_codes
from hopcodec.errors import BitstreamError
from hopcodec.files._bits import pack_bits, unpack_bits
from hopcodec.files._io import (
    File,
    Opened,
    Replacing,
    check_codes_array,
    read_up_to,
)
from hopcodec.files.hop._header import MAX_LENGTH, HopHeader, read_header
from hopcodec.typing import CodeArray

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

_BLOCK: Final = struct.Struct("<II")
_NUMBER: Final = struct.Struct("<Q")
_SCALE: Final = struct.Struct("<f")


class HopWriter:
    """A `.hop` file that is written as its codes come. A context manager.

    `finish` puts a new file in the place of a path. Without it, the path stays as it was. An open
    file is written directly, and without `finish` reads as truncated.

    Examples
    --------
    >>> import io, numpy as np
    >>> header = HopHeader("encodec_24khz", 24000, 1, 320, codebooks=8, bits_per_code=10)
    >>> with HopWriter(io.BytesIO(), header) as writer:
    ...     writer.push(np.zeros((8, 75), np.uint16))
    ...     writer.finish(24000)
    835
    """

    def __init__(self, file: File, header: HopHeader) -> None:
        head = header.to_bytes()
        self.header = header
        self._opened = Replacing(file)
        self._stream = self._opened.stream
        self._waiting = np.zeros((header.codebooks, 0), np.uint16)
        self._blocks = self._frames = self._written = 0
        self._finished = False
        self._put(head)

    def push(self, codes: AnyCodes) -> None:
        """Append codes uint16 `(codebooks, frames)`, or the `Codes` of a codec with segments.

        Raises
        ------
        TypeError
            The codes have another kind than the codec's, or another dtype or dimension.
        ValueError
            The codes have another number of codebooks or more bits than the header says, or a
            segment is longer than the others.
        """
        if self._finished:
            raise ValueError("the file is finished: expected no more codes")
        if self.header.segment_samples:
            self._push_segments(codes)
            return
        if isinstance(codes, Codes):
            raise TypeError(f"{self.header.model} has no segments: expected an array of codes")
        self._check(codes)
        self._waiting = np.concatenate((self._waiting, codes), axis=1)
        size = self.header.frames_per_block
        whole = self._waiting.shape[1] - self._waiting.shape[1] % size
        for first in range(0, whole, size):
            self._put_block(self._waiting[:, first : first + size], None)
        self._waiting = self._waiting[:, whole:].copy()

    def _push_segments(self, codes: AnyCodes) -> None:
        if not isinstance(codes, Codes):
            raise TypeError(f"{self.header.model} codes segments: expected Codes")
        for segment in codes:
            self._check(segment.codes)
            if segment.codes.shape[1] > self.header.frames_per_block:
                raise ValueError(
                    f"segment: expected 1 to {self.header.frames_per_block} frames, "
                    f"got {segment.codes.shape[1]}"
                )
            self._put_block(segment.codes, segment.scale if self.header.scales else None)

    def finish(self, audio_length: int) -> int:
        """Write the waiting codes and the end block; return the number of bytes.

        Raises `TypeError` unless `audio_length` is an int, and `ValueError` unless the pushed
        frames are those of so many samples.
        """
        if self._finished:
            raise ValueError("finish: expected it once, got it twice")
        audio_length = whole("audio_length", audio_length, 1, MAX_LENGTH)
        expected = self.header.frames(audio_length)
        got = self._frames + self._waiting.shape[1]
        if got != expected:
            raise ValueError(
                f"{audio_length} samples of {self.header.model}: expected {expected} frames of "
                f"codes, got {got}"
            )
        if self._waiting.shape[1]:
            self._put_block(self._waiting, None)
            self._waiting = self._waiting[:, :0]
        self._put_checked(0, _NUMBER.pack(audio_length))
        self._opened.keep()
        self._finished = True
        return self._written

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._opened.close()

    def _check(self, codes: CodeArray) -> None:
        check_codes_array(codes, 2, "(codebooks, frames)")
        if codes.shape[0] != self.header.codebooks:
            raise ValueError(f"codes: expected {self.header.codebooks} rows, got {codes.shape[0]}")
        if codes.size and int(codes.max()) >> self.header.bits_per_code:
            raise ValueError(
                f"codes: expected them below {1 << self.header.bits_per_code}, "
                f"got {int(codes.max())}"
            )

    def _put_block(self, codes: CodeArray, scale: np.float32 | None) -> None:
        packed = pack_bits(codes.T.reshape(-1), self.header.bits_per_code)
        self._put_checked(
            codes.shape[1], (_SCALE.pack(scale) if scale is not None else b"") + packed
        )
        self._blocks += 1
        self._frames += codes.shape[1]

    def _put_checked(self, frames: int, payload: bytes) -> None:
        self._put(_BLOCK.pack(frames, _checksum(self._blocks, frames, payload)) + payload)

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._written += len(data)

    def __enter__(self) -> HopWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HopReader:
    """A `.hop` file read block by block, in constant memory. A context manager.

    Construction checks the header. If the file can seek, `audio_length` is known at once, and None
    if the end is missing. Otherwise it is known after the last block.

    Raises
    ------
    BitstreamError
        The file is damaged, of an unknown version, or not a `.hop` file.
    OSError
        A path that cannot be opened.
    """

    def __init__(self, file: File) -> None:
        self._opened = Opened(file, "rb")
        self._stream = self._opened.__enter__()
        try:
            self.header, self._begin = read_header(self._stream)
            self._block = 0  # the next to be read
            self.frames_read = 0  # frames before it
            self.audio_length = self._find_end()
            self._ended = False
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[AnyCodes]:
        """Yield the codes from the present block to the end, block by block.

        Blocks are uint16 `(codebooks, frames)`, or `Codes` of one segment. A truncated or damaged
        file gives the whole blocks before the fault and then `BitstreamError`. After the end there
        is nothing more, until `seek`.
        """
        short = 0
        while not self._ended:
            frames, payload = self._read_block()
            if frames == 0:
                self._end(payload)
                return
            short += frames < self.header.frames_per_block or short > 0
            if short > (2 if self.header.segment_samples else 1):
                raise BitstreamError(f"block {self._block}: expected the end after a short block")
            codes = self._decoded(frames, payload)
            self._block += 1
            self.frames_read += frames
            yield codes

    def seek(self, block: int) -> int:
        """Go to a block, so that `blocks` begins with it; return the number of its first frame.

        Without segments, frame f is in block `f // header.frames_per_block`.

        Raises
        ------
        TypeError
            `block` is no int.
        ValueError
            `block` is beyond the end, where the file has one.
        BitstreamError
            The block before it is damaged or missing.
        io.UnsupportedOperation
            The file cannot seek.
        """
        most = None if self.audio_length is None else self.header.blocks(self.audio_length)
        block = whole("block", block, 0, most)
        size = self.header.frames_per_block
        # All blocks before the last but one are whole, so their length is known.
        before = max(0, block - 1)
        self._stream.seek(self._begin + before * self.header.block_bytes(size))
        self._block, self.frames_read, self._ended = before, before * size, False
        if block:
            frames, _ = self._read_block()
            self._block, self.frames_read = block, self.frames_read + frames
        return self.frames_read

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._opened.__exit__()

    def _read_block(self) -> tuple[int, bytes]:
        head = read_up_to(self._stream, _BLOCK.size)
        if len(head) < _BLOCK.size:
            raise self._truncated()
        frames, checksum = _BLOCK.unpack(head)
        if frames > self.header.frames_per_block:
            raise BitstreamError(
                f"block {self._block}: expected at most {self.header.frames_per_block} frames, "
                f"got {frames}"
            )
        size = self.header.block_bytes(frames) - _BLOCK.size if frames else _NUMBER.size
        payload = read_up_to(self._stream, size)
        if len(payload) < size:
            raise self._truncated()
        found = _checksum(self._block, frames, payload)
        if found != checksum:
            raise BitstreamError(
                f"block {self._block}: expected checksum {checksum:08x}, got {found:08x}: damaged"
            )
        return frames, payload

    def _decoded(self, frames: int, payload: bytes) -> AnyCodes:
        header, scale = self.header, np.float32(1.0)
        if header.scales:
            scale = np.float32(_SCALE.unpack_from(payload)[0])
            payload = payload[_SCALE.size :]
        try:
            values = unpack_bits(payload, header.bits_per_code, frames * header.codebooks)
            codes = np.ascontiguousarray(values.reshape(frames, header.codebooks).T)
            if not header.segment_samples:
                return codes
            return Codes([Segment(codes, scale)], header.codebooks)
        except ValueError as error:  # padding bits, a scale that is none
            raise BitstreamError(f"block {self._block}: {error}") from None

    def _end(self, payload: bytes) -> None:
        (length,) = _NUMBER.unpack(payload)
        if not 1 <= length <= MAX_LENGTH:
            raise BitstreamError(f"audio length: expected 1 to {MAX_LENGTH}, got {length}")
        expected = self.header.frames(length)
        if self.frames_read != expected:
            raise BitstreamError(
                f"{length} samples: expected {expected} frames before the end, "
                f"got {self.frames_read}"
            )
        if self._stream.read(1):
            raise BitstreamError("trailing bytes: expected the file to end with its end block")
        self.audio_length = length
        self._ended = True

    def _truncated(self) -> BitstreamError:
        return BitstreamError(
            f"truncated: the file ends within block {self._block}, "
            f"after {self.frames_read} whole frames and before its end block"
        )

    def _find_end(self) -> int | None:
        """Read the length in the end block of a file that can seek, and go back."""
        try:
            if not self._stream.seekable():
                return None
            here = self._stream.tell()
            size = self._stream.seek(0, io.SEEK_END)
            at = max(self._begin, size - _BLOCK.size - _NUMBER.size)
            self._stream.seek(at)
            tail = read_up_to(self._stream, _BLOCK.size + _NUMBER.size)
            self._stream.seek(here)
        except (OSError, AttributeError):
            return None
        if len(tail) < _BLOCK.size + _NUMBER.size:
            return None
        (length,) = _NUMBER.unpack_from(tail, _BLOCK.size)
        if not 1 <= length <= MAX_LENGTH:
            return None
        blocks = self.header.blocks(length)
        expected = _BLOCK.pack(0, _checksum(blocks, 0, tail[_BLOCK.size :]))
        return int(length) if tail[: _BLOCK.size] == expected else None

    def __enter__(self) -> HopReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checksum(block: int, frames: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_NUMBER.pack(block) + frames.to_bytes(4, "little")))


def write_hop(file: File, codes: AnyCodes, codec: Codec, audio_length: int) -> int:
    """Write the result of `codec.encode` for so many samples. Raises as `HopWriter`.

    Parameters
    ----------
    file
        A path, or a file open for binary writing.
    codec
        The codec that made the codes.
    codes
        As `codec.encode` returns them.
    audio_length
        Samples per channel of the audio.

    Returns
    -------
    int
        The number of bytes.
    """
    with HopWriter(file, HopHeader.of(codec, codes.shape[0])) as writer:
        writer.push(codes)
        return writer.finish(audio_length)


def read_hop(file: File) -> tuple[HopHeader, AnyCodes, int]:
    """Read a whole `.hop` file: header, codes as `codec.decode` takes them, samples of audio.

    Codes are uint16 `(codebooks, frames)`, or the `Codes` of a codec with segments. Raises as
    `HopReader`. `HopHeader.check_codec` says whether a codec can decode them.
    """
    with HopReader(file) as reader:
        codes = join_codes(reader.blocks())
        assert reader.audio_length is not None  # `blocks` has read the end block
        return reader.header, codes, reader.audio_length
