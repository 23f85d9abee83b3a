"""The body of an `.ecdc` file: codes as bits, in one run or in segments behind their scales."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Final, Protocol

import numpy as np

from hopcodec.codec._codes import MOST_SCALE, AnyCodes, Codes, Segment
from hopcodec.errors import BitstreamError
from hopcodec.files._bits import pack_bits, packed_bytes, unpack_bits
from hopcodec.files._io import check_codes_array, read_up_to
from hopcodec.files.ecdc._header import SCALE_BYTES, EcdcHeader, EcdcLayout
from hopcodec.typing import CodeArray

BLOCK_FRAMES: Final = 4096  # a multiple of 4, so that 10-bit codes end on a byte
_SCALE: Final = struct.Struct("!f")


class Packer(Protocol):
    """Pack the codes that are pushed, and check at the end that they are complete."""

    def push(self, codes: AnyCodes) -> None: ...

    def finish(self, model: str, audio_length: int) -> None: ...


class PlainPacker:
    """Codes in one run of bits."""

    def __init__(self, layout: EcdcLayout, codebooks: int, out: IO[bytes]) -> None:
        self._layout, self._codebooks, self._out = layout, codebooks, out
        self._frames = 0
        self._rest = np.zeros(0, dtype=np.uint16)  # fewer than 4 values: less than whole bytes

    def push(self, codes: AnyCodes) -> None:
        if isinstance(codes, Codes):
            raise TypeError("codes: expected a uint16 array (codebooks, frames), got Codes")
        if codebooks_of(codes) != self._codebooks:
            raise ValueError(f"codes: expected {self._codebooks} rows, got {codes.shape[0]}")
        for first in range(0, codes.shape[1], BLOCK_FRAMES):
            block = codes[:, first : first + BLOCK_FRAMES]
            values = np.concatenate((self._rest, block.T.reshape(-1)))
            whole = values.size - values.size % 4
            self._out.write(pack_bits(values[:whole], self._layout.code_bits))
            self._rest = values[whole:]
            self._frames += block.shape[1]

    def finish(self, model: str, audio_length: int) -> None:
        expected = self._layout.frames(audio_length)
        if self._frames != expected:
            raise ValueError(
                f"{audio_length} samples of {model}: expected {expected} frames of codes, "
                f"got {self._frames}"
            )
        self._out.write(pack_bits(self._rest, self._layout.code_bits))
        self._rest = self._rest[:0]


class SegmentPacker:
    """Segment by segment: the scale, then the codes, padded to a whole byte each time."""

    def __init__(self, layout: EcdcLayout, codebooks: int, out: IO[bytes]) -> None:
        self._layout, self._codebooks, self._out = layout, codebooks, out
        self._frames: list[int] = []  # of each segment

    def push(self, codes: AnyCodes) -> None:
        if not isinstance(codes, Codes):
            raise TypeError(f"codes: expected Codes, got {type(codes).__name__}")
        if codes.codebooks != self._codebooks:
            raise ValueError(f"codes: expected {self._codebooks} codebooks, got {codes.codebooks}")
        for segment in codes:
            packed = pack_bits(segment.codes.T.reshape(-1), self._layout.code_bits)
            self._out.write(_SCALE.pack(segment.scale) + packed)
            self._frames.append(segment.codes.shape[1])

    def finish(self, model: str, audio_length: int) -> None:
        layout = self._layout
        whole = layout.whole_segments(audio_length)
        expected = [layout.frames_of(layout.segment_samples)] * min(whole, len(self._frames))
        expected += layout.cut_segments(audio_length)
        if len(self._frames) < whole or self._frames != expected:
            raise ValueError(
                f"{audio_length} samples of {model}: expected {whole} whole segments and "
                f"{layout.cut_segments(audio_length)} frames in those cut short, got "
                f"{len(self._frames)} segments of {self._frames[-3:]} frames at the end"
            )


def codebooks_of(codes: object) -> int:
    """Count the codes per frame; raise `TypeError` for another kind of codes."""
    if isinstance(codes, Codes):
        return codes.codebooks
    check_codes_array(codes, 2, "(codebooks, frames)")
    assert isinstance(codes, np.ndarray)
    return int(codes.shape[0])


class Body:
    """The bytes behind a header, read in order."""

    def __init__(self, stream: IO[bytes], header: EcdcHeader) -> None:
        self._stream, self._header = stream, header
        self._taken = 0

    def blocks(self, frames_per_block: int) -> Iterator[CodeArray]:
        """Yield codes `(codebooks, frames)`, `frames_per_block` (a multiple of 4) at a time."""
        total = self._header.frames
        for first in range(0, total, frames_per_block):
            yield self._codes(min(frames_per_block, total - first))
        self._expect_end()

    def segments(self, segments_per_block: int) -> Iterator[Codes]:
        """Yield segments, `segments_per_block` at a time."""
        header = self._header
        block: list[Segment] = []
        for frames in header.layout.segments(header.audio_length):
            (scale,) = _SCALE.unpack(self._take(SCALE_BYTES))
            if not 0 <= scale <= MOST_SCALE:  # NaN is refused too
                raise BitstreamError(
                    f"corrupt scale: expected a number from 0 to {MOST_SCALE:g}, got {scale}"
                )
            block.append(Segment(self._codes(frames), np.float32(scale)))
            if len(block) == segments_per_block:
                yield Codes(block, header.codebooks)
                block = []
        if block:
            yield Codes(block, header.codebooks)
        self._expect_end()

    def _codes(self, frames: int) -> CodeArray:
        header = self._header
        count, bits = frames * header.codebooks, header.layout.code_bits
        data = self._take(packed_bytes(count, bits))
        try:
            values = unpack_bits(data, bits, count)
        except ValueError as error:
            raise BitstreamError(f"corrupt codes: {error}") from None
        return np.ascontiguousarray(values.reshape(frames, header.codebooks).T)

    def _take(self, wanted: int) -> bytes:
        data = read_up_to(self._stream, wanted)
        self._taken += len(data)
        if len(data) < wanted:
            raise truncated_body(self._header, self._taken)
        return data

    def _expect_end(self) -> None:
        if self._stream.read(1):
            raise BitstreamError(
                "trailing bytes: expected the file to end after "
                f"{self._header.body_bytes} bytes of codes"
            )


def truncated_body(header: EcdcHeader, got: int) -> BitstreamError:
    """Make the error for `got` bytes where more were promised."""
    return BitstreamError(
        f"truncated: expected {header.body_bytes} bytes of codes "
        f"({header.frames} frames of {header.codebooks} codebooks), got {got}"
    )
