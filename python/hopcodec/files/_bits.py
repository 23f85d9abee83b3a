"""Fixed-width integers as a string of bits, least significant bit first.

Value `i` occupies bits `i*width .. (i+1)*width - 1` of the string; bit `j` of the string is bit
`j % 8` of byte `j // 8`. So four 10-bit codes a, b, c, d make five bytes:

    byte    0        1        2        3        4
    bits  aaaaaaaa bbbbbbaa ccccbbbb ddcccccc dddddddd      (each byte written high bit first)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def packed_bytes(count: int, width: int) -> int:
    """Count the bytes for `count` values of `width` bits. Zero bits fill the last byte."""
    return -(-count * width // 8)


def pack_bits(values: npt.NDArray[np.uint16], width: int) -> bytes:
    """Pack `values` (1-D, each below `2**width`) at `width` bits apiece, 1 to 16.

    Raises
    ------
    ValueError
        A value does not fit, or `width` is out of range.
    """
    _check_width(width)
    if values.size and int(values.max()) >> width:
        at = int(np.argmax(values >> width != 0))
        raise ValueError(f"value {int(values[at])} at {at} does not fit in {width} bits")
    places = np.arange(width, dtype=np.uint16)
    bits = (values[:, None] >> places) & np.uint16(1)
    return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little").tobytes()


def unpack_bits(data: bytes, width: int, count: int) -> npt.NDArray[np.uint16]:
    """Read `count` values of `width` bits from `data`, as the inverse of `pack_bits`.

    Raises
    ------
    ValueError
        `data` is not `packed_bytes(count, width)` long, or its padding bits are not zero.
    """
    _check_width(width)
    if len(data) != packed_bytes(count, width):
        raise ValueError(
            f"{count} values of {width} bits: expected {packed_bytes(count, width)} bytes, "
            f"got {len(data)}"
        )
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    if bits[count * width :].any():
        raise ValueError("the padding bits of the last byte are not zero")
    places = np.arange(width, dtype=np.uint16)
    rows = bits[: count * width].reshape(count, width).astype(np.uint16)
    values: npt.NDArray[np.uint16] = np.bitwise_or.reduce(rows << places, axis=1, dtype=np.uint16)
    return values


def _check_width(width: int) -> None:
    if not 1 <= width <= 16:
        raise ValueError(f"width: expected 1 to 16 bits, got {width}")
