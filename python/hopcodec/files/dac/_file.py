"""The `.dac` file of the original `dac` command (descript-audio-codec 1.0.0).

    offset 0   6  "\\x93NUMPY"
           6   2  version of the array format, 1 0
           8   2  n, the length of the text, uint16 little-endian
          10   n  {'descr': '|O', 'fortran_order': False, 'shape': (), }, spaces, a line feed
      10 + n      a pickle of {"codes": uint16 (channels, codebooks, frames),
                               "metadata": {"input_db", "original_length", "sample_rate",
                                            "chunk_length", "channels", "padding", "dac_version"}}

The original runs the pickle. Here it is read with inert stand-ins (`_pickle`), and nothing runs.
The file does not name its model. `_audio` explains the numbers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from hopcodec._checks import number, require, whole
from hopcodec.errors import BitstreamError
from hopcodec.files._io import File, Opened, check_codes_array, read_up_to
from hopcodec.files.dac._pickle import ArrayRecord, parse_object
from hopcodec.typing import CodeArray

MAGIC: Final = b"\x93NUMPY"
VERSION: Final = "1.0.0"
_TEXT: Final = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
_MAX_BYTES: Final = 1 << 28  # 27 hours of the 44.1 kHz model
_MAX_LENGTH: Final = 1 << 48
_MAX_RATE: Final = 1 << 20  # Hz
_LOUDNESS_LUFS: Final = (-200.0, 100.0)  # beyond it no float32 holds the gain
_NUMBERS: Final = ("original_length", "sample_rate", "chunk_length", "channels")
_METADATA: Final = {"input_db", "padding", "dac_version", *_NUMBERS}


@dataclass(frozen=True, eq=False)
class DacFile:
    """The content of a `.dac` file.

    Parameters
    ----------
    codes
        uint16 `(channels, codebooks, frames)`. Each channel is coded alone.
    input_db
        Loudness of the audio before coding, in LUFS. Decoding restores it.
    original_length, sample_rate
        Samples per channel, and their rate, before coding. The rate is often not the model's.
    chunk_length
        Frames of a chunk, which is coded and decoded alone.
    padding
        True if each chunk has the model's zero padding. Without it, in files of more than one
        chunk, a chunk's codes overlap those of its neighbours.
    """

    codes: CodeArray
    input_db: float
    original_length: int
    sample_rate: int
    chunk_length: int
    padding: bool = True

    @property
    def channels(self) -> int:
        """Channels, each coded alone."""
        return int(self.codes.shape[0])

    @property
    def codebooks(self) -> int:
        """Codes per frame and channel."""
        return int(self.codes.shape[1])

    @property
    def frames(self) -> int:
        """Frames of all chunks together."""
        return int(self.codes.shape[2])

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.original_length / self.sample_rate


def read_dac(file: File) -> DacFile:
    """Read a `.dac` file without unpickling it.

    Raises
    ------
    BitstreamError
        The file is truncated, longer than 256 MB, or not what the original command writes. Nothing
        in it is ever run.
    OSError
        The path cannot be opened.
    """
    with Opened(file, "rb") as stream:
        data = read_up_to(stream, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise BitstreamError(f"expected at most {_MAX_BYTES} bytes, got more")
    return _from_object(parse_object(_pickle_in(data)))


def write_dac(file: File, content: DacFile) -> int:
    """Write a `.dac` file that the original command reads; return its size in bytes.

    The bytes depend on the content alone, not on the version of numpy.

    Raises
    ------
    TypeError
        The codes are not uint16 `(channels, codebooks, frames)`, or a number has another type.
    ValueError
        Such a file cannot hold a field.
    """
    check_codes_array(content.codes, 3, "(channels, codebooks, frames)")
    _check(content)
    pickled = _pickle_of(content)
    if len(pickled) > _MAX_BYTES - 128:
        raise ValueError(
            f"expected codes of at most {_MAX_BYTES} bytes, got {content.codes.nbytes}"
        )
    spaces = -(10 + len(_TEXT) + 1) % 64
    text = _TEXT + b" " * spaces + b"\n"
    data = MAGIC + b"\1\0" + struct.pack("<H", len(text)) + text + pickled
    with Opened(file, "wb") as stream:
        stream.write(data)
    return len(data)


def _pickle_in(data: bytes) -> bytes:
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise BitstreamError(f"not a .dac file: expected {MAGIC!r} first, got {data[:6]!r}")
    if len(data) < 10:
        raise BitstreamError(f"truncated: expected a header of 10 bytes, got {len(data)}")
    version = (data[6], data[7])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise BitstreamError(f"array format: expected version 1.0 to 3.0, got {data[6]}.{data[7]}")
    form = "<H" if version == (1, 0) else "<I"
    begin = 8 + struct.calcsize(form)
    if len(data) < begin:
        raise BitstreamError(f"truncated: expected a header of {begin} bytes, got {len(data)}")
    end = begin + struct.unpack_from(form, data, 8)[0]
    if len(data) < end:
        raise BitstreamError(f"truncated: expected {end} bytes of header, got {len(data)}")
    if data[begin:end].strip(b" \n") != _TEXT:
        raise BitstreamError(
            f"not a .dac file: expected the array header {_TEXT.decode()}, "
            f"got {data[begin : min(end, begin + 80)]!r}"
        )
    return data[end:]


def _from_object(value: object) -> DacFile:
    if not isinstance(value, dict) or set(value) != {"codes", "metadata"}:
        raise BitstreamError("expected a dictionary of codes and metadata, got something else")
    codes, metadata = value["codes"], value["metadata"]
    if not isinstance(codes, ArrayRecord):
        raise BitstreamError(f"codes: expected an array, got {type(codes).__name__}")
    if not isinstance(metadata, dict) or set(metadata) != _METADATA:
        raise BitstreamError(f"metadata: expected {', '.join(sorted(_METADATA))} and no more")
    for key, kind in (*((key, int) for key in _NUMBERS), ("padding", bool), ("dac_version", str)):
        if type(metadata[key]) is not kind:  # exactly: True is an int to isinstance
            raise BitstreamError(
                f"metadata {key}: expected {kind.__name__}, got {type(metadata[key]).__name__}"
            )
    if metadata["dac_version"] != VERSION:
        raise BitstreamError(f"version: expected {VERSION}, got {metadata['dac_version'][:20]!r}")
    loudness = metadata["input_db"]
    if not isinstance(loudness, ArrayRecord):
        raise BitstreamError(f"metadata input_db: expected an array, got {type(loudness).__name__}")
    decibels = loudness.array("f4")
    if decibels.size != 1:
        raise BitstreamError(f"metadata input_db: expected one number, got {decibels.size}")
    found = DacFile(
        codes=codes.array("u2"),
        input_db=float(decibels.reshape(())),
        original_length=metadata["original_length"],
        sample_rate=metadata["sample_rate"],
        chunk_length=metadata["chunk_length"],
        padding=metadata["padding"],
    )
    _check(found, BitstreamError)
    channels, expected = metadata["channels"], f"{found.channels}, as the codes have"
    require(channels == found.channels, "channels", expected, channels, BitstreamError)
    return found


def _check(content: DacFile, error: type[Exception] | None = None) -> None:
    """Raise `error`, by default TypeError or ValueError, for a field that no such file can hold."""
    shape = content.codes.shape
    expected = "(channels, codebooks, frames), each at least 1"
    require(len(shape) == 3 and 0 not in shape, "codes", expected, shape, error or ValueError)
    for name, most in (
        ("original_length", _MAX_LENGTH),
        ("sample_rate", _MAX_RATE),
        ("chunk_length", content.frames),
    ):
        whole(name, getattr(content, name), 1, most, error=error)
    number("input_db", content.input_db, *_LOUDNESS_LUFS, error=error)


def _pickle_of(content: DacFile) -> bytes:
    """Write the pickle, in protocol 3 and with names that every version of NumPy reads."""
    codes = np.ascontiguousarray(content.codes, "<u2")
    loudness = np.array([content.input_db], "<f4")
    metadata = (
        _text("input_db") + _array(loudness.shape, "f4", loudness.tobytes()),
        _text("original_length") + _integer(content.original_length),
        _text("sample_rate") + _integer(content.sample_rate),
        _text("chunk_length") + _integer(content.chunk_length),
        _text("channels") + _integer(content.channels),
        _text("padding") + (b"\x88" if content.padding else b"\x89"),
        _text("dac_version") + _text(VERSION),
    )
    fields = _text("codes") + _array(codes.shape, "u2", codes.tobytes())
    fields += _text("metadata") + b"}(" + b"".join(metadata) + b"u"
    return b"\x80\x03" + _built((), _dtype("O8", "|", 63), b"]}(" + fields + b"ua") + b"."


def _array(shape: tuple[int, ...], code: str, data: bytes) -> bytes:
    return _built(shape, _dtype(code, "<", 0), b"B" + struct.pack("<I", len(data)) + data)


def _built(shape: tuple[int, ...], dtype: bytes, data: bytes) -> bytes:
    """Write `_reconstruct(ndarray, (0,), b'b')`, then its state."""
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    sizes = b"(" + b"".join(map(_integer, shape)) + b"t"
    return empty + b"(K\x01" + sizes + dtype + b"\x89" + data + b"tb"


def _dtype(code: str, order: str, flags: int) -> bytes:
    minus_one = b"J\xff\xff\xff\xff"
    state = b"(K\x03" + _text(order) + b"NNN" + 2 * minus_one + _integer(flags) + b"tb"
    return b"cnumpy\ndtype\n" + _text(code) + b"\x89\x88\x87R" + state


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)
