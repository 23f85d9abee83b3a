"""The `.hop` container: the layout drawn, any pieces, any damage, any place to begin."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hopcodec
from hopcodec import Codes
from hopcodec.codec import AnyCodes, Segment
from hopcodec.codec._codes import join_codes
from hopcodec.errors import BitstreamError
from hopcodec.files import HopHeader, HopReader, HopWriter, read_hop, write_hop
from hopcodec.typing import CodeArray

PLAIN = HopHeader("dac_44khz", 44100, 1, 512, 9, 10, frames_per_block=16, weights="00c0ffee")
STEREO = HopHeader("stereo", 48000, 2, 320, 4, 10, 150, "", 48000, 47520, scales=True)


def some_codes(header: HopHeader, frames: int, seed: int = 0) -> CodeArray:
    rng = np.random.default_rng([seed, frames])
    high = 1 << header.bits_per_code
    return rng.integers(0, high, (header.codebooks, frames), dtype=np.uint16)


def plain_file(samples: int, header: HopHeader = PLAIN) -> tuple[bytes, CodeArray]:
    out, codes = io.BytesIO(), some_codes(header, header.frames(samples))
    with HopWriter(out, header) as writer:
        writer.push(codes)
        assert writer.finish(samples) == len(out.getvalue())
    return out.getvalue(), codes


def segments_of(samples: int) -> Codes:
    lengths = [min(48000, samples - at) for at in range(0, samples, 47520)]
    return Codes(
        (
            Segment(some_codes(STEREO, -(-length // 320), seed=i), np.float32(0.1 * (i + 1)))
            for i, length in enumerate(lengths)
        ),
        STEREO.codebooks,
    )


def segmented_file(samples: int) -> tuple[bytes, Codes]:
    out, segments = io.BytesIO(), segments_of(samples)
    with HopWriter(out, STEREO) as writer:
        writer.push(segments)
        writer.finish(samples)
    return out.getvalue(), segments


class Pipe(io.RawIOBase):
    """A file that cannot seek and hands out at most 3 bytes at a time."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self.data.write(data)

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(3, size) if size >= 0 else 3)


def test_the_layout_drawn_in_the_module() -> None:
    """Built here from the drawing alone."""
    data, codes = plain_file(512 * 17)
    head = b"\x89HOP\r\n\x1a\n" + struct.pack("<HHIHHI", 1, 1, 44100, 1, 9, 512)
    head += struct.pack("<BBHIIII", 10, 9, 0, 16, 0xC0FFEE, 0, 0) + b"dac_44khz"
    expected = head + struct.pack("<I", zlib.crc32(head))
    for number, block in enumerate((codes[:, :16], codes[:, 16:])):
        bits = "".join(f"{code:010b}"[::-1] for code in block.T.reshape(-1))
        bits += "0" * (-len(bits) % 8)
        packed = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
        frames = struct.pack("<I", block.shape[1])
        checksum = zlib.crc32(struct.pack("<Q", number) + frames + packed)
        expected += frames + struct.pack("<I", checksum) + packed
    end = struct.pack("<Q", 512 * 17)
    expected += struct.pack("<II", 0, zlib.crc32(struct.pack("<QI", 2, 0) + end)) + end
    assert data == expected


@pytest.mark.parametrize("samples", [1, 511, 512, 513, 512 * 16, 512 * 16 + 1, 100_000])
def test_write_then_read(samples: int) -> None:
    data, codes = plain_file(samples)
    header, again, length = read_hop(io.BytesIO(data))
    assert (header, length) == (PLAIN, samples)
    np.testing.assert_array_equal(again, codes)
    assert again.dtype == np.uint16
    with HopReader(io.BytesIO(data)) as reader:
        assert reader.audio_length == samples  # before anything is read


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 16), st.lists(st.integers(0, 40), max_size=12), st.data())
def test_pieces_write_as_the_whole(
    books: int, bits: int, pieces: list[int], data: st.DataObject
) -> None:
    header = replace(PLAIN, codebooks=books, bits_per_code=bits)
    frames = max(1, sum(pieces))
    whole, codes = plain_file(frames * 512 - data.draw(st.integers(0, 511)), header)
    out = io.BytesIO()
    with HopWriter(out, header) as writer:
        at = 0
        for piece in [*pieces, frames]:
            writer.push(codes[:, at : at + piece])
            at += piece
        writer.finish(read_hop(io.BytesIO(whole))[2])
    assert out.getvalue() == whole
    np.testing.assert_array_equal(read_hop(io.BytesIO(whole))[1], codes)


