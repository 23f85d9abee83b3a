"""Check what a torch file holds before torch loads it.

`torch.load(weights_only=True)` runs no code of the file's, but it does what a pickle asks:

* it unpacks compressed records of any size: the archive must be stored plainly;
* it calls `bytearray(n)` for any n, and `OrderedDict(d)` copies `d` with each of a million
  instructions: only the calls that a state dict needs are let through, with their number of
  arguments, which takes a stack to know;
* it finds a record by its name without regard to case, as no other reader does: only the records
  that `torch.save` writes are let through, each under its exact name, so that what is checked here
  is what torch reads;
* it hashes a dictionary's keys, and a tuple of references to a tuple of references takes
  exponential time: a key must not be a tuple.

No limit on the file's size covers the calls and the keys, so the pickle's instructions are followed
here without their values.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile

from hopcodec.errors import WeightsError
from hopcodec.weights._limits import MAX_HEADER_BYTES, MAX_TENSORS

_MAX_RECORDS = MAX_TENSORS + 16  # one per tensor, and a few about the archive itself
_OF_A_PACKAGE = "/.data/extern_modules"  # torch.package's list of what a program imports
# What torch.save writes into its one folder.
_RECORD = re.compile(
    r"data\.pkl|byteorder|version|data/\d+|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id"
)
_DIRECTORY_ENTRY = b"PK\x01\x02"

# The functions that may be called, and their numbers of arguments.
_CALLABLE = {
    "collections OrderedDict": {0},
    "torch._utils _rebuild_tensor_v2": {6, 7},
    "torch._utils _rebuild_parameter": {3},
}
_STORAGES = {
    f"torch {kind}Storage"
    for kind in (
        "Float", "Half", "BFloat16", "Double", "Bool", "Byte", "Char", "Short", "Int", "Long",
    )
}  # fmt: skip
_FIXED_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUSHES = {
    "EMPTY_DICT", "EMPTY_LIST", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2",
    "BINFLOAT", "BINUNICODE", "LONG1",
}  # fmt: skip
_MARK = object()
_VALUE = object()  # anything that is neither a global nor a tuple


def _said(item: object) -> str:
    return "something" if item is _VALUE or item is _MARK else str(item)


class _Pickle:
    """Follow a pickle without its values. An int on the stack is a tuple of so many items."""

    def __init__(self, most_builds: int) -> None:
        self.most_builds = most_builds
        self.stack: list[object] = []
        self.memo: dict[int, object] = {}
        self.tensors = 0
        self.builds = 0

    def step(self, op: str, arg: object) -> None:
        stack = self.stack
        if op in _PUSHES:
            stack.append(_VALUE)
        elif op == "MARK":
            stack.append(_MARK)
        elif op in ("BINPUT", "LONG_BINPUT"):
            assert isinstance(arg, int)
            self.memo[arg] = stack[-1]
        elif op in ("BINGET", "LONG_BINGET"):
            assert isinstance(arg, int)
            stack.append(self.memo[arg])
        elif op == "GLOBAL":
            if arg not in _CALLABLE and arg not in _STORAGES:
                raise WeightsError(f"the pickle asks for {arg!r}: a state dict holds tensors only")
            stack.append(arg)
        elif op in _FIXED_TUPLES:
            self.pop(_FIXED_TUPLES[op])
            stack.append(_FIXED_TUPLES[op])
        elif op == "TUPLE":
            stack.append(len(self.pop_to_mark()))
        elif op == "APPENDS":
            self.pop_to_mark()
        elif op == "SETITEMS":
            self.check_keys(self.pop_to_mark()[::2])
        elif op == "SETITEM":
            self.check_keys(self.pop(2)[:1])
        elif op == "APPEND":
            self.pop(1)
        elif op == "BINPERSID":
            self.count_tensor()
            self.pop(1)
            stack.append(_VALUE)
        elif op == "REDUCE":
            self.reduce()
        elif op == "BUILD":
            self.build()
        elif op not in ("PROTO", "STOP"):
            raise WeightsError(f"the pickle uses {op}: torch.save writes no such thing")

    def pop(self, count: int) -> list[object]:
        if count > len(self.stack):
            raise WeightsError("the pickle takes more from its stack than it put there")
        at = len(self.stack) - count
        taken = self.stack[at:]
        del self.stack[at:]
        return taken

    def pop_to_mark(self) -> list[object]:
        taken: list[object] = []
        while (item := self.stack.pop()) is not _MARK:
            taken.append(item)
        return taken[::-1]

    def check_keys(self, keys: list[object]) -> None:
        if any(isinstance(key, int) for key in keys):
            raise WeightsError("the pickle uses a tuple as a key: a state dict has names")

    def reduce(self) -> None:
        function, arguments = self.stack[-2:]
        if arguments not in _CALLABLE.get(str(function), ()):
            raise WeightsError(
                f"the pickle calls {_said(function)} with {_said(arguments)} arguments"
            )
        self.pop(2)
        self.stack.append(_VALUE)

    def build(self) -> None:
        # The attribute `_metadata` of a state dict; each such call copies a dictionary.
        self.builds += 1
        if self.builds > self.most_builds:
            raise WeightsError(f"the pickle sets attributes more often than {self.most_builds}")
        self.pop(1)

    def count_tensor(self) -> None:
        self.tensors += 1
        if self.tensors > MAX_TENSORS:
            raise WeightsError(f"more than the {MAX_TENSORS} tensors allowed")


def _check_pickle(code: bytes, state_dicts: int) -> None:
    machine = _Pickle(state_dicts)
    for op, arg, _ in pickletools.genops(code):
        machine.step(op.name, arg)


def check_archive(data: bytes, state_dicts: int = 1) -> None:
    """Raise WeightsError unless `data` stores at most so many state dicts, plainly.

    Any other exception means that the zip or the pickle is malformed.
    """
    if not data.startswith(b"PK\x03\x04"):
        raise WeightsError(
            "expected the zip archive torch.save has written since torch 1.6, got something else; "
            "load and save it again with a newer torch if the file is older"
        )
    # zipfile reads the whole directory at once, so bound its length first.
    if data.count(_DIRECTORY_ENTRY) > _MAX_RECORDS:
        raise WeightsError(f"more than the {_MAX_RECORDS} records allowed")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = archive.infolist()
        if len({record.filename for record in records}) != len(records):
            raise WeightsError("a record of the archive is given twice")
        if any(record.filename.endswith(_OF_A_PACKAGE) for record in records):
            raise WeightsError(
                "expected a state dict, got a torch.package, a program with its weights, which is "
                "not run: save the model again with save(path, package=False)"
            )
        for record in records:
            if record.compress_type != zipfile.ZIP_STORED or record.flag_bits & 1:
                raise WeightsError(f"record {record.filename}: expected it stored plainly")
        if sum(record.file_size for record in records) > len(data):
            raise WeightsError("the archive's records claim more bytes than the file holds")
        folder = records[0].filename.partition("/")[0] if records else ""
        for record in records:
            root, _, name = record.filename.partition("/")
            if root != folder or not _RECORD.fullmatch(name):
                raise WeightsError(
                    f"record {record.filename!r:.100}: expected what torch.save writes into one "
                    "folder: data.pkl, data/0, version and the like"
                )
        pickles = [record for record in records if record.filename == f"{folder}/data.pkl"]
        if len(pickles) != 1:
            raise WeightsError("expected a data.pkl in the archive, got none")
        if pickles[0].file_size > MAX_HEADER_BYTES:
            raise WeightsError(f"data.pkl is larger than the {MAX_HEADER_BYTES} bytes allowed")
        _check_pickle(archive.read(pickles[0]), state_dicts)
