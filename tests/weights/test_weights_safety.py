"""A weights file from a stranger is refused or read; it never crashes, hangs or fills memory."""

from __future__ import annotations

import json
import pickle
import resource
import struct
import subprocess
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.package
from reference_models import small_spec

import torch
from hopcodec.errors import WeightsError
from hopcodec.weights import load_weights, save_weights, seeded_weights
from hopcodec.weights._limits import MAX_FILE_BYTES

SPEC = small_spec()
WEIGHTS = seeded_weights(SPEC)
GROWTH_LIMIT_KB = 500_000
A_ROW = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.fixture(autouse=True)
def memory_stays_flat() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_LIMIT_KB


def refused(path: Path, message: str = "") -> None:
    with pytest.raises(WeightsError) as caught:
        load_weights(path, SPEC)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def safetensors_file(path: Path, header: object, data: bytes = bytes(8)) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": {**A_ROW, "dtype": "F33"}}, "unknown variant `F33`"),
        ({"a": {**A_ROW, "dtype": []}}, "invalid type: sequence"),
        ({"a": {**A_ROW, "shape": [3]}}, "invalid shape, data type, or offset for tensor"),
        ({"a": {**A_ROW, "shape": [-2, -1]}}, "integer `-2`, expected usize"),
        ({"a": {**A_ROW, "shape": [True, 2]}}, "boolean `true`, expected usize"),
        ({"a": {**A_ROW, "shape": [2.0]}}, "floating point `2.0`, expected usize"),
        ({"a": {**A_ROW, "shape": [2**32, 2**32, 0]}}, "overflow computing buffer size"),
        ({"a": {**A_ROW, "shape": [2**62, 4, 2]}}, "overflow computing buffer size"),
        ({"a": {**A_ROW, "shape": [1] * 9}}, "invalid shape, data type, or offset for tensor"),
        ({"a": {**A_ROW, "data_offsets": [8, 0]}}, "invalid offset for tensor `a`"),
        ({"a": {**A_ROW, "data_offsets": [0]}}, "expected a tuple of size 2"),
        ({"a": {**A_ROW, "data_offsets": [8, 16]}}, "invalid offset for tensor `a`"),
        ({"a": {"dtype": "F32"}}, "missing field `shape`"),
        ({"a": None}, "invalid type: null"),
        ({"a": A_ROW, "b": A_ROW}, "invalid offset for tensor"),
        ({"a": A_ROW, "b": {**A_ROW, "data_offsets": [8, 16]}}, "file not fully covered"),
        ({}, "file not fully covered"),
        ({"__metadata__": {"a": 1}, "a": A_ROW}, "expected a map of strings"),
        ({"__metadata__": [], "a": A_ROW}, "expected a map of strings"),
        ([], "expected a JSON object, got list"),
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":' * 100_000, "not valid JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": {"shape": [' + b"9" * 10_000 + b"]}}", "not valid JSON"),
        (b'{"a": %s, "a": %s}' % ((json.dumps(A_ROW).encode(),) * 2), "'a' is given twice"),
        ({str(n): {**A_ROW, "shape": [0], "data_offsets": [0, 0]} for n in range(2001)}, "2001 t"),
        (b"{" + b" " * 1_000_000 + b"}", "at most 1000000 are allowed"),
    ],
)
def test_safetensors_header(tmp_path: Path, header: object, message: str) -> None:
    refused(safetensors_file(tmp_path / "x.safetensors", header), message)


