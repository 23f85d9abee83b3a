"""Codes with scales as a value: parts, sums, equality, arrays, and what is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from segmented_models import tiny_48khz

from hopcodec import Codes
from hopcodec.codec import Segment
from hopcodec.codec._codes import join_codes, same_codes

SAMPLES = 3200  # of a segment of the tiny codec


def noise(samples: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((2, samples))).astype(np.float32)


def test_what_segmented_codes_refuse() -> None:
    codes = np.zeros((2, 3), np.uint16)
    with pytest.raises(TypeError, match="expected a C-contiguous uint16 array"):
        Codes([Segment(codes.astype(np.int32), np.float32(1))], 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"segment 0: expected codes of shape \(3, at least 1\)"):
        Codes([Segment(codes, np.float32(1))], 3)
    with pytest.raises(TypeError, match="at least 1"):
        Codes([Segment(codes[:, :0].copy(), np.float32(1))], 2)
    with pytest.raises(TypeError, match="expected a float32 scale, got float"):
        Codes([Segment(codes, 1.0)], 2)  # type: ignore[arg-type]
    for scale in (np.nan, np.inf, -1, 2049):
        with pytest.raises(ValueError, match="expected a scale from 0 to 2048"):
            Codes([Segment(codes, np.float32(scale))], 2)
    assert Codes([], 2).shape == (2, 0)
    with pytest.raises(ValueError, match="at least one, got none"):
        join_codes([])


def test_codes_are_a_value() -> None:
    whole = tiny_48khz().encode(noise(2 * SAMPLES), 1.8)
    assert whole.segments == tuple(whole)
    assert tiny_48khz().join(whole[at : at + 1] for at in range(len(whole))) == whole
    assert whole[:1] + whole[1:] == whole != whole[:1] + whole[:1]
    with pytest.raises(TypeError, match="does not support ufuncs"):
        whole + whole[0].codes  # type: ignore[operator]
    array = np.asarray(whole)
    assert array.dtype == np.uint16
    assert array.shape == whole.shape == (2, 10 + 10 + 1)
    np.testing.assert_array_equal(array[:, :10], whole[0].codes)
    assert np.asarray(whole[:0]).shape == (2, 0)
    assert array != whole
    assert not same_codes(array, whole)
    louder = Codes([Segment(part.codes, part.scale * 2) for part in whole], 2)
    assert not same_codes(louder, whole)
    assert same_codes(np.asarray(louder), array)
    with pytest.raises(TypeError, match="expected arrays or Codes, got both"):
        join_codes([whole, array])
    with pytest.raises(TypeError, match=r"expected one number of codebooks, got \[1, 2\]"):
        join_codes([array, array[:1]])
