"""Read the pickle that `numpy.save` writes for a dictionary of numbers and arrays.

`pickle.load` runs whatever a pickle asks for. Here the pickle machine knows the five names that
NumPy writes and gives an inert stand-in for each. It refuses any other name. A first pass over the
instructions refuses those that such a file does not need, and bounds what the others allocate.

    numpy.core.multiarray._reconstruct  an empty array, then BUILD (1, shape, dtype, order, data)
    numpy.core.numeric._frombuffer      the same in one call (protocol 5)
    numpy.ndarray                       an argument of _reconstruct
    numpy.dtype ('u2', False, True)     then BUILD (3, '<', None, None, None, -1, -1, 0)
    _codecs.encode (text, 'latin1')     bytes in protocol 2

NumPy 2 calls its folder `numpy._core`. Both names are read.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from math import prod
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from hopcodec.errors import BitstreamError

_MAX_STEPS: Final = 1000  # a `.dac` file takes about 140
_MAX_REFERENCES: Final = 20  # a `.dac` file takes at most 13
_MAX_ENCODED: Final = 8  # strings turned into bytes, each of which may be as long as the file
_MAX_DIMS: Final = 8

_OPCODES: Final = {
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2",
    "LONG1", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "EMPTY_LIST", "APPEND",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET",
    "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
}  # fmt: skip
_DTYPES: Final = ("u2", "f4", "O8")


def parse_object(code: bytes) -> object:
    """Return the one Python object in a pickled 0-dimensional object array.

    Dictionaries, tuples, numbers and strings come as they are, arrays as `ArrayRecord`.

    Raises
    ------
    BitstreamError
        The pickle is not what numpy writes for such an object. Nothing is called, imported or
        allocated beyond a small multiple of `code`.
    """
    try:
        _check_instructions(code)
        outer = _Unpickler(io.BytesIO(code)).load()
    except BitstreamError:
        raise
    except Exception as error:  # a malformed pickle raises many kinds
        raise BitstreamError(f"pickle: malformed: {str(error)[:200]}") from None
    if not isinstance(outer, ArrayRecord):
        _refuse("an array", outer)
    data = outer.data
    if outer.code != "O8" or outer.shape != () or not isinstance(data, list) or len(data) != 1:
        _refuse("an array of one object", f"one of {outer.code}")
    value: object = data[0]
    return value


def _check_instructions(code: bytes) -> None:
    """Refuse unknown instructions, too many, and those that allocate more than they bring."""
    references = 0
    for step, (op, arg, at) in enumerate(pickletools.genops(code)):
        number = arg if isinstance(arg, int) else 0
        left = len(code) - (at or 0) - 1
        if op.name not in _OPCODES:
            raise BitstreamError(f"pickle: {op.name} at byte {at} has no place in it")
        if (op.name == "PROTO") != (step == 0) or (step == 0 and not 2 <= number <= 5):
            _refuse("protocol 2 to 5", number)
        if op.name == "FRAME" and number > left - 8:
            _refuse(f"a frame of at most {left - 8} bytes", number)
        if op.name in ("BINPUT", "LONG_BINPUT") and number >= _MAX_STEPS:
            _refuse(f"at most {_MAX_STEPS} values to remember", number)
        # A tuple of n references, each to the one before, takes 2**n steps to hash.
        references += op.name in ("BINGET", "LONG_BINGET")
        if step >= _MAX_STEPS or references > _MAX_REFERENCES:
            _refuse(f"at most {_MAX_STEPS} instructions and {_MAX_REFERENCES} references", "more")
        if op.name == "STOP" and left > 0:
            _refuse("the file to end with its pickle", f"{left} more bytes")


class _Unpickler(pickle.Unpickler):
    """A pickle machine that finds stand-ins for five names and nothing else."""

    encoded = 0

    def find_class(self, module: str, name: str) -> _Call:
        """Return the stand-in of a name that numpy writes."""
        known = f"{module}.{name}".replace("numpy._core.", "numpy.core.", 1)
        if known not in _CALLS:
            raise BitstreamError(
                f"pickle: it asks for {known[:80]!r}: codes and numbers need no such thing, "
                "and nothing in the file is run"
            )
        return _Call(known, self)


class _Call:
    """The stand-in of a function or class of NumPy. Calling it checks the arguments."""

    def __init__(self, text: str, owner: _Unpickler) -> None:
        self.text, self._owner = text, owner

    def __call__(self, *arguments: Any) -> object:
        return _CALLS[self.text](self._owner, *arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise BitstreamError(f"pickle: it sets attributes of {self.text}")


class _DType:
    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 8 or state[0] != 3:
            _refuse("a dtype's state", state)
        if state[2:5] != (None,) * 3 or state[1] not in ("<", ">", "|"):
            _refuse("a plain dtype's state", state)
        self.order = state[1]


class ArrayRecord:
    """An array as the file describes it. `array` checks it and makes it one."""

    def __init__(
        self, data: Any = None, dtype: Any = None, shape: Any = None, fortran: bool = False
    ) -> None:
        self.data, self.dtype, self.shape, self.fortran = data, dtype, shape, fortran

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or state[0] != 1:
            _refuse("an array's state", state)
        if self.data is not None or not isinstance(state[3], bool):
            _refuse("an array's state, once", state)
        _, self.shape, self.dtype, self.fortran, self.data = state

    @property
    def code(self) -> str:
        """Type of its items: "u2", "f4", "O8" for objects, or "" while it is empty."""
        return self.dtype.code if isinstance(self.dtype, _DType) else ""

    def array(self, code: str) -> npt.NDArray[Any]:
        """Return the numbers, of type `code`, in the machine's own byte order."""
        if self.code != code:
            _refuse(f"an array of {code}", self.code or "an empty one")
        shape = _shape(self.shape)
        expected = prod(shape) * int(code[1:])
        held = len(self.data) if isinstance(self.data, (bytes, bytearray)) else -1
        if held != expected:
            got = held if held >= 0 else _kind(self.data)
            raise BitstreamError(f"array of {code} {shape}: expected {expected} bytes, got {got}")
        flat = np.frombuffer(self.data, dtype=self.dtype.order + code)
        native = flat.astype(np.dtype(code))
        return native.reshape(shape, order="F" if self.fortran else "C")


