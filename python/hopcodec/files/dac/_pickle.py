"""What `numpy.save` writes for a dictionary of numbers and arrays, read without unpickling.

Such a file is a pickle, and `pickle.load` runs whatever a pickle asks for. The few instructions
that numpy and the pickle protocols 2 to 5 need for this one structure are read here instead: names
of functions are compared with the four that numpy writes and never looked up, bytes are slices of
the file, and any other instruction is refused by name.

    PROTO n, FRAME                      which protocol; how the bytes are grouped
    numpy.core.multiarray._reconstruct  an empty array, then BUILD (1, shape, dtype, order, data)
    numpy.core.numeric._frombuffer      the same in one call (protocol 5)
    numpy.dtype ('u2', False, True)     then BUILD (3, '<', None, None, None, -1, -1, 0)
    _codecs.encode (text, 'latin1')     bytes in protocol 2

numpy 2 calls its folder `numpy._core`; both names are read.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from hopcodec.errors import BitstreamError

_MAX_STEPS: Final = 1000  # a `.dac` file takes about 140
_MAX_ENCODED: Final = 8  # strings turned to bytes; each may be as long as the file
_MAX_DIMS: Final = 8
_MARK: Final = object()

_NAMES: Final = (
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.numeric._frombuffer",
    "_codecs.encode",
)
_DTYPES: Final = ("u2", "f4", "O8")
_OPCODES: Final = {op.code.encode("latin1"): op.name for op in pickletools.opcodes}


class _Name:
    """A function or class the pickle mentions; only ever compared."""

    def __init__(self, text: str) -> None:
        self.text = text


class _DType:
    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"


class ArrayRecord:
    """An array as the file describes it; `array` checks it and makes it one."""

    def __init__(self) -> None:
        self.shape: Any = None
        self.dtype: Any = None
        self.fortran: Any = False
        self.data: Any = None

    @property
    def code(self) -> str:
        """Type of its numbers: "u2", "f4" or, of objects, "O8"; "" while it is empty."""
        return self.dtype.code if isinstance(self.dtype, _DType) else ""

    def array(self, code: str) -> npt.NDArray[Any]:
        """The numbers, of type `code`, in the machine's own byte order."""
        _expect(self.code == code, f"an array of {code}", self.code or "an empty one")
        shape = _shape(self.shape)
        item = int(code[1:])
        held = len(self.data) if isinstance(self.data, (bytes, memoryview)) else -1
        if held != prod(shape) * item:
            raise BitstreamError(
                f"array of {code} {shape}: expected {prod(shape) * item} bytes, "
                f"got {held if held >= 0 else type(self.data).__name__}"
            )
        flat = np.frombuffer(self.data, dtype=self.dtype.order + code)
        native = flat.astype(np.dtype(code))
        return native.reshape(shape, order="F" if self.fortran else "C")


def parse_object(code: bytes) -> object:
    """The one Python object in a pickled 0-dimensional object array.

    Dictionaries, tuples, numbers and strings as they are, arrays as `ArrayRecord`.

    Raises
    ------
    BitstreamError
        Anything but what numpy writes for such an object. Nothing is called, imported or
        allocated beyond a small multiple of `code`.
    """
    try:
        outer = _Machine(code).run()
    except (IndexError, KeyError, struct.error, UnicodeError):
        raise BitstreamError(
            "pickle: it takes more from its stack, memo or bytes than is there"
        ) from None
    _expect(isinstance(outer, ArrayRecord), "an array", outer)
    assert isinstance(outer, ArrayRecord)
    _expect(outer.code == "O8" and outer.shape == (), "one object", f"{outer.code} array")
    _expect(isinstance(outer.data, list) and len(outer.data) == 1, "one object", outer.data)
    return outer.data[0]


