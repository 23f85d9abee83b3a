"""What the ops refuse: nothing is converted, and a wrong shape is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hopcodec import _core, ops

Arrays = dict[str, npt.NDArray[Any]]


def zeros(*shape: int) -> npt.NDArray[np.float32]:
    return np.zeros(shape, np.float32)


# Every op with good arguments: the array ones, by name, and the rest.
OPS: dict[str, tuple[Callable[..., object], Callable[[], Arrays], dict[str, object]]] = {
    "causal_conv1d": (
        ops.causal_conv1d,
        lambda: {
            "x": zeros(2, 3, 8),
            "weight": zeros(4, 3, 3),
            "bias": zeros(4),
            "state": zeros(2, 3, 2),
        },
        {},
    ),
    "causal_conv1d, snake": (
        ops.causal_conv1d,
        lambda: {"x": zeros(2, 3, 8), "weight": zeros(4, 3, 3), "alpha": zeros(3)},
        {"activation": "snake"},
    ),
    "causal_conv_transpose1d": (
        ops.causal_conv_transpose1d,
        lambda: {
            "x": zeros(2, 3, 8),
            "weight": zeros(3, 4, 4),
            "bias": zeros(4),
            "state": zeros(2, 3, 1),
        },
        {"stride": 2},
    ),
    "lstm": (
        lambda h, c, **arrays: ops.lstm(**arrays, state=(h, c)),
        lambda: {
            "x": zeros(3, 8),
            "weight_ih": zeros(12, 3),
            "weight_hh": zeros(12, 3),
            "bias_ih": zeros(12),
            "bias_hh": zeros(12),
            "h": zeros(3),
            "c": zeros(3),
        },
        {},
    ),
    "rvq_encode": (ops.rvq_encode, lambda: {"x": zeros(3, 8), "codebooks": zeros(2, 5, 3)}, {}),
    "rvq_decode": (
        ops.rvq_decode,
        lambda: {"codes": np.zeros((2, 8), np.uint16), "codebooks": zeros(2, 5, 3)},
        {},
    ),
    "nearest_normalised": (
        ops.nearest_normalised,
        lambda: {"x": zeros(3, 8), "codebook": zeros(5, 3)},
        {},
    ),
    "snake": (ops.snake, lambda: {"x": zeros(2, 3, 8), "alpha": zeros(3)}, {}),
    "group_norm": (
        ops.group_norm,
        lambda: {"x": zeros(2, 4, 8), "weight": zeros(4), "bias": zeros(4)},
        {"groups": 2},
    ),
    "elu": (ops.elu, lambda: {"x": zeros(3, 8)}, {}),
    "tanh": (ops.tanh, lambda: {"x": zeros(3, 8)}, {}),
    "sigmoid": (ops.sigmoid, lambda: {"x": zeros(3, 8)}, {}),
}
ARGUMENTS = [(op, name) for op, (_, arrays, _) in OPS.items() for name in arrays()]


def strided(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Equal in shape and values, every second element of a larger array."""
    return np.repeat(a, 2, axis=-1)[..., ::2]


WRONG: dict[str, Callable[[npt.NDArray[Any]], object]] = {
    "float64": lambda a: a.astype(np.float64),
    "float16": lambda a: a.astype(np.float16),
    "int16": lambda a: a.astype(np.int16),
    "complex64": lambda a: a.astype(np.complex64),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "strided view": strided,
    "Fortran order": lambda a: np.asfortranarray(np.stack([a, a])),
    "list": lambda a: a.tolist(),
    "number": lambda a: 0.0,
}


def call(op: str, **changes: object) -> object:
    function, arrays, options = OPS[op]
    return function(**{**arrays(), **options, **changes})


@pytest.mark.parametrize("op", OPS)
def test_good_arguments_are_taken(op: str) -> None:
    """So that what follows is refused for its one wrong argument."""
    call(op)


@pytest.mark.parametrize(("op", "name"), ARGUMENTS)
@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_is_converted(op: str, name: str, wrong: str) -> None:
    good = OPS[op][1]()[name]
    with pytest.raises(TypeError):
        call(op, **{name: WRONG[wrong](good)})


# Any shape is an x for these.
POINTWISE = {"elu", "tanh", "sigmoid"}