@pytest.mark.parametrize(
    "samples", [1, 320, 47519, 47520, 47521, 47999, 48000, 48001, 95040, 95521, 200_000]
)
def test_segments_and_their_scales(samples: int) -> None:
    data, segments = segmented_file(samples)
    assert read_hop(io.BytesIO(data)) == (STEREO, segments, samples)
    out = io.BytesIO()
    with HopWriter(out, STEREO) as writer:  # one by one
        for at in range(len(segments)):
            writer.push(segments[at : at + 1])
        writer.finish(samples)
    assert out.getvalue() == data
    with HopReader(io.BytesIO(data)) as reader:
        assert reader.audio_length == samples
        for number in reversed(range(len(segments))):
            assert reader.seek(number) == segments[:number].frames
            assert join_codes(reader.blocks()) == segments[number:]


def test_a_writer_that_cannot_go_back() -> None:
    pipe, (data, codes) = Pipe(), plain_file(30_000)
    with HopWriter(pipe, PLAIN) as writer:  # type: ignore[arg-type]
        writer.push(codes)
        writer.finish(30_000)
    assert pipe.data.getvalue() == data
    with HopReader(Pipe(data)) as reader:  # type: ignore[arg-type]
        assert reader.audio_length is None
        np.testing.assert_array_equal(np.concatenate(list(reader.blocks()), axis=1), codes)
        assert reader.audio_length == 30_000


def test_what_goes_wrong_leaves_the_old_file(tmp_path: Path, tiny: hopcodec.Codec) -> None:
    path, codes = tmp_path / "a.hop", np.zeros((2, 10), np.uint16)
    wrong: list[tuple[Any, Any, type[Exception], str]] = [
        (codes, 1, ValueError, "expected 1 frames of codes, got 10"),
        (codes, 0, ValueError, "audio_length: expected 1 to"),
        (codes, 3200.0, TypeError, "audio_length: expected a whole number, got 3200.0"),
        (codes, None, TypeError, "audio_length: expected a whole number, got None"),
        (codes.astype(np.int64), 3200, TypeError, "expected a uint16 array"),
    ]
    for before in (None, b"what was there before"):
        if before is not None:
            path.write_bytes(before)
        for bad, length, kind, message in wrong:
            with pytest.raises(kind, match=message):
                write_hop(path, bad, tiny, length)
            assert list(tmp_path.iterdir()) == ([] if before is None else [path])
            assert before is None or path.read_bytes() == before
    path.chmod(0o640)
    link = tmp_path / "link.hop"
    link.symlink_to(path)
    writer = HopWriter(link, HopHeader.of(tiny, 2))
    writer.push(codes)
    assert path.read_bytes() == b"what was there before"
    writer.finish(np.int64(3200))  # type: ignore[arg-type]  # whole from here on, closed or not
    np.testing.assert_array_equal(read_hop(path)[1], codes)
    assert sorted(tmp_path.iterdir()) == [path, link]
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    writer.close()
    assert path.exists()
    with pytest.raises(FileNotFoundError, match=r"nowhere/a\.hop"):
        HopWriter(tmp_path / "nowhere" / "a.hop", PLAIN)


def test_any_place_to_begin(tmp_path: Path) -> None:
    data, codes = plain_file(512 * 100)
    (tmp_path / "a.hop").write_bytes(data)
    with HopReader(tmp_path / "a.hop") as reader:
        for block in (6, 0, 3, 5):
            assert reader.seek(block) == 16 * block
            rest = np.concatenate(list(reader.blocks()), axis=1)
            np.testing.assert_array_equal(rest, codes[:, 16 * block :])
        reader.seek(7)
        assert list(reader.blocks()) == []
        with pytest.raises(ValueError, match="expected 0 to 7, got 8"):
            reader.seek(8)
        with pytest.raises(ValueError, match="expected 0 to 7, got -1"):
            reader.seek(-1)
        with pytest.raises(TypeError, match="block: expected a whole number, got"):
            reader.seek(1.0)  # type: ignore[arg-type]
        assert list(reader.blocks()) == []  # still at the end
        reader.seek(np.int64(6))  # type: ignore[arg-type]
        assert len(list(reader.blocks())) == 1
        assert list(reader.blocks()) == []


