"""The header of an `.ecdc` file; see `hopcodec.files.ecdc._file`."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from hopcodec.errors import BitstreamError
from hopcodec.files._bits import packed_bytes
from hopcodec.files._io import read_up_to

MAGIC: Final = b"ECDC"
VERSION: Final = 0
MAX_AUDIO_LENGTH: Final = 1 << 48  # samples; 185 years at 48 kHz
SCALE_BYTES: Final = 4
_PREFIX: Final = struct.Struct("!4sBI")
_MAX_HEADER_BYTES: Final = 64 * 1024
_FINGERPRINT: Final = re.compile(r"([0-9a-f]{8})?")


@dataclass(frozen=True)
class EcdcLayout:
    """The layout of one model's codes in the file."""

    sample_rate: int
    frame_rate: int
    codebooks: int
    code_bits: int
    # Of a segmented model: samples of a segment, and from one to the next. 0: one body.
    segment_samples: int = 0
    segment_stride: int = 0

    @property
    def segmented(self) -> bool:
        """True if the codes are in segments, each behind a scale."""
        return self.segment_samples > 0

    def frames_of(self, samples: int) -> int:
        """Compute `ceil(samples * frame_rate / sample_rate)` in integers.

        The order matters: `encodec` 0.1.1 divides first in floating point and asks for one frame
        too many at some lengths (53 760 samples at 24 kHz: 169 frames for 168).
        """
        return -(-samples * self.frame_rate // self.sample_rate)

    def whole_segments(self, audio_length: int) -> int:
        """Count the segments before the first that the end of the audio cuts short."""
        if audio_length < self.segment_samples:
            return 0
        return (audio_length - self.segment_samples) // self.segment_stride + 1

    def cut_segments(self, audio_length: int) -> list[int]:
        """List the frames of each segment that the end of the audio cuts short."""
        first = self.whole_segments(audio_length) * self.segment_stride
        starts = range(first, audio_length, self.segment_stride)
        return [self.frames_of(audio_length - start) for start in starts]

    def segments(self, audio_length: int) -> Iterator[int]:
        """Yield the frames of every segment, in order."""
        whole = self.frames_of(self.segment_samples)
        for _ in range(self.whole_segments(audio_length)):
            yield whole
        yield from self.cut_segments(audio_length)

    def frames(self, audio_length: int) -> int:
        """Count the frames of codes in all."""
        if not self.segmented:
            return self.frames_of(audio_length)
        whole = self.whole_segments(audio_length) * self.frames_of(self.segment_samples)
        return whole + sum(self.cut_segments(audio_length))

    def body_bytes(self, audio_length: int, codebooks: int) -> int:
        """Count the bytes behind the header: packed codes, and the scales of segments."""
        if not self.segmented:
            return packed_bytes(self.frames(audio_length) * codebooks, self.code_bits)
        whole = self.segment_bytes(self.frames_of(self.segment_samples), codebooks)
        cut = (self.segment_bytes(n, codebooks) for n in self.cut_segments(audio_length))
        return self.whole_segments(audio_length) * whole + sum(cut)

    def segment_bytes(self, frames: int, codebooks: int) -> int:
        """Count the bytes of one segment with its scale."""
        return SCALE_BYTES + packed_bytes(frames * codebooks, self.code_bits)


# Those that the original command knows, and ours in the same format.
LAYOUTS: Final = {
    "encodec_24khz": EcdcLayout(24000, 75, 32, 10),
    "encodec_48khz": EcdcLayout(48000, 150, 16, 10, 48000, 47520),
    "hopcodec_24khz": EcdcLayout(24000, 75, 8, 10),
}


@dataclass(frozen=True)
class EcdcHeader:
    """The header of a file. `audio_length` counts samples per channel at the model's rate."""

    model: str
    audio_length: int
    codebooks: int
    language_model: bool = False
    weights: str = ""  # `Codec.fingerprint` of the model; "" if the file does not say

    @property
    def layout(self) -> EcdcLayout:
        """Rates and widths of the model; `BitstreamError` for one this version does not know."""
        return layout_of(self.model, BitstreamError)

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
        """Bytes of packed codes behind the header, the scales of segments included."""
        return self.layout.body_bytes(self.audio_length, self.codebooks)


def layout_of(model: str, error: type[Exception]) -> EcdcLayout:
    """Return the model's layout; raise `error` for a model without a name in this format."""
    layout = LAYOUTS.get(model)
    if layout is None:
        raise error(f"unknown model {model!r}: expected one of {', '.join(LAYOUTS)}")
    return layout


def header_bytes(header: EcdcHeader) -> bytes:
    """Write the file up to its codes."""
    fields = {
        "m": header.model,
        "al": header.audio_length,
        "nc": header.codebooks,
        "lm": header.language_model,
        **({"w": header.weights} if header.weights else {}),
    }
    text = json.dumps(fields).encode("utf-8")
    return _PREFIX.pack(MAGIC, VERSION, len(text)) + text


def read_header(stream: IO[bytes]) -> EcdcHeader:
    """Read and check everything up to the codes; raise `BitstreamError` if it is wrong."""
    prefix = read_up_to(stream, _PREFIX.size)
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
    text = read_up_to(stream, length)
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
    if not 1 <= header.audio_length <= MAX_AUDIO_LENGTH:
        # Not printed: it may have thousands of digits.
        raise BitstreamError(f"audio length: expected 1 to {MAX_AUDIO_LENGTH} samples")
    if not 1 <= header.codebooks <= layout.codebooks:
        raise BitstreamError(f"codebooks: expected 1 to {layout.codebooks}, got another number")
