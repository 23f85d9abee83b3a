"""`.ecdc` files of the 48 kHz model: byte for byte the original command's, safe with any bytes."""

from __future__ import annotations

import importlib
import io
import random
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_models import original_model
from segmented_models import full_48khz, full_48khz_weights, stereo
from slow_ones import slow

import torch
from hopcodec import Codes
from hopcodec.codec import Segment
from hopcodec.codec._codes import join_codes
from hopcodec.errors import BitstreamError
from hopcodec.files import (
    EcdcHeader,
    EcdcReader,
    EcdcWriter,
    read_ecdc,
    read_ecdc_header,
    write_ecdc,
)
from hopcodec.specs._encodec import encodec_48khz

MODEL = "encodec_48khz"
SAMPLES, STRIDE = 48_000, 47_520
LENGTHS = (1, 320, 321, 47_519, 47_520, 47_521, 48_000, 48_001, 95_520, 95_521, 200_000)


def some_codes(codebooks: int, audio_length: int, seed: int = 0) -> Codes:
    rng = np.random.default_rng([seed, codebooks, audio_length])
    frames = [-(-min(audio_length - at, SAMPLES) // 320) for at in range(0, audio_length, STRIDE)]
    return Codes(
        [
            Segment(
                rng.integers(0, 1024, (codebooks, n), dtype=np.uint16),
                np.float32(rng.uniform(1e-8, 2)),
            )
            for n in frames
        ],
        codebooks,
    )


def as_bytes(codes: Codes, audio_length: int) -> bytes:
    out = io.BytesIO()
    write_ecdc(out, codes, model=MODEL, audio_length=audio_length)
    return out.getvalue()


@pytest.fixture(scope="module")
def encodec() -> Any:
    """The original package's file format; `reference_models` has imported it without torchaudio."""
    original_model(encodec_48khz(), full_48khz_weights())
    return importlib.import_module("encodec.compress")


@pytest.mark.parametrize("codebooks", [1, 2, 3, 16])
@pytest.mark.parametrize("length", LENGTHS)
def test_write_then_read(codebooks: int, length: int) -> None:
    codes = some_codes(codebooks, length)
    data = as_bytes(codes, length)
    header, again = read_ecdc(io.BytesIO(data))
    assert header == EcdcHeader(MODEL, length, codebooks)
    assert header.frames == codes.frames
    assert header.body_bytes == len(data) - data.index(b"}") - 1
    assert again == codes


def test_layout_of_a_known_file() -> None:
    codes = Codes([Segment(np.array([[1], [2]], np.uint16), np.float32(0.5))], 2)
    text = b'{"m": "encodec_48khz", "al": 7, "nc": 2, "lm": false}'
    body = bytes.fromhex("3f000000") + bytes([1, 2 << 2, 0])  # 20 bits in 3 bytes
    assert as_bytes(codes, 7) == b"ECDC\0\0\0\0" + bytes([len(text)]) + text + body


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 300_000), pieces=st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_pieces_write_and_read_as_the_whole(length: int, pieces: list[int]) -> None:
    codes = some_codes(2, length)
    out = io.BytesIO()
    with EcdcWriter(out, model=MODEL, codebooks=2) as writer:
        at = 0
        for piece in pieces:
            writer.push(codes[at : at + piece])
            at += piece
        writer.push(codes[at:])
        written = writer.finish(length)
    assert written == len(out.getvalue())
    assert out.getvalue() == as_bytes(codes, length)
    with EcdcReader(io.BytesIO(out.getvalue())) as reader:
        blocks = list(reader.blocks(300))
    assert all(len(block) <= 2 for block in blocks)
    assert join_codes(blocks) == codes


@pytest.mark.parametrize("length", [1, 47_521, *slow(7777, 48_000, 100_001)])
def test_the_originals_bytes(encodec: Any, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """compress() -> our reader -> our writer -> decompress(), with one model of the full size."""
    model = original_model(encodec_48khz(), full_48khz_weights())
    model.set_target_bandwidth(6.0)
    wav = stereo(length)
    theirs = encodec.compress(model, torch.from_numpy(wav), use_lm=False)
    header, codes = read_ecdc(io.BytesIO(theirs))
    assert header == EcdcHeader(MODEL, length, 4)
    assert as_bytes(codes, length) == theirs
    with torch.no_grad():
        frames = model.encode(torch.from_numpy(wav)[None])
    for segment, (expected, scale) in zip(codes, frames, strict=True):
        np.testing.assert_array_equal(segment.codes, expected[0].numpy())
        assert segment.scale == np.float32(scale)
    monkeypatch.setitem(encodec.MODELS, MODEL, lambda: model)
    ours = as_bytes(full_48khz().encode(wav, 6.0), length)
    assert len(ours) == len(theirs)
    for data in (theirs, ours):
        decoded, rate = encodec.decompress(data)
        assert (tuple(decoded.shape), rate) == ((2, length), 48000)
        mine = full_48khz().decode(read_ecdc(io.BytesIO(data))[1], samples=length)
        np.testing.assert_allclose(mine, decoded.numpy(), atol=2e-5)


def test_codes_that_do_not_fit() -> None:
    codes = some_codes(2, 50_000)
    for length in (47_520, 49_000, 95_521):
        with pytest.raises(ValueError, match="samples of encodec_48khz: expected"):
            as_bytes(codes, length)
    with pytest.raises(ValueError, match=r"audio_length: expected 1 to [0-9]+, got 0"):
        as_bytes(codes[:0], 0)
    with pytest.raises(ValueError, match="expected 1 to 16 codebooks, got 17"):
        as_bytes(some_codes(17, 1), 1)
    with pytest.raises(TypeError, match="expected Codes, got ndarray"):
        write_ecdc(io.BytesIO(), codes[0].codes, model=MODEL, audio_length=48_000)
    with pytest.raises(TypeError, match="got Codes"):
        write_ecdc(io.BytesIO(), codes, model="encodec_24khz", audio_length=48_000)
    with (
        EcdcWriter(io.BytesIO(), model=MODEL, codebooks=4) as writer,
        pytest.raises(ValueError, match="expected 4 codebooks, got 2"),
    ):
        writer.push(codes)


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0, 1e30])
def test_scales_no_encoder_writes(scale: float) -> None:
    data = bytearray(as_bytes(some_codes(2, 320), 320))
    at = data.index(b"}") + 1
    data[at : at + 4] = struct.pack("!f", scale)
    with pytest.raises(BitstreamError, match="corrupt scale: expected a number from 0 to 2048"):
        read_ecdc(io.BytesIO(bytes(data)))