def blocks_before_the_error(file: Any) -> list[AnyCodes]:
    found: list[AnyCodes] = []
    with pytest.raises(BitstreamError, match="truncated"):
        _collect(file, found)
    return found


def _collect(file: Any, found: list[AnyCodes]) -> None:
    with HopReader(file) as reader:
        assert reader.audio_length is None
        found.extend(reader.blocks())


@pytest.mark.parametrize("opened", [io.BytesIO, Pipe], ids=["seekable", "pipe"])
def test_a_file_cut_anywhere_gives_its_whole_blocks(opened: Any) -> None:
    data, codes = plain_file(512 * 40)
    ends = [44 + 9 + 4]
    for frames in (16, 16, 8):
        ends.append(ends[-1] + PLAIN.block_bytes(frames))
    for length in range(len(data)):
        found = blocks_before_the_error(opened(data[:length]))
        assert len(found) == sum(end <= length for end in ends[1:])
        if found:
            whole = np.concatenate(found, axis=1)
            np.testing.assert_array_equal(whole, codes[:, : whole.shape[1]])


def test_every_flipped_bit_is_noticed() -> None:
    data, _ = plain_file(512 * 20)
    for at in range(len(data)):
        for bit in (0, 3, 7):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            with pytest.raises(BitstreamError):
                read_hop(io.BytesIO(bytes(damaged)))


