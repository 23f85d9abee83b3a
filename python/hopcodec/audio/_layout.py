"""What the bytes of an audio file promise, where libsndfile does not say.

libsndfile reads what is there: a file that was cut off is shorter, and of joined files it reads the
first. It refuses a size that was never written. So the containers are walked here once: RIFF and
RF64 (EBU 3306), W64, AIFF (Apple, 1989), AU, CAF, Ogg (RFC 3533), and the Xing header of MP3.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

_UNWRITTEN32: Final = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)  # as recorders and pipes leave it
_W64_RIFF: Final = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA: Final = b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
_MP3_SLACK: Final = 1500  # bytes: some encoders do not count the header's own frame


@dataclass(frozen=True)
class Layout:
    """What `layout` found.

    `incomplete` says in words what the file lacks or what of it is not read, "" if it is whole.
    `replaced` are bytes, by offset, with which libsndfile reads the file as it is meant.
    """

    incomplete: str = ""
    replaced: Mapping[int, bytes] = field(default_factory=dict)


def layout(path: str | os.PathLike[str]) -> Layout:
    """Walk the containers of a file. Files of other kinds, and broken ones, promise nothing."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(16)
        try:
            if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
                return _wav(file, size)
            if head == _W64_RIFF:
                return _w64(file, size)
            if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
                return _aiff(file, size)
            if head[:4] == b".snd":
                return _au(head, size)
            if head[:4] == b"caff":
                return _caf(file, size)
            if head[:4] == b"OggS":
                return _ogg(file, size)
            return _mp3(file, size, head)
        except struct.error:  # the header itself is cut: libsndfile says so
            return Layout()


def _cut(promised: int, there: int) -> Layout:
    if there >= promised:
        return Layout()
    return Layout(f"is cut off: its header promises {promised} bytes of sound, {there} are there")


def _unpack(file: IO[bytes], layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _chunks(
    file: IO[bytes], first: int, layout: str, *, align: int = 1, head_counts: bool = False
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, size and offset of each chunk's content.

    `layout` is that of a chunk's head, name and size. The size includes the head if `head_counts`.
    Contents are padded to multiples of `align` bytes. The walk ends with the file, or with a
    negative size.
    """
    head, end = struct.Struct(layout), os.fstat(file.fileno()).st_size
    at, size = first, 0
    while size >= 0 and at < end:
        file.seek(at)
        data = file.read(head.size)
        if len(data) < head.size:
            return
        name, size = head.unpack(data)
        size -= head.size if head_counts else 0
        at += head.size
        yield name, size, at
        at += -(-size // align) * align


def _wav(file: IO[bytes], size: int) -> Layout:
    long = 0
    for name, count, at in _chunks(file, 12, "<4sI", align=2):
        if name == b"ds64":
            file.seek(at)
            long = _unpack(file, "<QQ")[1]
        if name != b"data":
            continue
        there = size - at
        if count == 0xFFFFFFFF and long:
            return _cut(long, there)
        if count == 0 and there > 8 and not _is_chunk(file, at, size):
            # A recorder that was killed: the sound goes on to the end of the file.
            return Layout(replaced={4: b"\xff\xff\xff\xff", at - 4: b"\xff\xff\xff\xff"})
        return Layout() if count in _UNWRITTEN32 else _cut(count, there)
    return Layout()


def _is_chunk(file: IO[bytes], at: int, size: int) -> bool:
    file.seek(at)
    name, count = struct.unpack("<4sI", file.read(8))
    return bool(name.isalnum() or name.strip().isalnum()) and at + 8 + count <= size


def _w64(file: IO[bytes], size: int) -> Layout:
    for name, count, at in _chunks(file, 40, "<16sQ", align=8, head_counts=True):
        if name == _W64_DATA:
            return _cut(count, size - at)
    return Layout()


def _aiff(file: IO[bytes], size: int) -> Layout:
    for name, count, at in _chunks(file, 12, ">4sI", align=2):
        if name == b"SSND":
            return Layout() if count in _UNWRITTEN32 else _cut(count - 8, size - at - 8)
    return Layout()


def _au(head: bytes, size: int) -> Layout:
    at, count = struct.unpack_from(">II", head, 4)
    return Layout() if count in _UNWRITTEN32 else _cut(count, size - at)


def _caf(file: IO[bytes], size: int) -> Layout:
    for name, count, at in _chunks(file, 8, ">4sq"):
        if name == b"data" and count == -1:  # to the end of the file (Apple, "Data Chunk")
            return Layout(replaced={at - 8: struct.pack(">q", size - at)})
    return Layout()


def _ogg(file: IO[bytes], size: int) -> Layout:
    """Walk the pages: a stream that begins after the first has ended is not read."""
    at, ended, begun = 0, False, False
    while at < size:
        file.seek(at)
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            break  # a tag behind the pages, or a cut one
        flags, segments = head[5], head[26]
        lengths = file.read(segments)
        if flags & 2 and begun:
            rest = size - at
            return Layout(f"holds joined streams: only the first is read, {rest} bytes are not")
        begun = begun or not flags & 2
        end = at + 27 + segments + sum(lengths)
        if end > size:
            break
        ended = bool(flags & 4)
        at = end
    return Layout() if ended else Layout("is cut off: its last page does not end the stream")


def _mp3(file: IO[bytes], size: int, head: bytes) -> Layout:
    """Compare the length that a Xing or Info header gives, in bytes, with the file's."""
    first = _tag_bytes(head) if head[:3] == b"ID3" else 0
    file.seek(first)
    frame = file.read(192)
    if len(frame) < 4 or frame[0] != 255 or frame[1] & 0xE0 != 0xE0:
        return Layout()
    mark = max(frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64))
    if mark < 0:
        return Layout()
    flags = struct.unpack_from(">I", frame, mark + 4)[0]
    if not flags & 2:
        return Layout()
    promised = struct.unpack_from(">I", frame, mark + 8 + 4 * (flags & 1))[0]
    end = first + promised
    if size + _MP3_SLACK < end:
        return _cut(promised, size - first)
    at = end
    file.seek(at)
    tag = file.read(10)
    if tag[:3] == b"ID3":
        at += _tag_bytes(tag)
    file.seek(at)
    following = file.read(4)
    # A frame: the same version, layer and sample rate.
    if following[:2] == frame[:2] and following[2] & 0x0C == frame[2] & 0x0C:
        return Layout(f"holds joined files: only the first is read, {size - end} bytes are not")
    return Layout()


def _tag_bytes(head: bytes) -> int:
    """Return the length of an ID3v2 tag with its header (ID3v2.4, 3.1)."""
    a, b, c, d = head[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)
