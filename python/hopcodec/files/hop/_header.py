"""The header of a `.hop` file: the codec that made the codes, and their layout."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from hopcodec.errors import BitstreamError
from hopcodec.files._bits import packed_bytes
from hopcodec.files._io import read_up_to

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

# Like PNG's: a channel of 7 bits changes the first byte, and one that converts text the line ends.
MAGIC: Final = b"\x89HOP\r\n\x1a\n"
VERSION: Final = 1
FIXED: Final = struct.Struct("<8sHHIHHIBBHIIII")
CHECKSUM: Final = struct.Struct("<I")
MAX_LENGTH: Final = 1 << 48  # samples
FRAMES_PER_BLOCK: Final = 128  # what a damaged byte costs at most, and 8 bytes each
_HAS_WEIGHTS: Final = 1
_HAS_SCALES: Final = 2
_FINGERPRINT: Final = re.compile(r"([0-9a-f]{8})?")
_NAME: Final = re.compile(r"[\x21-\x7e]{1,255}")
_LIMITS: Final = {  # more than any codec needs, and small enough for every product below
    "sample_rate": 1 << 24,
    "channels": 1 << 10,
    "codebooks": 1 << 10,
    "hop_samples": 1 << 20,
    "bits_per_code": 16,
    "frames_per_block": 1 << 16,
    "segment_samples": 1 << 30,
    "segment_stride": 1 << 30,
}
_MAX_BLOCK_CODES: Final = 1 << 22  # 8 MB of memory; a second of 100 codebooks has under 2^15
_OF_CODEC: Final = (
    "model",
    "weights",
    "sample_rate",
    "channels",
    "hop_samples",
    "bits_per_code",
    "segment_samples",
    "segment_stride",
    "scales",
)


@dataclass(frozen=True)
class HopHeader:
    """The header of a `.hop` file.

    Parameters
    ----------
    model
        Name of the codec, printable ASCII without spaces.
    sample_rate, channels, hop_samples
        Of the audio and of a frame.
    codebooks, bits_per_code
        Codes per frame, and bits of each.
    frames_per_block
        Frames of every block but the last, or of a segment of full length.
    weights
        `Codec.fingerprint` of the weights, 8 hexadecimal digits, or "" if unknown.
    segment_samples, segment_stride
        Length of a segment, and from one to the next. Both are 0 for a codec without segments.
    scales
        True if each block begins with the scale of its segment, a float32.
    """

    model: str
    sample_rate: int
    channels: int
    hop_samples: int
    codebooks: int
    bits_per_code: int
    frames_per_block: int = FRAMES_PER_BLOCK
    weights: str = ""
    segment_samples: int = 0
    segment_stride: int = 0
    scales: bool = False

    def block_bytes(self, frames: int) -> int:
        """Count the bytes of a block of so many frames: header, scale and packed codes."""
        scale = 4 if self.scales else 0
        return 8 + scale + packed_bytes(frames * self.codebooks, self.bits_per_code)

    def blocks(self, audio_length: int) -> int:
        """Count the blocks for so many samples, without the end block."""
        if self.segment_samples:
            return -(-audio_length // self.segment_stride)
        return -(-self.frames(audio_length) // self.frames_per_block)

    def frames(self, audio_length: int) -> int:
        """Count the frames for so many samples, of all segments together."""
        if not self.segment_samples:
            return -(-audio_length // self.hop_samples)
        blocks, stride = self.blocks(audio_length), self.segment_stride
        whole = max(0, (audio_length - self.segment_samples) // stride + 1)
        tail = (audio_length - block * stride for block in range(whole, blocks))  # two at most
        return whole * self.frames_per_block + sum(-(-left // self.hop_samples) for left in tail)

    @property
    def kbps(self) -> float:
        """Kilobits per second of the codes, without the overlap of segments."""
        return self.codebooks * self.bits_per_code * self.sample_rate / self.hop_samples / 1000

    @classmethod
    def of(cls, codec: Codec, codebooks: int) -> HopHeader:
        """Make the header for codes of a codec, in blocks of the size that it suggests."""
        segments = codec.segments
        lengths = (segments.samples, segments.stride) if segments else (0, 0)
        frames = -(-lengths[0] // codec.hop_samples) or FRAMES_PER_BLOCK
        return cls(
            codec.name,
            codec.sample_rate,
            codec.channels,
            codec.hop_samples,
            codebooks,
            codec.bits_per_code,
            frames,
            codec.fingerprint,
            *lengths,
            scales=segments is not None and segments.normalise,
        )

    def check_codec(self, codec: Codec) -> None:
        """Refuse to decode with a codec other than the one that the header describes.

        Call it before decoding, because `HopReader` does not know the codec.

        Raises
        ------
        BitstreamError
            The codec has another name, rate, number of channels, hop, code size, segments or
            weights, or fewer codebooks.
        """
        if self.codebooks > codec.codebooks:
            raise BitstreamError(
                f"codebooks: expected at most {codec.codebooks}, as {codec.name} has, "
                f"got {self.codebooks}"
            )
        theirs = HopHeader.of(codec, self.codebooks)
        for name in _OF_CODEC:
            expected, got = getattr(theirs, name), getattr(self, name)
            if got != expected and (name, got) != ("weights", ""):
                raise BitstreamError(f"{name}: expected {expected}, as {codec.name} has, got {got}")

    def check(self) -> None:
        """Raise ValueError for fields that no codec has."""
        if not _NAME.fullmatch(self.model):
            raise ValueError("model: expected 1 to 255 printable characters without spaces")
        if not _FINGERPRINT.fullmatch(self.weights):
            raise ValueError("weights: expected 8 hexadecimal digits or none")
        for name, most in _LIMITS.items():
            value, least = getattr(self, name), 0 if name.startswith("segment") else 1
            if not least <= value <= most:
                raise ValueError(f"{name}: expected {least} to {most}, got {value}")
        if not self.segment_stride <= self.segment_samples <= 2 * self.segment_stride:
            raise ValueError(
                f"segment_stride: expected {-(-self.segment_samples // 2)} to "
                f"{self.segment_samples}, got {self.segment_stride}"
            )
        whole = -(-self.segment_samples // self.hop_samples)
        if self.segment_samples and self.frames_per_block != whole:
            raise ValueError(
                f"frames_per_block: expected {whole}, those of a segment, "
                f"got {self.frames_per_block}"
            )
        if self.scales and not self.segment_samples:
            raise ValueError("scales: expected segments to scale, got a codec without")
        codes = self.frames_per_block * self.codebooks
        if codes > _MAX_BLOCK_CODES:
            raise ValueError(f"block: expected at most {_MAX_BLOCK_CODES} codes, got {codes}")

    def to_bytes(self) -> bytes:
        """Write the header with its checksum, as in the file."""
        self.check()
        flags = (_HAS_WEIGHTS if self.weights else 0) | (_HAS_SCALES if self.scales else 0)
        name = self.model.encode("ascii")
        data = FIXED.pack(
            MAGIC,
            VERSION,
            flags,
            self.sample_rate,
            self.channels,
            self.codebooks,
            self.hop_samples,
            self.bits_per_code,
            len(name),
            0,
            self.frames_per_block,
            int(self.weights or "0", 16),
            self.segment_samples,
            self.segment_stride,
        )
        return data + name + CHECKSUM.pack(zlib.crc32(data + name))


def read_header(stream: IO[bytes]) -> tuple[HopHeader, int]:
    """Read the header of a file; return it and its number of bytes, or raise BitstreamError."""
    fixed = read_up_to(stream, FIXED.size)
    more = parse_fixed(fixed)
    rest = read_up_to(stream, more)
    if len(rest) < more:
        raise BitstreamError(f"truncated: expected {more} bytes of header, got {len(rest)}")
    return parse_header(fixed + rest), FIXED.size + more


def parse_fixed(data: bytes) -> int:
    """Count the bytes that follow the fixed part `data`: name and checksum."""
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise BitstreamError(f"not a .hop file: expected {MAGIC!r} first, got {data[:8]!r}")
    if len(data) < FIXED.size:
        raise BitstreamError(f"truncated: expected {FIXED.size} bytes of header, got {len(data)}")
    fields = FIXED.unpack(data)
    if fields[1] != VERSION:
        raise BitstreamError(f"version: expected {VERSION}, got {fields[1]}")
    return int(fields[8]) + CHECKSUM.size


def parse_header(data: bytes) -> HopHeader:
    """Parse the header from all its bytes, with the checksum."""
    body, checksum = data[: -CHECKSUM.size], CHECKSUM.unpack(data[-CHECKSUM.size :])[0]
    if zlib.crc32(body) != checksum:
        raise BitstreamError(
            f"header: expected checksum {checksum:08x}, got {zlib.crc32(body):08x}: damaged"
        )
    _, _, flags, rate, channels, books, hop, bits, _, zero, block, weights, segment, stride = (
        FIXED.unpack_from(body)
    )
    if flags & ~(_HAS_WEIGHTS | _HAS_SCALES) or zero:
        raise BitstreamError(f"header: expected flags 0 to 3 and a zero, got {flags} and {zero}")
    if weights and not flags & _HAS_WEIGHTS:
        raise BitstreamError(f"header: expected no weights, as it says, got {weights:08x}")
    header = HopHeader(
        model=body[FIXED.size :].decode("latin1"),
        sample_rate=rate,
        channels=channels,
        hop_samples=hop,
        codebooks=books,
        bits_per_code=bits,
        frames_per_block=block,
        weights=f"{weights:08x}" if flags & _HAS_WEIGHTS else "",
        segment_samples=segment,
        segment_stride=stride,
        scales=bool(flags & _HAS_SCALES),
    )
    try:
        header.check()
    except ValueError as error:
        raise BitstreamError(f"header: {error}") from None
    return header