@pytest.mark.parametrize(("op", "name"), [(o, n) for o, n in ARGUMENTS if o not in POINTWISE])
def test_wrong_ranks_are_refused(op: str, name: str) -> None:
    """TypeError where Python must tell one form from another, else ValueError with both shapes."""
    good = OPS[op][1]()[name]
    told_apart = (name == "x" and op not in ("rvq_encode", "nearest_normalised")) or (
        name == "weight" and "conv" in op
    )
    error = TypeError if told_apart else ValueError
    for wrong in (np.zeros((1, 1, 1, 1), good.dtype), np.zeros((), good.dtype)):
        with pytest.raises(error, match=r"expected"):
            call(op, **{name: wrong})


@pytest.mark.parametrize(("op", "name"), [(o, n) for o, n in ARGUMENTS if o not in POINTWISE])
def test_wrong_shapes_are_named(op: str, name: str) -> None:
    good = OPS[op][1]()[name]
    # More codebooks than codes need, or larger ones, are no mistake; fewer are.
    change = -1 if (op, name) == ("rvq_decode", "codebooks") else 1
    wrong = np.zeros([n + change for n in good.shape], good.dtype)
    with pytest.raises(ValueError, match=r"expected .*, got "):
        call(op, **{name: wrong})


@pytest.mark.parametrize(
    ("op", "changes"),
    [
        ("causal_conv1d", {"stride": 0}),
        ("causal_conv1d", {"stride": 4}),
        ("causal_conv1d", {"stride": -1}),
        ("causal_conv1d", {"dilation": 0}),
        ("causal_conv1d", {"activation": "relu"}),
        ("causal_conv1d", {"activation": "snake"}),
        ("causal_conv1d", {"weight": zeros(4, 3, 0)}),
        ("causal_conv1d", {"weight": zeros(0, 3, 3), "bias": zeros(0)}),
        ("causal_conv_transpose1d", {"stride": 0}),
        ("causal_conv_transpose1d", {"stride": -2}),
        ("causal_conv_transpose1d", {"stride": 5}),
        ("group_norm", {"groups": 3}),
        ("group_norm", {"groups": 0}),
        ("rvq_encode", {"codebooks": zeros(2, 0, 3)}),
        ("rvq_decode", {"codes": np.full((2, 8), 5, np.uint16)}),
        ("rvq_decode", {"codes": np.zeros((3, 8), np.uint16)}),
        ("nearest_normalised", {"codebook": zeros(0, 3)}),
        ("elu", {"isa": "sse2"}),
        ("causal_conv1d", {"isa": "sse2"}),
    ],
)
def test_values_that_make_no_sense(op: str, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        call(op, **changes)


def test_empty_signals_are_signals() -> None:
    """No time, no rows: an empty result and the state as it was."""
    state = np.ones((3, 2), np.float32)
    y, after = ops.causal_conv1d(zeros(3, 0), zeros(4, 3, 3), state=state)
    assert y.shape == (4, 0)
    assert np.array_equal(after, state)
    y, after = ops.causal_conv_transpose1d(zeros(3, 0), zeros(3, 4, 4), stride=2)
    assert (y.shape, after.shape) == ((4, 0), (3, 1))
    square, bias = zeros(12, 3), zeros(12)
    y, _ = ops.lstm(zeros(3, 0), square, square, bias, bias)
    assert y.shape == (3, 0)
    assert ops.rvq_encode(zeros(3, 0), zeros(2, 5, 3)).shape == (2, 0)
    assert ops.rvq_decode(np.zeros((2, 0), np.uint16), zeros(2, 5, 3)).shape == (3, 0)
    assert ops.nearest_normalised(zeros(3, 0), zeros(5, 3)).shape == (0,)
    assert ops.elu(zeros(0)).shape == (0,)
    assert ops.snake(zeros(3, 0), zeros(3)).shape == (3, 0)
    assert ops.group_norm(zeros(4, 0), 2, zeros(4), zeros(4)).shape == (4, 0)


def test_arguments_are_left_alone() -> None:
    for op, (function, arrays, options) in OPS.items():
        given = arrays()
        before = {name: a.copy() for name, a in given.items()}
        function(**given, **options)
        for name, a in before.items():
            assert np.array_equal(given[name], a), f"{op} wrote to its {name}"


@pytest.mark.parametrize("isa", _core.available_isas())
def test_the_environment_forces_an_isa(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOPCODEC_ISA", isa)
    assert _core.isa() == isa


def test_an_unknown_isa_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOPCODEC_ISA", "z80")
    with pytest.raises(ValueError, match="expected one of"):
        ops.elu(zeros(3))