def test_what_a_safetensors_header_says_beyond_the_format(tmp_path: Path) -> None:
    """Unknown fields are ignored. A shape is only a claim until it is the one expected."""
    for row in ({**A_ROW, "extra": 1}, {**A_ROW, "shape": [1] * 99 + [2]}):
        refused(safetensors_file(tmp_path / "x.safetensors", {"a": row}), "missing tensor")
    name = "encoder.layers.0.conv.weight"
    many = {name: {**A_ROW, "shape": [1] * 99 + [2]}}
    refused(safetensors_file(tmp_path / "x.safetensors", many), "expected shape (2, 1, 7)")


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\xff" * 8, b"\xff" * 7 + b"\x7f" + b"{}"])
def test_safetensors_prefix(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    refused(tmp_path / "x.safetensors", "truncated?")


@pytest.mark.parametrize("suffix", [".safetensors", ".th"])
def test_file_too_large(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # sparse: takes no disk
    refused(path, f"larger than the {MAX_FILE_BYTES} bytes allowed")


def torch_file(path: Path, code: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive as torch writes it, round any pickle, with one storage of eight bytes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", code)
        archive.writestr("x/byteorder", "little")
        archive.writestr("x/data/0", bytes(8))
        archive.writestr("x/version", "3\n")
    return path


class _Runs:
    """Unpickled carelessly, this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_torch_file_runs_nothing(tmp_path: Path) -> None:
    torch.save({"a": _Runs(tmp_path / "ran")}, tmp_path / "x.th")
    refused(tmp_path / "x.th", "the pickle asks for")
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "x.th", weights_only=False)
    assert (tmp_path / "ran").exists()  # the attack itself works


def _tensor(storage: bytes, size: bytes, stride: bytes) -> bytes:
    """Pickle of one `_rebuild_tensor_v2` call on storage "0" of `storage` elements."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
        b"X\x01\0\0\x000X\x03\0\0\0cpu" + storage + b"tQK\0" + size + stride
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def _state(value: bytes) -> bytes:
    return b"\x80\x02}(X\x01\0\0\0a" + value + b"u."


GIB = b"J\0\0\0\x40"  # the number 2**30
MINUS_ONE = b"J\xff\xff\xff\xff"


def test_handmade_torch_files_are_well_made(tmp_path: Path) -> None:
    """The tricks below must not be refused for a slip in how they are written."""
    path = torch_file(tmp_path / "x.th", _state(_tensor(b"K\x02", b"K\x02\x85", b"K\x01\x85")))
    assert torch.load(path)["a"].shape == (2,)
    refused(path, "missing tensor encoder.layers.0.conv.weight")
    path = torch_file(path, _state(_tensor(b"K\x02", GIB + b"\x85", b"K\0\x85")))
    assert torch.load(path)["a"].shape == (2**30,)  # torch takes it: 4 GiB once copied


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (_state(_tensor(b"K\x02", GIB + b"\x85", b"K\0\x85")), "its storage holds 8"),
        (_state(_tensor(b"K\x02", b"K\x03\x85", b"K\x01\x85")), "malformed: RuntimeError"),
        (_state(_tensor(b"K\x02", GIB + b"\x85", b"K\x01\x85")), "malformed: RuntimeError"),
        (_state(_tensor(GIB, GIB + b"\x85", b"K\x01\x85")), "malformed: RuntimeError"),
        (
            _state(_tensor(b"K\x02", b"J\xff\xff\xff\xff\x85", b"K\x01\x85")),
            "malformed: RuntimeError",
        ),
        (_state(b"cbuiltins\nbytearray\n" + GIB + b"\x85R"), "asks for 'builtins bytearray'"),
        (_state(b"cposix\nsystem\nX\x04\0\0\0true\x85R"), "asks for 'posix system'"),
        (b"\x80\x02ccollections\nOrderedDict\n}\x85R.", "with 1 arguments"),
        (b"\x80\x02ccollections\nOrderedDict\n(}tR.", "with 1 arguments"),
        (b"\x80\x02ccollections\nOrderedDict\n)R}b}b.", "sets attributes more often than 1"),
        (b"\x80\x02]K\x01\x85R.", "calls something with 1 arguments"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "the pickle uses"),
        (b"\x80\x02" + b"}q\x00" + b"(h\x00" * 3000 + b"t" * 3000 + b".", "expected a state dict"),
        (b"\x80\x02}" + b"K\x00QK\x00Q" * 1001 + b".", "more than the 2000 tensors"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "missing tensor"),
        (b"\x80\x02})" + b"q\0h\0\x86" * 60 + b"Ns.", "uses a tuple as a key"),
        (b"\x80\x02})" + b"q\0(Nh\0h\0t" * 60 + b"q\0(h\0Nu.", "uses a tuple as a key"),
        (b"\x80\x02(.", "malformed"),
        (b"\x80\x02t.", "malformed"),
        (b"\x80\x02\x87.", "more from its stack"),
        (b"\x80\x02h\x05.", "malformed"),
        (b"\x80\x02X\xff\xff\xff\xff.", "malformed"),
        (b"\x80\x02].", "expected a state dict, got list"),
        (_state(b"K\x01"), "'a': expected a named tensor, got int"),
        (b"\x80\x02}(K\x01K\x01u.", "1: expected a named tensor"),
        (b"", "malformed"),
        (b"\x80\x02}" + b"0" * 1_000_001, "data.pkl is larger"),
    ],
)
def test_torch_pickle(tmp_path: Path, code: bytes, message: str) -> None:
    refused(torch_file(tmp_path / "x.th", code), message)


def test_torch_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.th"
    good = _state(_tensor(b"K\x02", b"K\x02\x85", b"K\x01\x85"))
    refused(torch_file(path, good, zipfile.ZIP_DEFLATED), "expected it stored plainly")

    torch_file(path, good)
    # torch finds a record without regard to case; the last of two names would be what it reads.
    for name in (
        "y/data.pkl",
        "x/DATA.PKL",
        "X/data.pkl",
        "x/data.pkl ",
        "x/code/a.py",
        "x/data/a",
    ):
        torch_file(path, good)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, good)
        refused(path, "expected what torch.save writes into one folder")

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/version", "3")
    refused(path, "expected a data.pkl in the archive")

    torch_file(path, good)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")  # about the very duplicate wanted here
        archive.writestr("x/data.pkl", good)
    refused(path, "is given twice")

    torch_file(path, good)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(2016):
            archive.writestr(f"x/data/{number + 1}", b"")
    refused(path, "more than the 2016 records")

    claim = bytearray(torch_file(path, good).read_bytes())
    entry = claim.index(b"PK\x01\x02") + 20
    claim[entry : entry + 8] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(claim)
    refused(path, "claim more bytes than the file holds")

    torch.save({"a": torch.zeros(1)}, path, _use_new_zipfile_serialization=False)
    refused(path, "expected the zip archive torch.save has written since torch 1.6")