class _Machine:
    """Runs the known instructions on plain values."""

    def __init__(self, code: bytes) -> None:
        self._code = memoryview(code)
        self._at = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._encoded = 0

    def run(self) -> object:
        for _ in range(_MAX_STEPS):
            op = bytes(self._take(1))
            if op == b".":
                _expect(len(self._stack) == 1, "one value at the end", f"{len(self._stack)}")
                left = len(self._code) - self._at
                _expect(left == 0, "the file to end with its pickle", f"{left} more bytes")
                return self._stack[0]
            step = _STEPS.get(op)
            if step is None:
                name = _OPCODES.get(op, f"byte {op[0]}")
                raise BitstreamError(f"pickle: {name} at byte {self._at - 1} has no place in it")
            step(self)
        raise BitstreamError(f"pickle: expected at most {_MAX_STEPS} instructions, got more")

    def _take(self, count: int) -> memoryview:
        if count > len(self._code) - self._at:
            raise BitstreamError(
                f"truncated: the pickle wants {count} bytes, {len(self._code) - self._at} are left"
            )
        self._at += count
        return self._code[self._at - count : self._at]

    def _number(self, form: str) -> int:
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def _line(self) -> str:
        line = bytes(self._code[self._at : self._at + 80]).partition(b"\n")
        if not line[1]:
            raise BitstreamError("pickle: a name without an end")
        self._at += len(line[0]) + 1
        return line[0].decode("ascii")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop_to_mark(self) -> list[Any]:
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise IndexError
        values = self._stack[at + 1 :]
        del self._stack[at:]
        return values

    def _tuple(self, count: int) -> None:
        _expect(count <= len(self._stack), f"{count} values on the stack", len(self._stack))
        values = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        self._push(values)

    def protocol(self) -> None:
        version = self._number("B")
        _expect(2 <= version <= 5 and self._at == 2, "protocol 2 to 5", version)

    def frame(self) -> None:
        size = self._number("<Q")
        left = len(self._code) - self._at
        _expect(size <= left, f"a frame of at most {left} bytes", size)

    def text(self, form: str) -> None:
        self._push(str(self._take(self._number(form)), "utf-8"))

    def data(self, form: str) -> None:
        self._push(self._take(self._number(form)))

    def integer(self, form: str) -> None:
        self._push(self._number(form))

    def long_integer(self) -> None:
        size = self._number("B")
        _expect(size <= 8, "an integer of at most 8 bytes", size)
        self._push(int.from_bytes(self._take(size), "little", signed=True))

    def name(self) -> None:
        module, attribute = self._line(), self._line()
        self._push_name(module, attribute)

    def stacked_name(self) -> None:
        attribute, module = self._stack.pop(), self._stack.pop()
        self._push_name(module, attribute)

    def _push_name(self, module: object, attribute: object) -> None:
        text = f"{module}.{attribute}" if type(module) is type(attribute) is str else "no name"
        known = text.replace("numpy._core.", "numpy.core.", 1)
        if known not in _NAMES:
            raise BitstreamError(
                f"pickle: it asks for {text[:80]!r}: codes and numbers need no such thing, "
                "and nothing in the file is run"
            )
        self._push(_Name(known))

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def put(self, form: str) -> None:
        self._memo[self._number(form)] = self._stack[-1]

    def get(self, form: str) -> None:
        self._push(self._memo[self._number(form)])

    def append(self) -> None:
        value, target = self._stack.pop(), self._stack[-1]
        _expect(isinstance(target, list) and not target, "an empty list to append to", target)
        target.append(value)

    def set_items(self) -> None:
        self._set(self._pop_to_mark())

    def set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        _expect(isinstance(target, dict), "a dictionary to fill", target)
        _expect(len(items) % 2 == 0, "keys with a value each", "a key too many")
        for key, value in zip(items[::2], items[1::2], strict=True):
            _expect(isinstance(key, str), "keys that are text", key)
            _expect(key not in target, "each key once", f"{key[:40]!r} twice")
            target[key] = value

    def reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        _expect(isinstance(function, _Name), "a call of something named", function)
        _expect(isinstance(arguments, tuple), "a tuple of arguments", arguments)
        match function.text:
            case "numpy.core.multiarray._reconstruct":
                _expect(_is_reconstruct(arguments), "_reconstruct(ndarray, (0,), b'b')", arguments)
                self._push(ArrayRecord())
            case "numpy.core.numeric._frombuffer":
                self._push(_from_buffer(arguments))
            case "numpy.dtype":
                _expect(_is_dtype(arguments), f"a dtype of {', '.join(_DTYPES)}", arguments)
                self._push(_DType(arguments[0]))
            case "_codecs.encode":
                self._push(self._encode(arguments))
            case _:
                raise BitstreamError(
                    f"pickle: it calls {function.text}, expected an array or dtype"
                )

    def _encode(self, arguments: tuple[Any, ...]) -> bytes:
        self._encoded += 1
        known = len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] == "latin1"
        _expect(known and self._encoded <= _MAX_ENCODED, "few strings to encode", arguments)
        return str(arguments[0]).encode("latin1")

    def build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, ArrayRecord):
            known = isinstance(state, tuple) and len(state) == 5 and state[0] == 1
            _expect(known and target.data is None, "an array's state, once", state)
            _, target.shape, target.dtype, target.fortran, target.data = state
            _expect(isinstance(target.fortran, bool), "the array's order", target.fortran)
        elif isinstance(target, _DType):
            known = isinstance(state, tuple) and len(state) == 8 and state[0] == 3
            _expect(known and state[2:5] == (None,) * 3, "a plain dtype's state", state)
            order = state[1]
            _expect(order in ("<", ">", "|") if type(order) is str else False, "an order", order)
            target.order = order
        else:
            raise BitstreamError(f"pickle: it sets attributes of a {_kind(target)}")


