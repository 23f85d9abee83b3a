"""Every kernel against its float64 specification, on every instruction set this machine has.

The sizes straddle the vector width and the panel width. A result is compared three ways: within a
tolerance of tests/reference, bit for bit with every other instruction set, and bit for bit with
itself when the signal comes in pieces.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from reference import activations
from reference.conv1d import conv1d
from reference.conv_transpose1d import conv_transpose1d
from reference.group_norm import group_norm
from reference.lstm import lstm
from reference.rvq import nearest_normalised, rvq_encode
from reference.tolerances import EPS, TOLERANCE, ULP, worst_ulp

from hopcodec import _core, ops

Array = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]

ISAS = _core.available_isas()
W = 16
SIZES = (1, W - 1, W, W + 1, 3 * W, 8 * W + 2)
KERNELS = (1, 2, 3, 7, 16)
STRIDES = (1, 2, 4, 5, 8)
DILATIONS = (1, 3, 9)


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, np.float32)


def wide(*arrays: Array) -> list[Wide]:
    return [a.astype(np.float64) for a in arrays]


def on_every_isa(run: Callable[[str], Sequence[npt.NDArray[np.generic]]]) -> Sequence[Array]:
    """Run on each; all must agree bit for bit."""
    first, *others = [run(isa) for isa in ISAS]
    for isa, result in zip(ISAS[1:], others, strict=True):
        for expected, got in zip(first, result, strict=True):
            assert expected.tobytes() == got.tobytes(), f"{isa} differs from {ISAS[0]}"
    return first  # type: ignore[return-value]


def pieces(rng: np.random.Generator, time: int) -> list[slice]:
    """A random partition of `time` columns, empty pieces included."""
    cuts = np.sort(rng.integers(0, time + 1, size=5))
    edges = [0, *cuts.tolist(), time]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def cut(x: Array, piece: slice) -> Array:
    return np.ascontiguousarray(x[..., piece])


def test_this_machine_runs_more_than_the_generic_kernels() -> None:
    """Else agreement between instruction sets would be a test of nothing."""
    assert ISAS[0] == "generic"
    assert len(ISAS) > 1


# Every shape with a few draws of channels and time: all pairs meet, the whole product (16 200) does
# not.
_draw = np.random.default_rng(0)
CONV_CASES = [
    (*_draw.choice(SIZES, 2).tolist(), *shape, int(_draw.choice(SIZES)))
    for shape in [*itertools.product(KERNELS, STRIDES, DILATIONS)] * 4
]
TRANSPOSE_CASES = [
    (*_draw.choice(SIZES, 2).tolist(), *shape, int(_draw.choice(SIZES)))
    for shape in [*itertools.product(KERNELS, STRIDES)] * 8
]


@pytest.mark.parametrize(("cin", "cout", "kernel", "stride", "dilation", "time"), CONV_CASES)
def test_conv1d(cin: int, cout: int, kernel: int, stride: int, dilation: int, time: int) -> None:
    rng = np.random.default_rng([cin, cout, kernel, stride, dilation, time])
    batch = 1 + time % 3
    x, w, b = normal(rng, batch, cin, time), normal(rng, cout, cin, kernel), normal(rng, cout)
    reach = (kernel - 1) * dilation + 1
    if stride > reach:
        with pytest.raises(ValueError, match="stride"):
            ops.causal_conv1d(x, w, b, stride=stride, dilation=dilation)
        return
    y, state = on_every_isa(
        lambda isa: ops.causal_conv1d(x, w, b, stride=stride, dilation=dilation, isa=isa)
    )
    for i in range(batch):
        padded = np.pad(x[i], ((0, 0), (reach - stride, 0)))
        x64, w64, b64 = wide(padded, w, b)
        expected = conv1d(x64, w64, b64, stride, dilation)
        size = conv1d(abs(x64), abs(w64), abs(b64), stride, dilation)
        assert y[i].shape == expected.shape
        assert np.all(np.abs(y[i] - expected) <= TOLERANCE["conv1d"] * EPS * size)
        used = expected.shape[1] * stride
        assert np.array_equal(state[i], padded[:, used:])

    carried, parts = None, []
    for piece in pieces(rng, time):
        part, carried = ops.causal_conv1d(
            cut(x, piece), w, b, carried, stride=stride, dilation=dilation
        )
        parts.append(part)
    assert np.concatenate(parts, 2).tobytes() == y.tobytes()
    assert carried is not None
    assert carried.tobytes() == state.tobytes()


@pytest.mark.parametrize("activation", ["elu", "snake", "tanh"])
def test_conv1d_activates_its_input_once(activation: str) -> None:
    rng = np.random.default_rng(1)
    x, w, b = normal(rng, 17, 50), normal(rng, 5, 17, 7), normal(rng, 5)
    alpha = np.abs(normal(rng, 17)) + 0.5
    before = {"elu": ops.elu, "tanh": ops.tanh, "snake": lambda v: ops.snake(v, alpha)}[activation]
    expected, _ = ops.causal_conv1d(before(x), w, b)
    carried, parts = None, []
    for piece in pieces(rng, 50):
        part, carried = ops.causal_conv1d(
            cut(x, piece),
            w,
            b,
            carried,
            activation=activation,  # type: ignore[arg-type]
            alpha=alpha if activation == "snake" else None,
        )
        parts.append(part)
    assert np.concatenate(parts, 1).tobytes() == expected.tobytes()


@pytest.mark.parametrize(("cin", "cout", "kernel", "stride", "time"), TRANSPOSE_CASES)
def test_conv_transpose1d(cin: int, cout: int, kernel: int, stride: int, time: int) -> None:
    rng = np.random.default_rng([cin, cout, kernel, stride, time])
    batch = 1 + time % 2
    x, w, b = normal(rng, batch, cin, time), normal(rng, cin, cout, kernel), normal(rng, cout)
    if kernel < stride:
        with pytest.raises(ValueError, match="kernel"):
            ops.causal_conv_transpose1d(x, w, b, stride=stride)
        return
    y, state = on_every_isa(
        lambda isa: ops.causal_conv_transpose1d(x, w, b, stride=stride, isa=isa)
    )
    for i in range(batch):
        x64, w64, b64 = wide(x[i], w, b)
        expected = conv_transpose1d(x64, w64, b64, stride)[:, : time * stride]
        size = conv_transpose1d(abs(x64), abs(w64), abs(b64), stride)[:, : time * stride]
        assert y[i].shape == expected.shape
        assert np.all(np.abs(y[i] - expected) <= TOLERANCE["conv_transpose1d"] * EPS * size)

    carried, parts = None, []
    for piece in pieces(rng, time):
        part, carried = ops.causal_conv_transpose1d(cut(x, piece), w, b, carried, stride=stride)
        parts.append(part)
    assert np.concatenate(parts, 2).tobytes() == y.tobytes()
    assert carried is not None
    assert carried.tobytes() == state.tobytes()


@pytest.mark.parametrize(("n", "time"), list(itertools.product(SIZES, (1, 17, 48))))
def test_lstm(n: int, time: int) -> None:
    rng = np.random.default_rng([n, time])
    scale = np.float32(n**-0.5)
    x, w_ih, w_hh = (
        normal(rng, n, time),
        scale * normal(rng, 4 * n, n),
        scale * normal(rng, 4 * n, n),
    )
    b_ih, b_hh, h, c = normal(rng, 4 * n), normal(rng, 4 * n), normal(rng, n), normal(rng, n)
    h = np.tanh(h)

    def run(isa: str) -> Sequence[Array]:
        y, (hidden, cell) = ops.lstm(x, w_ih, w_hh, b_ih, b_hh, (h, c), isa=isa)
        return y, hidden, cell

    y, hidden, cell = on_every_isa(run)
    x64, ih64, hh64, h64, c64 = wide(x, w_ih, w_hh, h, c)
    bias = b_ih.astype(np.float64) + b_hh
    for got, expected in zip((y, hidden, cell), lstm(x64, ih64, hh64, bias, h64, c64), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE["lstm"])

    state, parts = (h, c), []
    for piece in pieces(rng, time):
        part, state = ops.lstm(cut(x, piece), w_ih, w_hh, b_ih, b_hh, state)
        parts.append(part)
    assert np.concatenate(parts, 1).tobytes() == y.tobytes()
    assert (state[0].tobytes(), state[1].tobytes()) == (hidden.tobytes(), cell.tobytes())


@pytest.mark.parametrize(
    ("dim", "size", "time"),
    [(d, s, SIZES[(i + j) % 6]) for i, d in enumerate(SIZES) for j, s in enumerate((*SIZES, 1024))],
)
def test_rvq(dim: int, size: int, time: int) -> None:
    rng = np.random.default_rng([dim, size, time])
    x = normal(rng, dim, time)
    books = normal(rng, 4, size, dim) * np.float32([1, 0.5, 0.25, 0.125]).reshape(4, 1, 1)
    (codes,) = on_every_isa(lambda isa: [ops.rvq_encode(x, books, isa=isa)])
    assert np.array_equal(codes, rvq_encode(*wide(x, books)))
    by_piece = [ops.rvq_encode(cut(x, piece), books) for piece in pieces(rng, time)]
    assert np.array_equal(np.concatenate(by_piece, 1), codes)

    for n_q in (1, 4):
        (y,) = on_every_isa(
            lambda isa, n=n_q: [ops.rvq_decode(cut_books(codes, n), books, isa=isa)]
        )
        expected = np.zeros((dim, time), np.float32)
        for q in range(n_q):  # float32 additions in codebook order: nothing to tolerate
            expected += books[q, codes[q]].T
        assert y.tobytes() == expected.tobytes()

    (codes,) = on_every_isa(lambda isa: [ops.nearest_normalised(x, books[0], isa=isa)])
    reference = nearest_normalised(*wide(x, books[0]))
    # In one dimension an entry is only a sign: every code of that sign is a tie.
    assert np.array_equal(codes, reference)


def cut_books(codes: npt.NDArray[np.uint16], n_q: int) -> npt.NDArray[np.uint16]:
    return np.ascontiguousarray(codes[:n_q])


@pytest.mark.parametrize("size", SIZES)
def test_ties_go_to_the_lowest_index(size: int) -> None:
    """A codebook of one entry repeated, then the same twice over: the first copy wins."""
    rng = np.random.default_rng(size)
    entries = normal(rng, size, 8)
    x = np.ascontiguousarray(entries.T)
    (same,) = on_every_isa(
        lambda isa: [ops.rvq_encode(x, np.repeat(entries[:1], size, 0)[None], isa=isa)]
    )
    assert not same.any()
    twice = np.concatenate([entries, entries])
    (codes,) = on_every_isa(lambda isa: [ops.rvq_encode(x, twice[None], isa=isa)])
    assert np.array_equal(codes[0], np.arange(size))
    # Normalised, an entry and twice the entry are the same direction, exactly.
    doubled = np.concatenate([entries, 2 * entries])
    (codes,) = on_every_isa(lambda isa: [ops.nearest_normalised(x, doubled, isa=isa)])
    assert np.array_equal(codes, np.arange(size))
    (zeros,) = on_every_isa(lambda isa: [ops.nearest_normalised(np.zeros_like(x), twice, isa=isa)])
    assert len(set(zeros.tolist())) == 1


@pytest.mark.parametrize(
    ("groups", "width", "time"), [(g, w, t) for g in (1, 3) for w in SIZES for t in (1, 17, 130)]
)
def test_group_norm(groups: int, width: int, time: int) -> None:
    rng = np.random.default_rng([groups, width, time])
    channels = groups * width
    x = normal(rng, 2, channels, time) * 3 + 5
    weight, bias = normal(rng, channels), normal(rng, channels)
    y = ops.group_norm(x, groups, weight, bias)
    for i in range(2):
        x64, weight64, bias64 = wide(x[i], weight, bias)
        expected = group_norm(x64, groups, weight64, bias64, float(np.float32(1e-5)))
        np.testing.assert_allclose(y[i], expected, rtol=0, atol=TOLERANCE["group_norm"])


def ladder() -> Array:
    """Every binade of float32 both ways, where a codec lives in detail, and the oddities."""
    rng = np.random.default_rng(7)
    binades = np.exp2(rng.uniform(-126, 127, 200_000)).astype(np.float32)
    near = rng.uniform(-20, 20, 400_000).astype(np.float32)
    edges = np.float32([2.0**-126, 1e-30, 0.34657, 0.34658, 9.02, 87, 88, 104, 1e30, 3.4e38])
    return np.concatenate([binades, -binades, near, edges, -edges])


@pytest.mark.parametrize("name", ["elu", "tanh", "sigmoid"])
def test_pointwise_errors_in_ulp(name: str) -> None:
    x = ladder()
    (y,) = on_every_isa(lambda isa: [getattr(ops, name)(x, isa=isa)])
    assert np.isfinite(y).all()
    expected = getattr(activations, name)(x.astype(np.float64))
    if name == "sigmoid":  # exp is held at e^-87: below that, the result is that and no less
        assert np.all(np.abs(y - expected)[x < -87] < 1.7e-38)
        y, expected = y[x >= -87], expected[x >= -87]
    error = worst_ulp(y, expected, expected)
    print(f"{name}: {error:.3f} ulp")
    assert error <= ULP[name]


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 0.5, 1.0, 2.0, 7.3, 50.0, -1.5])
def test_snake_errors_in_ulp(alpha: float) -> None:
    a = np.float32([alpha])
    x = ladder()
    (y,) = on_every_isa(lambda isa: [ops.snake(x[None], a, isa=isa)])
    assert np.isfinite(y).all()
    with np.errstate(over="ignore"):
        held = np.abs(a * x) < 2.0**20
    assert np.array_equal(y[0, ~held], x[~held])  # no phase left: the identity
    x64, a64 = wide(x[held], a)
    expected = activations.snake(x64[None], a64)[0]
    error = worst_ulp(y[0, held], expected, np.maximum(np.abs(x64), np.abs(expected)))
    print(f"snake, alpha {alpha}: {error:.3f} ulp")
    assert error <= ULP["snake"]


@pytest.mark.parametrize("size", SIZES)
def test_pointwise_sizes_and_shapes(size: int) -> None:
    """The tail of a vector takes the same operations as its body, whatever the shape."""
    rng = np.random.default_rng(size)
    x = 3 * normal(rng, 2, 3, size)
    for op in (ops.elu, ops.tanh, ops.sigmoid):
        one_by_one = np.array([op(v.reshape(1)) for v in x.reshape(-1)]).reshape(x.shape)
        for isa in ISAS:
            assert op(x, isa=isa).tobytes() == one_by_one.tobytes()
    alpha = np.float32([0.3, 1, 4])
    for isa in ISAS:
        whole = ops.snake(x, alpha, isa=isa)
        for c in range(3):
            by_channel = ops.snake(np.ascontiguousarray(x[0, c : c + 1]), alpha[c : c + 1], isa=isa)
            assert whole[0, c].tobytes() == by_channel.tobytes()


def test_zeros_and_denormals() -> None:
    """Denormals are flushed to zero on the way in and out; a zero gives the value at zero."""
    tiny = np.float32([0.0, -0.0, 1e-45, -1e-45, 1e-39, -1.1e-38])
    for isa in ISAS:
        assert not ops.elu(tiny, isa=isa).any()
        assert not ops.tanh(tiny, isa=isa).any()
        assert np.array_equal(np.signbit(ops.tanh(tiny, isa=isa)), np.signbit(tiny))
        assert np.all(ops.sigmoid(tiny, isa=isa) == 0.5)
        assert not ops.snake(tiny[None], np.float32([1]), isa=isa).any()
        one = np.ones((1, 1, 1), np.float32)
        flushed, _ = ops.causal_conv1d(tiny[None], one, isa=isa)
        assert not flushed.any()
        product, _ = ops.causal_conv1d(np.float32([[1e-30]]), np.float32([[[1e-12]]]), isa=isa)
        assert not product.any()


def test_huge_values_stay_finite() -> None:
    huge = np.float32([1e30, -1e30, 3.4e38, -3.4e38])
    for isa in ISAS:
        assert np.array_equal(ops.elu(huge, isa=isa), np.float32([1e30, -1, 3.4e38, -1]))
        assert np.array_equal(ops.tanh(huge, isa=isa), np.float32([1, -1, 1, -1]))
        assert np.allclose(ops.sigmoid(huge, isa=isa), [1, 0, 1, 0], rtol=0, atol=2e-38)
        assert np.array_equal(ops.snake(huge[None], np.float32([1]), isa=isa)[0], huge)
        gates = [np.full((4, 1), 1e30, np.float32), np.zeros((4, 1), np.float32)]
        y, (_, cell) = ops.lstm(huge[None], *gates, *[np.zeros(4, np.float32)] * 2, isa=isa)
        assert np.isfinite(y).all()
        assert np.isfinite(cell).all()