def test_a_model_saved_as_a_program(tmp_path: Path) -> None:
    """As `DAC.save` of its authors does unless told otherwise."""
    path = tmp_path / "x.pth"
    with warnings.catch_warnings(), torch.package.PackageExporter(path) as exporter:
        warnings.simplefilter("ignore", UserWarning)  # torch's, about its own storages
        exporter.save_pickle("DAC", "DAC.pth", {"a": torch.zeros(2)})
    refused(path, "expected a state dict, got a torch.package")
    refused(path, "save the model again with save(path, package=False)")


def test_stride_zero_tensor_of_the_right_shape(tmp_path: Path) -> None:
    state = {name: torch.from_numpy(array) for name, array in WEIGHTS.items()}
    state["encoder.layers.0.conv.weight"] = torch.zeros(1).expand(2, 1, 7)
    torch.save(state, tmp_path / "x.th")
    refused(tmp_path / "x.th", "takes 56 bytes, its storage holds 4")


def test_torch_views_are_read_as_they_look(tmp_path: Path) -> None:
    name = "encoder.layers.13.lstm.weight_ih_l0"
    state = OrderedDict((key, torch.from_numpy(array)) for key, array in WEIGHTS.items())
    state[name] = torch.from_numpy(WEIGHTS[name].T.copy()).T
    torch.save(state, tmp_path / "x.th")
    loaded = load_weights(tmp_path / "x.th", SPEC)[name]
    assert loaded.flags.c_contiguous
    np.testing.assert_array_equal(loaded, WEIGHTS[name], strict=True)


def test_torch_too_old_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_file(tmp_path / "x.th", _state(b"K\x01"))
    for version in ("2.5.1+cu121", "1.13.1"):
        monkeypatch.setattr(torch, "__version__", version)
        refused(tmp_path / "x.th", f"needs torch >= 2.6, got {version}")
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(tmp_path / "x.th", "reading .th files needs torch: pip install 'hopcodec[torch]'")


def test_torch_is_never_asked_to_load_unsafely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, object]] = []

    def load(file: object, **options: object) -> object:
        calls.append(options)
        raise pickle.UnpicklingError("refused")

    monkeypatch.setattr(torch, "load", load)
    refused(torch_file(tmp_path / "x.th", b"\x80\x02}."), "malformed: UnpicklingError: refused")
    assert calls == [{"map_location": "cpu", "weights_only": True}]


def test_safetensors_need_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_weights(path, SPEC, WEIGHTS)
    path.with_name("bf16.safetensors").write_bytes(_as_bfloat16(path.read_bytes()))
    program = (
        "import dataclasses, sys; sys.modules['torch'] = None\n"
        "from hopcodec.weights.formats._safetensors import read_safetensors\n"
        "for path in sys.argv[1:]:\n"
        "    tensors = read_safetensors(open(path, 'rb').read())[0]\n"
        "    print(sum(t.read().size for t in tensors.values()))\n"
    )
    names = [str(path), str(path.with_name("bf16.safetensors"))]
    result = subprocess.run(
        [sys.executable, "-c", program, *names], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(sum(array.size for array in WEIGHTS.values()))] * 2


def _as_bfloat16(data: bytes) -> bytes:
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    for name, row in table.items():
        if name != "__metadata__":
            row.update(dtype="BF16", data_offsets=[offset // 2 for offset in row["data_offsets"]])
    text = json.dumps(table).encode()
    upper = np.frombuffer(data[8 + size :], "<u2")[1::2].tobytes()
    return struct.pack("<Q", len(text)) + text + upper