def _is_reconstruct(arguments: tuple[Any, ...]) -> bool:
    if len(arguments) != 3 or not isinstance(arguments[0], _Name):
        return False
    plain = type(arguments[1]) is tuple and arguments[1] in ((0,), ())
    return arguments[0].text == "numpy.ndarray" and plain and arguments[2] == b"b"


def _is_dtype(arguments: tuple[Any, ...]) -> bool:
    if len(arguments) != 3 or type(arguments[0]) is not str:
        return False
    return arguments[0] in _DTYPES and (arguments[1], arguments[2]) == (False, True)


def _from_buffer(arguments: tuple[Any, ...]) -> ArrayRecord:
    known = len(arguments) == 4 and type(arguments[3]) is str and arguments[3] in ("C", "F")
    _expect(known, "_frombuffer(data, dtype, shape, order)", arguments)
    record = ArrayRecord()
    record.data, record.dtype, record.shape = arguments[:3]
    record.fortran = arguments[3] == "F"
    return record


def _shape(value: object) -> tuple[int, ...]:
    """A shape whose product cannot run away: each size is below 2**32."""
    known = type(value) is tuple and len(value) <= _MAX_DIMS
    if not known or not all(type(n) is int and 0 <= n < 1 << 32 for n in value):  # type: ignore[attr-defined]
        raise BitstreamError("array: expected a shape of few sizes, got something else")
    assert isinstance(value, tuple)
    return value


def _kind(value: object) -> str:
    """What a value is, in words; never its contents, which a file may make endless."""
    if isinstance(value, (str, int)):
        return repr(value)[:80]
    if isinstance(value, _Name):
        return value.text
    return type(value).__name__.lstrip("_")


def _expect(condition: bool, expected: str, got: object) -> None:
    if not condition:
        said = got if isinstance(got, str) else _kind(got)
        raise BitstreamError(f"pickle: expected {expected}, got {said[:80]}")


_STEPS: Final[dict[bytes, Callable[[_Machine], None]]] = {
    b"\x80": _Machine.protocol,
    b"\x95": _Machine.frame,
    b"(": lambda m: m._push(_MARK),
    b")": lambda m: m._push(()),
    b"}": lambda m: m._push({}),
    b"]": lambda m: m._push([]),
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"\x85": lambda m: m._tuple(1),
    b"\x86": lambda m: m._tuple(2),
    b"\x87": lambda m: m._tuple(3),
    b"t": lambda m: m._push(tuple(m._pop_to_mark())),
    b"K": lambda m: m.integer("B"),
    b"M": lambda m: m.integer("<H"),
    b"J": lambda m: m.integer("<i"),
    b"\x8a": _Machine.long_integer,
    b"\x8c": lambda m: m.text("B"),
    b"X": lambda m: m.text("<I"),
    b"C": lambda m: m.data("B"),
    b"B": lambda m: m.data("<I"),
    b"\x8e": lambda m: m.data("<Q"),
    b"\x96": lambda m: m.data("<Q"),  # a bytearray
    b"c": _Machine.name,
    b"\x93": _Machine.stacked_name,
    b"\x94": _Machine.memoize,
    b"q": lambda m: m.put("B"),
    b"r": lambda m: m.put("<I"),
    b"h": lambda m: m.get("B"),
    b"j": lambda m: m.get("<I"),
    b"a": _Machine.append,
    b"u": _Machine.set_items,
    b"s": _Machine.set_item,
    b"R": _Machine.reduce,
    b"b": _Machine.build,
}
