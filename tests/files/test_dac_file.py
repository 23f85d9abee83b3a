"""`.dac` files: what numpy writes is read, anything else is refused, and nothing ever runs."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import struct
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopcodec.errors import BitstreamError
from hopcodec.files import DacFile, read_dac, write_dac

Codes = npt.NDArray[np.uint16]
METADATA: dict[str, Any] = {
    "input_db": np.array([-20.25], np.float32),
    "original_length": 70_000,
    "sample_rate": 44100,
    "chunk_length": 5,
    "channels": 2,
    "padding": False,
    "dac_version": "1.0.0",
}


def some_codes(*shape: int) -> Codes:
    return np.random.default_rng(shape).integers(0, 1024, shape, dtype=np.uint16)


CODES = some_codes(2, 9, 20)
CONTENT = DacFile(CODES, -20.25, 70_000, 44100, 5, padding=False)


def with_pickle(code: bytes) -> bytes:
    """An array file of one object around any pickle."""
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + code


def as_numpy_writes(value: object, protocol: int = 3) -> bytes:
    array = np.empty((), dtype=object)
    array[()] = value
    return with_pickle(pickle.dumps(array, protocol=protocol))


def artifacts(codes: Any = CODES, **changes: Any) -> dict[str, Any]:
    return {"codes": codes, "metadata": {**METADATA, **changes}}


def written(content: DacFile) -> bytes:
    out = io.BytesIO()
    assert write_dac(out, content) == len(out.getvalue())
    return out.getvalue()


def same(found: DacFile, expected: DacFile) -> None:
    np.testing.assert_array_equal(found.codes, expected.codes)
    assert found.codes.dtype == np.uint16
    assert replace(found, codes=expected.codes).__dict__ == expected.__dict__


# Reading what others wrote


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("folder", ["numpy.core", "numpy._core"])
def test_every_pickle_protocol_and_numpy(protocol: int, folder: str) -> None:
    data = as_numpy_writes(artifacts(), protocol)
    here = b"numpy._core" if b"numpy._core" in data else b"numpy.core"
    there = folder.encode()
    if protocol >= 4:  # names carry their length, and a frame the length of everything
        for name in (b".multiarray", b".numeric"):
            old, new = here + name, there + name
            data = data.replace(bytes([len(old)]) + old, bytes([len(new)]) + new)
        at = data.index(b"\x80" + bytes([protocol]) + b"\x95") + 3
        data = data[:at] + struct.pack("<Q", len(data) - at - 8) + data[at + 8 :]
    else:
        data = data.replace(here, there)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old name
        found = np.load(io.BytesIO(data), allow_pickle=True)[()]
    np.testing.assert_array_equal(found["codes"], CODES)
    same(read_dac(io.BytesIO(data)), CONTENT)


def test_what_numpy_save_writes_here(tmp_path: Path) -> None:
    with (tmp_path / "a.dac").open("wb") as file:
        np.save(file, artifacts())  # type: ignore[arg-type]  # as the original does
    same(read_dac(tmp_path / "a.dac"), CONTENT)
    same(read_dac(str(tmp_path / "a.dac")), CONTENT)
    with pytest.raises(FileNotFoundError):
        read_dac(tmp_path / "none.dac")


@pytest.mark.parametrize("codes", [np.asfortranarray(CODES), CODES.astype(">u2")])
def test_other_orders_of_bytes_and_rows(codes: Any) -> None:
    for protocol in (2, 3, 4, 5):
        same(read_dac(io.BytesIO(as_numpy_writes(artifacts(codes), protocol))), CONTENT)


def test_numbers_of_any_length() -> None:
    for length in (1, 255, 256, 65_536, 2**31, 2**40):
        for protocol in (2, 4):
            data = as_numpy_writes(artifacts(original_length=length), protocol)
            assert read_dac(io.BytesIO(data)).original_length == length


# Writing


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 500), (5, 32, 30)])
@pytest.mark.parametrize("padding", [True, False])
def test_numpy_and_we_read_what_we_write(shape: tuple[int, ...], padding: bool) -> None:
    content = DacFile(some_codes(*shape), -31.5, 2**33, 48000, shape[2], padding)
    data = written(content)
    same(read_dac(io.BytesIO(data)), content)
    found = np.load(io.BytesIO(data), allow_pickle=True)[()]
    np.testing.assert_array_equal(found["codes"], content.codes)
    assert found["codes"].dtype == np.uint16
    metadata = found["metadata"]
    assert set(metadata) == set(METADATA)
    assert metadata.pop("input_db").tolist() == [-31.5]
    assert metadata == {
        "original_length": 2**33,
        "sample_rate": 48000,
        "chunk_length": shape[2],
        "channels": shape[0],
        "padding": padding,
        "dac_version": "1.0.0",
    }


def test_the_same_bytes_with_every_numpy() -> None:
    """No version's own folder is named: old ones do not know the new name."""
    content = DacFile(np.arange(12, dtype=np.uint16).reshape(1, 3, 4), -20.0, 2000, 44100, 4)
    data = written(content)
    assert b"numpy.core.multiarray" in data
    assert b"numpy._core" not in data
    assert hashlib.sha256(data).hexdigest()[:16] == "a868a007df3af3dd"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": CODES[:, :, :0]}, "each at least 1"),
        ({"original_length": 0}, "original_length: expected 1 to"),
        ({"sample_rate": -1}, "sample_rate: expected 1 to"),
        ({"chunk_length": 21}, "chunk_length: expected 1 to 20"),
        ({"input_db": float("nan")}, "input_db: expected -200 to 100, got nan"),
    ],
)
def test_content_that_no_file_holds(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        written(replace(CONTENT, **changes))
    with pytest.raises(TypeError, match="expected a uint16 array"):
        written(replace(CONTENT, codes=CODES.astype(np.int64)))
    for name in ("original_length", "sample_rate", "chunk_length"):
        with pytest.raises(TypeError, match=f"{name}: expected a whole number, got"):
            written(replace(CONTENT, **{name: 5.0}))
    with pytest.raises(TypeError, match="input_db: expected a number, got 'loud'"):
        written(replace(CONTENT, input_db="loud"))  # type: ignore[arg-type]


# Refusing everything else


class Evil:
    """Would make a folder when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made"
    for value in (Evil(target), artifacts(Evil(target)), artifacts(padding=Evil(target))):
        data = as_numpy_writes(value, protocol)
        with pytest.raises(BitstreamError, match=r"it asks for '\w+\.mkdir'"):
            read_dac(io.BytesIO(data))
        assert not target.exists()
    np.load(io.BytesIO(data), allow_pickle=True)  # what the refusal keeps from happening
    assert target.is_dir()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a dictionary of codes and metadata"),
        ({"codes": CODES}, "expected a dictionary of codes and metadata"),
        ({**artifacts(), "more": 1}, "expected a dictionary of codes and metadata"),
        (artifacts(1), "codes: expected an array, got int"),
        (artifacts(CODES.astype(np.int64)), "expected a dtype of u2, f4, O8"),
        (artifacts(CODES.astype(np.float32)), "expected an array of u2, got f4"),
        (artifacts(CODES[0]), "expected .channels, codebooks, frames., .* got .9, 20."),
        (artifacts(CODES[:, :, :0]), "each at least 1"),
        (artifacts(channels=1), "channels: expected 2"),
        (artifacts(channels=True), "metadata channels: expected int, got bool"),
        (artifacts(padding=0), "metadata padding: expected bool, got int"),
        (artifacts(original_length=0), "original_length: expected 1 to"),
        (artifacts(original_length=10**15), "original_length: expected 1 to"),
        (artifacts(sample_rate=44100.0), "BINFLOAT at byte"),
        (artifacts(chunk_length=0), "chunk_length: expected 1 to 20"),
        (artifacts(chunk_length=21), "chunk_length: expected 1 to 20"),
        (artifacts(dac_version="2.0.0"), "version: expected 1.0.0, got '2.0.0'"),
        (artifacts(input_db=np.array([np.nan], np.float32)), "input_db: expected -200 to 100"),
        (artifacts(input_db=np.array([900], np.float32)), "input_db: expected -200 to 100"),
        (artifacts(input_db=np.array([-1e5], np.float32)), "-200 to 100, got -100000"),
        (artifacts(input_db=np.zeros(2, np.float32)), "input_db: expected one number, got 2"),
        (artifacts(input_db=CODES), "expected an array of f4, got u2"),
        (artifacts(more=1), "metadata: expected channels, chunk_length"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("protocol", [3, 5])
def test_another_structure(value: object, message: str, protocol: int) -> None:
    with pytest.raises(BitstreamError, match=message):
        read_dac(io.BytesIO(as_numpy_writes(value, protocol)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a header of 10 bytes, got 0"),
        (b"RIFF0000000000", "not a .dac file: expected b'.x93NUMPY' first"),
        (b"\x93NUMPY\4\0\0\0", "expected version 1.0 to 3.0, got 4.0"),
        (b"\x93NUMPY\1\0\xff\xff", "expected 65545 bytes of header, got 10"),
        (with_pickle(b"")[:30], "bytes of header, got 30"),
        (with_pickle(b"").replace(b"()", b"(3,)"), "expected the array header"),
        (with_pickle(b""), "malformed: pickle exhausted"),
        (with_pickle(b"\x80\x06."), "protocol 2 to 5, got 6"),
        (with_pickle(b"\x80\x03."), "malformed"),
        (with_pickle(b"\x80\x03N."), "expected an array, got NoneType"),
        (with_pickle(b"\x80\x03N.N"), "the file to end with its pickle, got 1 more bytes"),
        (with_pickle(b"\x80\x03t."), "malformed"),
        (with_pickle(b"\x80\x03h\x05."), "malformed"),
        (with_pickle(b"\x80\x04\x95" + b"\xff" * 8), "a frame of at most 0 bytes"),
        (with_pickle(b"\x80\x03\x8e" + b"\xff" * 8), "malformed: .*18446744073709551615"),
        (with_pickle(b"\x80\x03X\xff\xff\xff\xff"), "expected 4294967295 bytes"),
        (with_pickle(b"\x80\x03X\1\0\0\0\xff."), "malformed: 'utf-8' codec"),
        (with_pickle(b"\x80\x03" + b"]" * 2000), "at most 1000 instructions"),
        (with_pickle(b"\x80\x03cos\nsystem\n."), "it asks for 'os.system'"),
        (with_pickle(b"\x80\x03c" + b"a" * 200), "malformed"),
        (with_pickle(b"\x80\x03NNR."), "malformed"),
        (with_pickle(b"\x80\x03cnumpy\nndarray\n)R."), "it calls numpy.ndarray"),
        (with_pickle(b"\x80\x03N)b."), "malformed"),
        (with_pickle(b"\x80\x03Vtext\n."), "UNICODE at byte 2 has no place"),
        (with_pickle(b"\x80\x03\xff."), "at position 2, opcode b.* unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_files(data: bytes, message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        read_dac(io.BytesIO(data))


def test_every_truncation_and_addition() -> None:
    for data in (written(CONTENT), *(as_numpy_writes(artifacts(), p) for p in (2, 3, 4, 5))):
        for length in range(len(data)):
            with pytest.raises(BitstreamError):
                read_dac(io.BytesIO(data[:length]))
        with pytest.raises(BitstreamError):
            read_dac(io.BytesIO(data + b"\0"))


ORIGINALS = [written(CONTENT), *(as_numpy_writes(artifacts(), p) for p in (2, 3, 4, 5))]


def read_or_refused(data: bytes) -> bool:
    """Whether it was read; any exception but BitstreamError fails the test."""
    try:
        content = read_dac(io.BytesIO(data))
    except BitstreamError:
        return False
    assert content.codes.dtype == np.uint16
    assert content.codes.ndim == 3
    assert 1 <= content.chunk_length <= content.frames
    return True


@pytest.mark.slow
def test_flipped_bits() -> None:
    """Every bit of the structure, in every protocol."""
    for data in ORIGINALS:
        codes_at = data.find(CODES.tobytes()[:16])
        for at in range(len(data)):
            if codes_at < 0 or not codes_at <= at < codes_at + CODES.nbytes:
                for bit in range(8):
                    damaged = bytearray(data)
                    damaged[at] ^= 1 << bit
                    read_or_refused(bytes(damaged))


def test_fuzz() -> None:
    """Damage of every kind, in bounded memory."""
    rng = random.Random(20230612)
    read = 0
    tracemalloc.start()
    try:
        for _ in range(4000):
            data = bytearray(rng.choice(ORIGINALS))
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(128, len(data))
                match rng.randrange(4):
                    case 0:
                        del data[at : at + rng.randint(1, 9)]
                    case 1:
                        data[at] = rng.randrange(256)
                    case 2:
                        data[at:at] = rng.randbytes(rng.randint(1, 6))
                    case _:
                        other = rng.choice(ORIGINALS)
                        begin = rng.randrange(128, len(other))
                        data[at : at + 20] = other[begin : begin + 20]
            read += read_or_refused(bytes(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read < 3000
    assert peak < 4_000_000


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_program_of_known_instructions(data: st.DataObject) -> None:
    """Instructions that are each allowed, in an order that no pickler would choose."""
    known = [b"(", b")", b"}", b"]", b"N", b"\x88", b"\x85", b"\x87", b"t", b"a", b"s", b"u", b"R"]
    known += [b"b", b"K\0", b"K\1", b"M\0\1", b"J\xff\xff\xff\xff", b"q\0", b"h\0", b"\x94", b"."]
    known += [b"X\2\0\0\0u2", b"X\6\0\0\0latin1", b"C\1b", b"X\5\0\0\0codes", b"\x93"]
    known += [b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"c_codecs\nencode\n"]
    known += [b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy._core.numeric\n_frombuffer\n"]
    known += [b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\1b\x87R"]
    program = b"".join(data.draw(st.lists(st.sampled_from(known), max_size=30)))
    assert not read_or_refused(with_pickle(b"\x80\x03" + program + b"."))


def test_a_bomb_of_references() -> None:
    """Tuples of tuples of tuples cost a file nothing, and must cost nothing to refuse."""
    bomb = b"\x80\x03)" + b"q\0h\0\x86" * 300 + b"."
    with pytest.raises(BitstreamError, match="20 references, got more"):
        read_dac(io.BytesIO(with_pickle(bomb)))
    for level, levels in ((b"q\0h\0\x86", 20), (b"q\0h\0h\0\x87", 10)):
        bomb = b")" + level * levels
        with pytest.raises(BitstreamError, match="expected an array, got tuple"):
            read_dac(io.BytesIO(with_pickle(b"\x80\x03" + bomb + b".")))
        with pytest.raises(BitstreamError, match="expected a dtype"):
            read_dac(io.BytesIO(with_pickle(b"\x80\x03cnumpy\ndtype\n" + bomb + b"R.")))
        with pytest.raises(BitstreamError, match="expected an array, got dict"):  # it is hashed
            read_dac(io.BytesIO(with_pickle(b"\x80\x03}" + bomb + b"Ns.")))
    text = b"X" + struct.pack("<I", 200_000) + b"x" * 200_000 + b"q\0X\6\0\0\0latin1q\1"
    again = b"c_codecs\nencode\nh\0h\1\x86R"
    for times, message in ((90, "20 references, got more"), (9, "at most 8 strings to encode")):
        with pytest.raises(BitstreamError, match=message):
            read_dac(io.BytesIO(with_pickle(b"\x80\x03" + text + again * times + b".")))
