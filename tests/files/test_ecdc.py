"""The `.ecdc` container: byte for byte the original command's, and safe with any bytes."""

from __future__ import annotations

import importlib
import io
import json
import math
import random
import struct
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from without_torchaudio import without_torchaudio

from hopcodec.errors import BitstreamError
from hopcodec.files import (
    EcdcHeader,
    EcdcReader,
    EcdcWriter,
    read_ecdc,
    read_ecdc_header,
    write_ecdc,
)
from hopcodec.files._bits import pack_bits, packed_bytes, unpack_bits

MODEL = "encodec_24khz"
Codes = npt.NDArray[np.uint16]


def some_codes(codebooks: int, audio_length: int, seed: int = 0) -> Codes:
    frames = -(-audio_length // 320)
    rng = np.random.default_rng([seed, codebooks, audio_length])
    return rng.integers(0, 1024, (codebooks, frames), dtype=np.uint16)


def as_bytes(codes: Codes, audio_length: int) -> bytes:
    out = io.BytesIO()
    write_ecdc(out, codes, model=MODEL, audio_length=audio_length)
    return out.getvalue()


def file_with(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("!4sBI", b"ECDC", 0, len(text)) + text + body


def fields(**changes: object) -> dict[str, object]:
    return {"m": MODEL, "al": 320, "nc": 2, "lm": False, **changes}


@pytest.fixture(scope="module")
def encodec() -> Any:
    """The original package; it imports torchaudio, which this machine may be unable to load."""
    with without_torchaudio():
        # By name: the package hides its module `compress` behind the function `compress`.
        return types.SimpleNamespace(
            binary=importlib.import_module("encodec.binary"),
            compress=importlib.import_module("encodec.compress"),
            model=importlib.import_module("encodec.model"),
        )


# Packing


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 16), st.data())
def test_packing_is_the_plain_definition(width: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 2**width - 1), max_size=50))
    number = sum(value << (i * width) for i, value in enumerate(values))
    expected = number.to_bytes(packed_bytes(len(values), width), "little")
    array = np.array(values, dtype=np.uint16)
    assert pack_bits(array, width) == expected
    np.testing.assert_array_equal(unpack_bits(expected, width, len(values)), array)


def test_packing_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="value 1024 at 1 does not fit in 10 bits"):
        pack_bits(np.array([1023, 1024], dtype=np.uint16), 10)
    with pytest.raises(ValueError, match="1 to 16 bits, got 17"):
        pack_bits(np.array([0], dtype=np.uint16), 17)
    with pytest.raises(ValueError, match="expected 2 bytes, got 1"):
        unpack_bits(b"\0", 10, 1)
    with pytest.raises(ValueError, match="padding bits"):
        unpack_bits(b"\0\x80", 10, 1)


# Layout


def test_layout_of_a_known_file() -> None:
    data = as_bytes(some_codes(8, 1000), 1000)
    text = b'{"m": "encodec_24khz", "al": 1000, "nc": 8, "lm": false}'
    assert data[:9] == bytes.fromhex("454344430000000038")
    assert data[9:65] == text
    assert len(data) == 9 + 56 + 40