def test_blocks_in_another_order_are_noticed() -> None:
    data, _ = plain_file(512 * 48)
    begin, block = 44 + 9 + 4, PLAIN.block_bytes(16)
    first, second = data[begin : begin + block], data[begin + block : begin + 2 * block]
    swapped = data[:begin] + second + first + data[begin + 2 * block :]
    with pytest.raises(BitstreamError, match="block 0: expected checksum"):
        read_hop(io.BytesIO(swapped))
    with pytest.raises(BitstreamError, match="trailing bytes"):
        read_hop(io.BytesIO(data + b"\0"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_behind_any_part_of_a_file(noise: bytes, keep: int) -> None:
    data = plain_file(2000)[0][:keep] + noise
    with pytest.raises(BitstreamError):
        read_hop(io.BytesIO(data))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_headers_with_a_right_checksum_and_wild_fields(data: st.DataObject) -> None:
    """What a forger could write: read as a header that could be written, or refused."""
    fields = [data.draw(st.integers(0, (1 << bits) - 1)) for bits in (16, 32, 16, 16, 32, 8)]
    tail = [data.draw(st.integers(0, (1 << 32) - 1)) for _ in range(4)]
    name = data.draw(st.binary(max_size=12))
    head = b"\x89HOP\r\n\x1a\n" + struct.pack("<HHIHHIBBH", 1, *fields, len(name), 0)
    head += struct.pack("<IIII", *tail) + name
    head += struct.pack("<I", zlib.crc32(head))
    body = data.draw(st.binary(max_size=40))
    try:
        with HopReader(io.BytesIO(head + body)) as reader:
            assert reader.header.to_bytes() == head
            list(reader.blocks())
    except BitstreamError:
        pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": ""}, "model: expected 1 to 255 printable"),
        ({"model": "a b"}, "model: expected 1 to 255 printable"),
        ({"weights": "xyz"}, "weights: expected 8 hexadecimal digits"),
        ({"codebooks": 0}, "codebooks: expected 1 to 1024, got 0"),
        ({"bits_per_code": 17}, "bits_per_code: expected 1 to 16, got 17"),
        ({"frames_per_block": 0}, "frames_per_block: expected 1 to"),
        (
            {"frames_per_block": 65536, "codebooks": 65},
            "block: expected at most 4194304 codes, got 4259840",
        ),
        ({"scales": True}, "expected segments to scale"),
        ({"segment_samples": 51200, "segment_stride": 10}, "segment_stride: expected 25600"),
        ({"segment_samples": 51200, "segment_stride": 51200}, "frames_per_block: expected 100"),
    ],
)
def test_headers_that_no_codec_has(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HopWriter(io.BytesIO(), replace(PLAIN, **changes))


def test_codes_that_do_not_fit() -> None:
    codes = some_codes(PLAIN, 10)
    writer = HopWriter(io.BytesIO(), PLAIN)
    with pytest.raises(TypeError, match="expected a uint16 array"):
        writer.push(codes.astype(np.int64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected 9 rows, got 8"):
        writer.push(codes[:8])
    with pytest.raises(ValueError, match="expected them below 1024, got"):
        writer.push(codes + np.uint16(1024))
    with pytest.raises(TypeError, match="has no segments: expected an array"):
        writer.push(segments_of(1000))
    writer.push(codes)
    with pytest.raises(ValueError, match="expected 11 frames of codes, got 10"):
        writer.finish(512 * 11)
    writer.finish(512 * 10)
    with pytest.raises(ValueError, match="finished"):
        writer.push(codes)
    with pytest.raises(ValueError, match="once, got it twice"):
        writer.finish(512 * 10)
    stereo = HopWriter(io.BytesIO(), STEREO)
    with pytest.raises(TypeError, match="codes segments: expected Codes"):
        stereo.push(some_codes(STEREO, 150))
    with pytest.raises(ValueError, match="expected 1 to 150 frames, got 151"):
        stereo.push(Codes([Segment(some_codes(STEREO, 151), np.float32(1))], 4))
    stereo.push(segments_of(48000))
    with pytest.raises(ValueError, match="expected 153 frames of codes, got 152"):
        stereo.finish(48300)


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0, 1e30])
def test_scales_that_no_signal_has(scale: float) -> None:
    """Behind a right checksum."""
    data, _ = segmented_file(320)
    begin = 44 + 6 + 4
    payload = struct.pack("<f", scale) + data[begin + 12 : -16]
    frames = data[begin : begin + 4]
    checksum = struct.pack("<I", zlib.crc32(bytes(8) + frames + payload))
    forged = data[:begin] + frames + checksum + payload + data[-16:]
    with pytest.raises(BitstreamError, match=r"block 0: .*expected a scale from 0"):
        read_hop(io.BytesIO(forged))


def test_a_codec_and_its_file(tiny: hopcodec.Codec, speech: npt.NDArray[np.float32]) -> None:
    """Codes of any codec, by name and fingerprint, in whole and block by block."""
    audio = np.ascontiguousarray(speech[:, :30_001])
    codes = tiny.encode(audio, bandwidth=3.6)
    out = io.BytesIO()
    size = write_hop(out, codes, tiny, 30_001)
    assert size == len(out.getvalue())
    header, again, length = read_hop(io.BytesIO(out.getvalue()))
    assert header == HopHeader.of(tiny, 8)
    assert (header.model, header.weights) == ("tiny_24khz", tiny.fingerprint)
    assert header.kbps == pytest.approx(3.6)
    np.testing.assert_array_equal(again, codes)
    np.testing.assert_array_equal(
        tiny.decode(again, samples=length), tiny.decode(codes, samples=30_001)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "other"}, "model: expected tiny_24khz, as tiny_24khz has, got other"),
        ({"weights": "00c0ffee"}, "weights: expected .*, got 00c0ffee"),
        ({"sample_rate": 8000}, "sample_rate: expected 24000, .* got 8000"),
        ({"channels": 2}, "channels: expected 1, .* got 2"),
        ({"hop_samples": 640}, "hop_samples: expected 320, .* got 640"),
        ({"bits_per_code": 16}, "bits_per_code: expected [0-9]+, .* got 16"),
        ({"codebooks": 1000}, "codebooks: expected at most [0-9]+, .* got 1000"),
        (
            {"segment_samples": 32000, "segment_stride": 32000, "frames_per_block": 100},
            "segment_samples: expected 0, .* got 32000",
        ),
    ],
)
def test_a_header_of_another_codec(
    tiny: hopcodec.Codec, changes: dict[str, Any], message: str
) -> None:
    header = HopHeader.of(tiny, 4)
    header.check_codec(tiny)
    replace(header, weights="", frames_per_block=7).check_codec(tiny)  # neither says which codec
    with pytest.raises(BitstreamError, match=message):
        replace(header, **changes).check_codec(tiny)