def _reconstruct(_: _Unpickler, *arguments: Any) -> ArrayRecord:
    if len(arguments) != 3 or not isinstance(arguments[0], _Call):
        _refuse("_reconstruct(ndarray, (0,), b'b')", arguments)
    empty = type(arguments[1]) is tuple and arguments[1] in ((0,), ())
    if arguments[0].text != "numpy.ndarray" or not empty or arguments[2] != b"b":
        _refuse("_reconstruct(ndarray, (0,), b'b')", arguments)
    return ArrayRecord()


def _from_buffer(_: _Unpickler, *arguments: Any) -> ArrayRecord:
    if len(arguments) != 4 or arguments[3] not in ("C", "F"):
        _refuse("_frombuffer(data, dtype, shape, order)", arguments)
    return ArrayRecord(*arguments[:3], fortran=arguments[3] == "F")


def _dtype(_: _Unpickler, *arguments: Any) -> _DType:
    if len(arguments) != 3 or arguments[0] not in _DTYPES or arguments[1:] != (False, True):
        _refuse(f"a dtype of {', '.join(_DTYPES)}", arguments)
    return _DType(arguments[0])


def _encode(owner: _Unpickler, *arguments: Any) -> bytes:
    owner.encoded += 1
    if len(arguments) != 2 or type(arguments[0]) is not str or arguments[1] != "latin1":
        _refuse("a string to encode as latin1", arguments)
    if owner.encoded > _MAX_ENCODED:
        _refuse(f"at most {_MAX_ENCODED} strings to encode", "more")
    return str(arguments[0]).encode("latin1")


def _ndarray(_: _Unpickler, *arguments: Any) -> NoReturn:
    raise BitstreamError("pickle: it calls numpy.ndarray, expected an array or dtype")


_CALLS: Final[dict[str, Any]] = {
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.ndarray": _ndarray,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
}


def _shape(value: object) -> tuple[int, ...]:
    """Return a shape of few sizes below 2**32, whose product is bounded."""
    if not isinstance(value, tuple) or len(value) > _MAX_DIMS:
        _refuse("a shape of few sizes", value)
    if not all(type(n) is int and 0 <= n < 1 << 32 for n in value):
        _refuse("a shape of few sizes", value)
    return value


def _kind(value: object) -> str:
    """Describe a value, without the contents of one that a file may make endless."""
    if isinstance(value, int):
        return repr(value)[:80]
    return value.text if isinstance(value, _Call) else type(value).__name__.lstrip("_")


def _refuse(expected: str, got: object) -> NoReturn:
    said = got if isinstance(got, str) else _kind(got)
    raise BitstreamError(f"pickle: expected {expected}, got {said[:80]}")