@pytest.mark.parametrize("codebooks", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("audio_length", [1, 319, 320, 321, 1000, 7777, 53760, 240000])
def test_write_then_read(codebooks: int, audio_length: int) -> None:
    codes = some_codes(codebooks, audio_length)
    header, again = read_ecdc(io.BytesIO(as_bytes(codes, audio_length)))
    assert header == EcdcHeader(MODEL, audio_length, codebooks, False)
    assert header.frames == codes.shape[1]
    assert header.seconds == audio_length / 24000
    assert again.dtype == np.uint16
    assert again.flags.c_contiguous
    np.testing.assert_array_equal(again, codes)


def test_frame_count_in_integers() -> None:
    """Floating point, as encodec 0.1.1 has it, asks for a frame too many at some lengths."""
    assert math.ceil(53760 / 24000 * 75) == 169
    assert EcdcHeader(MODEL, 53760, 2).frames == 168
    for length in range(1, 2000):
        assert EcdcHeader(MODEL, length, 2).frames == math.ceil(length / 320)


def test_paths_and_open_files(tmp_path: Path) -> None:
    codes = some_codes(4, 5000)
    path = tmp_path / "a.ecdc"
    write_ecdc(path, codes, model=MODEL, audio_length=5000)
    assert path.read_bytes() == as_bytes(codes, 5000)
    np.testing.assert_array_equal(read_ecdc(str(path))[1], codes)
    assert read_ecdc_header(path).audio_length == 5000
    with path.open("rb") as file:
        read_ecdc(file)
        assert not file.closed
    with pytest.raises(FileNotFoundError):
        read_ecdc(tmp_path / "none.ecdc")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(0, 40), max_size=12), st.integers(1, 9))
def test_pieces_write_and_read_as_the_whole(codebooks: int, pieces: list[int], quads: int) -> None:
    frames = max(1, sum(pieces))
    pieces = pieces if sum(pieces) else [1]
    codes = some_codes(codebooks, frames * 320)
    out = io.BytesIO()
    with EcdcWriter(out, model=MODEL, codebooks=codebooks) as writer:
        at = 0
        for piece in pieces:
            writer.push(codes[:, at : at + piece])
            at += piece
        written = writer.finish(frames * 320)
    assert written == len(out.getvalue())
    assert out.getvalue() == as_bytes(codes, frames * 320)
    with EcdcReader(io.BytesIO(out.getvalue())) as reader:
        blocks = list(reader.blocks(4 * quads))
    assert all(block.shape[1] <= 4 * quads for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), codes)


def test_nothing_is_written_before_finish() -> None:
    out = io.BytesIO()
    with EcdcWriter(out, model=MODEL, codebooks=2) as writer:
        writer.push(some_codes(2, 3200))
    assert out.getvalue() == b""


# Against the original


def original_bytes(encodec: Any, codes: Codes, audio_length: int) -> bytes:
    """What the original tool writes: its header function and its packer, in its loop order."""
    out = io.BytesIO()
    header = {"m": MODEL, "al": audio_length, "nc": codes.shape[0], "lm": False}
    encodec.binary.write_ecdc_header(out, header)
    packer = encodec.binary.BitPacker(10, out)
    for frame in codes.T.tolist():
        for code in frame:
            packer.push(code)
    packer.flush()
    return out.getvalue()


