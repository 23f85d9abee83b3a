"""The `.dac` file of the original `dac` command (descript-audio-codec 1.0.0).

    offset 0   6  "\\x93NUMPY"
           6   2  version of the array format, 1 0
           8   2  n, the length of the text, uint16 little-endian
          10   n  {'descr': '|O', 'fortran_order': False, 'shape': (), }, spaces, a line feed
      10 + n      a pickle of {"codes": uint16 (channels, codebooks, frames),
                               "metadata": {"input_db", "original_length", "sample_rate",
                                            "chunk_length", "channels", "padding", "dac_version"}}

The original reads it by running the pickle; here it is parsed (`array_pickle`) and nothing runs.
The file does not say which model made it. What its numbers mean is in `dac_audio`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from hopcodec.errors import BitstreamError
from hopcodec.files._io import Codes, File, Opened, check_codes_array, read_up_to
from hopcodec.files.dac._pickle import ArrayRecord, parse_object

MAGIC: Final = b"\x93NUMPY"
VERSION: Final = "1.0.0"
_TEXT: Final = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
_MAX_BYTES: Final = 1 << 28  # 27 hours of the 44.1 kHz model
_MAX_LENGTH: Final = 1 << 48
_MAX_RATE: Final = 1 << 20  # Hz
_LOUDNESS: Final = (-200.0, 100.0)  # LUFS; what is beyond has no gain that a float32 holds
_NUMBERS: Final = ("original_length", "sample_rate", "chunk_length", "channels")
_METADATA: Final = {"input_db", "padding", "dac_version", *_NUMBERS}


@dataclass(frozen=True, eq=False)
class DacFile:
    """What a `.dac` file holds.

    Parameters
    ----------
    codes
        uint16 `(channels, codebooks, frames)`; each channel was coded by itself.
    input_db
        Loudness of the audio before it was coded, LUFS; decoded audio is set to it.
    original_length, sample_rate
        Samples per channel, and their rate, of the audio that was coded; often not the model's.
    chunk_length
        Frames that were coded, and are to be decoded, by themselves.
    padding
        Whether each chunk was coded with the model's zero padding. Without it (files of more than
        one chunk) a chunk's codes overlap those of its neighbours.
    """

    codes: Codes
    input_db: float
    original_length: int
    sample_rate: int
    chunk_length: int
    padding: bool = True

    @property
    def channels(self) -> int:
        """Channels, coded one by one."""
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
        The file is truncated, longer than 256 MB, or anything but what the original command
        writes; nothing in it is ever run.
    OSError
        A path that cannot be opened.
    """
    with Opened(file, "rb") as stream:
        data = read_up_to(stream, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise BitstreamError(f"expected at most {_MAX_BYTES} bytes, got more")
    return _from_object(parse_object(_pickle_in(data)))


def write_dac(file: File, content: DacFile) -> int:
    """Write a `.dac` file that the original command, or `numpy.load`, reads; its size in bytes.

    The bytes depend on the content alone, not on the version of numpy.

    Raises
    ------
    TypeError
        Codes that are not uint16 `(channels, codebooks, frames)`, or numbers of another type.
    ValueError
        A field that no such file can hold.
    """
    check_codes_array(content.codes, 3, "(channels, codebooks, frames)")
    for name in ("original_length", "sample_rate", "chunk_length"):
        value = getattr(content, name)
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise TypeError(f"{name}: expected an int, got {type(value).__name__}")
    if isinstance(content.input_db, bool) or not isinstance(content.input_db, (int, float)):
        raise TypeError(f"input_db: expected a float, got {type(content.input_db).__name__}")
    try:
        _check(content)
    except BitstreamError as error:
        raise ValueError(str(error)) from None
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
    _check(found)
    if metadata["channels"] != found.channels:
        raise BitstreamError(
            f"channels: expected {found.channels}, as the codes have, got another number"
        )
    return found


def _check(content: DacFile) -> None:
    codes = content.codes
    if codes.ndim != 3 or 0 in codes.shape:
        raise BitstreamError(
            f"codes: expected (channels, codebooks, frames), each at least 1, got {codes.shape}"
        )
    for name, most in (
        ("original_length", _MAX_LENGTH),
        ("sample_rate", _MAX_RATE),
        ("chunk_length", content.frames),
    ):
        if not 1 <= getattr(content, name) <= most:  # not printed: it may have many digits
            raise BitstreamError(f"{name}: expected 1 to {most}, got another number")
    least, most_db = _LOUDNESS
    if not least <= content.input_db <= most_db:  # not a number, too
        raise BitstreamError(
            f"input_db: expected a loudness of {least:g} to {most_db:g} LUFS, "
            f"got {content.input_db:g}"
        )


def _pickle_of(content: DacFile) -> bytes:
    """The pickle, in protocol 3 and with names that every version of numpy reads."""
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
    """`_reconstruct(ndarray, (0,), b'b')`, then its state."""
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