def test_lengths_no_file_can_hold() -> None:
    text = b'{"m": "encodec_48khz", "al": 281474976710656, "nc": 16, "lm": false}'
    data = b"ECDC\0" + struct.pack("!I", len(text)) + text
    header = read_ecdc_header(io.BytesIO(data))
    assert header.frames > 2**48 // 320
    with pytest.raises(BitstreamError, match=f"truncated: expected {header.body_bytes} bytes"):
        read_ecdc(io.BytesIO(data + b"\0" * 40))


class Pipe(io.RawIOBase):
    """A file that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(size)


@pytest.mark.parametrize("opened", [io.BytesIO, Pipe], ids=["seekable", "pipe"])
def test_truncation_anywhere(opened: Any) -> None:
    data = as_bytes(some_codes(2, 48_000), 48_000)
    for length in (*range(120), *range(120, len(data), 7)):
        with pytest.raises(BitstreamError, match="truncated"):
            read_ecdc(opened(data[:length]))
    with pytest.raises(BitstreamError, match="trailing bytes"):
        read_ecdc(opened(data + b"\0"))


def test_fuzz() -> None:
    """Any damage gives BitstreamError or a well-formed result; never another exception."""
    rng = random.Random(20230612)
    originals = [as_bytes(some_codes(k, n), n) for k, n in ((2, 1), (3, 2000), (2, 47_700))]
    refused = accepted = 0
    for _ in range(3000):
        data = bytearray(rng.choice(originals))
        head = 9 + int.from_bytes(data[5:9], "big")
        for _ in range(rng.randint(1, 4)):
            match rng.randrange(4):
                case 0:
                    del data[rng.randrange(len(data) + 1) :]
                case 1 if data:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                case 2 if data:  # where the parsing is
                    data[rng.randrange(min(head + 4, len(data)))] = rng.randrange(256)
                case _:
                    at = rng.randrange(len(data) + 1)
                    data[at:at] = rng.randbytes(rng.randint(1, 6))
        try:
            header, codes = read_ecdc(io.BytesIO(bytes(data)))
        except BitstreamError:
            refused += 1
        else:
            assert codes.shape == (header.codebooks, header.frames)
            accepted += 1
    assert refused > 1000
    assert accepted > 100  # flips in the codes themselves cannot be noticed