@pytest.mark.parametrize("codebooks", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("audio_length", [1, 320, 321, 1000, 7777, 24000, 53760])
def test_same_bytes_as_the_original(encodec: Any, codebooks: int, audio_length: int) -> None:
    codes = some_codes(codebooks, audio_length)
    theirs = original_bytes(encodec, codes, audio_length)
    assert as_bytes(codes, audio_length) == theirs
    np.testing.assert_array_equal(read_ecdc(io.BytesIO(theirs))[1], codes)


@pytest.mark.parametrize("codebooks", [2, 8, 32])
def test_the_original_reads_ours(encodec: Any, codebooks: int) -> None:
    codes = some_codes(codebooks, 7777)
    stream = io.BytesIO(as_bytes(codes, 7777))
    header = encodec.binary.read_ecdc_header(stream)
    assert header == {"m": MODEL, "al": 7777, "nc": codebooks, "lm": False}
    unpacker = encodec.binary.BitUnpacker(10, stream)
    theirs = [unpacker.pull() for _ in range(codes.size)]
    np.testing.assert_array_equal(np.array(theirs).reshape(-1, codebooks).T, codes)
    assert stream.read() == b""


def test_a_whole_run_of_the_original_both_ways(
    encodec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """compress() -> our reader -> our writer -> decompress(), with one seeded model."""
    import torch

    torch.manual_seed(5)
    model = encodec.model.EncodecModel.encodec_model_24khz(pretrained=False).eval()
    model.name = MODEL
    model.set_target_bandwidth(6.0)
    wav = 0.1 * torch.randn(1, 4001)
    with torch.no_grad():  # codebooks around the latents; untrained ones are 0, and so all codes
        latents = model.encoder(wav[None])[0]
        spread = latents.std(dim=1)
        for layer in model.quantizer.vq.layers:
            layer.codebook.normal_().mul_(spread)
        model.quantizer.vq.layers[0].codebook.add_(latents.mean(dim=1))
    theirs = encodec.compress.compress(model, wav, use_lm=False)
    header, codes = read_ecdc(io.BytesIO(theirs))
    assert header == EcdcHeader(MODEL, 4001, 8, False)
    with torch.no_grad():
        expected = model.encode(wav[None])[0][0][0].numpy()
    np.testing.assert_array_equal(codes, expected)
    assert len(np.unique(codes)) > 40
    ours = as_bytes(codes, 4001)
    assert ours == theirs

    monkeypatch.setitem(encodec.compress.MODELS, MODEL, lambda: model)
    decoded, rate = encodec.compress.decompress(ours)
    assert (tuple(decoded.shape), rate) == ((1, 4001), 24000)
    with torch.no_grad():
        whole = model.decode([(torch.from_numpy(expected)[None], None)])[0, :, :4001]
    assert torch.equal(decoded, whole)


# Errors


@pytest.mark.parametrize(
    ("codes", "length", "message"),
    [
        (some_codes(8, 1000).astype(np.int32), 1000, "uint16 array .codebooks, frames., got int32"),
        (some_codes(8, 1000)[0], 1000, "got uint16 with 1 dimensions"),
        (some_codes(8, 1000).tolist(), 1000, "got list"),
    ],
)
def test_codes_of_the_wrong_type(codes: Any, length: int, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        as_bytes(codes, length)


def test_codes_that_do_not_fit() -> None:
    codes = some_codes(8, 1000)
    with pytest.raises(ValueError, match="expected 5 frames of codes, got 4"):
        as_bytes(codes, 1281)
    with pytest.raises(ValueError, match="audio_length: expected 1 to"):
        as_bytes(codes[:, :0], 0)
    with pytest.raises(ValueError, match="expected 1 to 32 codebooks, got 33"):
        as_bytes(some_codes(33, 1000), 1000)
    with pytest.raises(ValueError, match="does not fit in 10 bits"):
        as_bytes(codes + np.uint16(1024), 1000)
    with pytest.raises(ValueError, match="unknown model 'x'"):
        write_ecdc(io.BytesIO(), codes, model="x", audio_length=1000)
    writer = EcdcWriter(io.BytesIO(), model=MODEL, codebooks=4)
    with pytest.raises(ValueError, match="expected 4 rows, got 8"):
        writer.push(codes)
    writer.close()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected 9 bytes before the header, got 0"),
        (b"RIFF\0\0\0\0\0", r"not an .ecdc file: expected b'ECDC' first, got b'RIFF'"),
        (b"ECDC\1\0\0\0\0", "version: expected 0, got 1"),
        (b"ECDC\0\xff\xff\xff\xff", "expected at most 65536 bytes, got 4294967295"),
        (file_with(b"\xff\xfe"), "expected JSON text"),
        (file_with(b"{"), "expected JSON text"),
        (file_with(b"[" * 60000), "expected JSON text"),
        (file_with(b'{"al": ' + b"9" * 5000 + b"}"), "expected JSON text"),
        (file_with([1]), "expected a JSON object, got a list"),
        (file_with({"m": MODEL}), "'al' is missing"),
        (file_with(fields(m=1)), "'m' to be of type str, got int"),
        (file_with(fields(al=320.0)), "'al' to be of type int, got float"),
        (file_with(fields(al=True)), "'al' to be of type int, got bool"),
        (file_with(fields(nc="8")), "'nc' to be of type int, got str"),
        (file_with(fields(lm=0)), "'lm' to be of type bool, got int"),
        (file_with(fields(m="mp3")), "unknown model 'mp3': expected one of encodec_24khz"),
        (file_with(fields(m="encodec_48khz")), "truncated: expected 7 bytes of codes"),
        (file_with(fields(al=0)), "audio length: expected 1 to"),
        (file_with(fields(al=-1)), "audio length: expected 1 to"),
        (file_with(fields(al=10**400)), "audio length: expected 1 to"),
        (file_with(fields(al=2**48)), "truncated: expected 2199023255553 bytes of codes"),
        (file_with(fields(nc=0)), "codebooks: expected 1 to 32"),
        (file_with(fields(nc=33)), "codebooks: expected 1 to 32"),
        (file_with(fields(lm=True), b"\0" * 100), "entropy coded with a language model"),
        (file_with(fields(), b"\0\0"), "expected 3 bytes of codes .* got 2"),
        (file_with(fields(), b"\0\0\0\0"), "trailing bytes: expected 3 bytes of codes, got 4"),
        (file_with(fields(), b"\0\0\x10"), "padding bits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_files(data: bytes, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        read_ecdc(io.BytesIO(data))


class Pipe(io.RawIOBase):
    """A file that cannot seek and hands out at most 3 bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(3, size) if size >= 0 else 3)


def test_short_reads_are_not_the_end() -> None:
    codes = some_codes(8, 7777)
    np.testing.assert_array_equal(read_ecdc(Pipe(as_bytes(codes, 7777)))[1], codes)  # type: ignore[arg-type]


@pytest.mark.parametrize("opened", [io.BytesIO, Pipe], ids=["seekable", "pipe"])
def test_truncation_at_every_byte(opened: Callable[[bytes], Any]) -> None:
    data = as_bytes(some_codes(4, 7777), 7777)
    for length in range(len(data)):
        with pytest.raises(BitstreamError, match="truncated"):
            read_ecdc(opened(data[:length]))
    with pytest.raises(BitstreamError, match="trailing bytes"):
        read_ecdc(opened(data + b"\0"))
    with pytest.raises(BitstreamError, match="truncated: expected 2199023255553 bytes"):
        read_ecdc(opened(file_with(fields(al=2**48), b"\0" * 50)))


def test_header_of_a_file_with_language_model() -> None:
    data = file_with(fields(lm=True), b"\1\2\3")
    assert read_ecdc_header(io.BytesIO(data)).language_model


def test_fuzz() -> None:
    """Any damage gives BitstreamError or a well-formed result; never another exception."""
    rng = random.Random(20221024)
    originals = [as_bytes(some_codes(k, n), n) for k, n in ((2, 1), (8, 1000), (3, 7777))]
    refused = accepted = 0
    for _ in range(6000):
        data = bytearray(rng.choice(originals))
        head = 9 + int.from_bytes(data[5:9], "big")
        for _ in range(rng.randint(1, 4)):
            match rng.randrange(4):
                case 0:
                    del data[rng.randrange(len(data) + 1) :]
                case 1 if data:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                case 2 if data:  # where the parsing is
                    data[rng.randrange(min(head, len(data)))] = rng.randrange(256)
                case _:
                    at = rng.randrange(len(data) + 1)
                    data[at:at] = rng.randbytes(rng.randint(1, 6))
        try:
            header, codes = read_ecdc(io.BytesIO(bytes(data)))
        except BitstreamError:
            refused += 1
        else:
            assert codes.shape == (header.codebooks, header.frames)
            assert int(codes.max()) < 1024
            accepted += 1
    assert refused > 3000
    assert accepted > 100  # flips in the codes themselves cannot be noticed
