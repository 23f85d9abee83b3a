"""The operators on GPU tensors against float64; test_cuda_ops.py has them against the CPU's bits.

Without a GPU these tests are skipped, and say so; with HOPCODEC_REQUIRE_CUDA=1 they fail instead. A
build with -DHOPCODEC_CUDA=STANDIN runs them on the CPU.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from gpus import Gpu, gpu_or_skip
from near_ties import excused_ties
from reference import activations
from reference.conv1d import conv1d
from reference.conv_transpose1d import conv_transpose1d
from reference.lstm import lstm
from reference.rvq import nearest_normalised, rvq_encode
from reference.tolerances import EPS, TOLERANCE, ULP, worst_ulp

from hopcodec import ops

Array = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return gpu_or_skip()


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, np.float32)


def wide(*arrays: Array) -> list[Wide]:
    return [a.astype(np.float64) for a in arrays]


# batch, in, out, kernel, stride, dilation, time: more rows than a grid's y and z can count, of
# one item and of many.
MANY_ROWS = [(1, 4, 3, 3, 1, 1, 66_001), (1, 1, 32, 7, 1, 1, 65_600), (33, 5, 20, 3, 1, 2, 2000)]


@pytest.mark.parametrize("case", MANY_ROWS)
def test_a_convolution_of_more_rows_than_a_grid_is_high(gpu: Gpu, case: tuple[int, ...]) -> None:
    batch, cin, cout, kernel, stride, dilation, time = case
    rng = np.random.default_rng(case)
    x, weight, bias = (
        normal(rng, batch, cin, time),
        normal(rng, cout, cin, kernel),
        normal(rng, cout),
    )
    state = normal(rng, batch, cin, (kernel - 1) * dilation)
    put = gpu.put
    options = {"stride": stride, "dilation": dilation}
    y, after = ops.causal_conv1d(put(x), put(weight), put(bias), put(state), **options)
    got = gpu.get(y)
    assert batch * time > 65536
    rows = np.concatenate([state, x], axis=2)
    assert gpu.get(after).tobytes() == rows[:, :, time:].tobytes()
    for i in range(batch):
        x64, w64, b64 = wide(rows[i], weight, bias)
        exact = conv1d(x64, w64, b64, stride, dilation)
        size = conv1d(abs(x64), abs(w64), abs(b64), stride, dilation)
        assert got[i].shape == exact.shape
        assert np.all(np.abs(got[i] - exact) <= TOLERANCE["conv1d"] * EPS * size)


# batch, in, out, kernel, stride, time
TRANSPOSES = [
    (1, 1, 1, 1, 1, 1),
    (1, 32, 16, 16, 8, 1),
    (2, 33, 5, 7, 3, 5),
    (1, 300, 7, 8, 4, 3),
    (1, 512, 256, 16, 8, 2),
    (3, 8, 64, 4, 2, 70),
    (4, 150, 9, 8, 4, 11),
]


@pytest.mark.parametrize("case", TRANSPOSES)
def test_causal_conv_transpose1d(gpu: Gpu, case: tuple[int, ...]) -> None:
    batch, cin, cout, kernel, stride, time = case
    rng = np.random.default_rng(case)
    x, weight, bias = (
        normal(rng, batch, cin, time),
        normal(rng, cin, cout, kernel),
        normal(rng, cout),
    )
    held = -(-kernel // stride) - 1
    state = normal(rng, batch, cin, held)
    put = gpu.put
    y, after = ops.causal_conv_transpose1d(
        put(x), put(weight), put(bias), put(state), stride=stride
    )
    got = gpu.get(y)
    rows = np.concatenate([state, x], axis=2)
    assert gpu.get(after).tobytes() == rows[:, :, time:].tobytes()
    final = slice(held * stride, (held + time) * stride)  # no later input adds to these
    for i in range(batch):
        x64, w64, b64 = wide(rows[i], weight, bias)
        exact = conv_transpose1d(x64, w64, b64, stride)[:, final]
        size = conv_transpose1d(abs(x64), abs(w64), abs(b64), stride)[:, final]
        assert got[i].shape == exact.shape
        assert np.all(np.abs(got[i] - exact) <= TOLERANCE["conv_transpose1d"] * EPS * size)


@pytest.mark.parametrize(("n", "time"), [(1, 3), (17, 9), (130, 4), (512, 3)])
def test_lstm(gpu: Gpu, n: int, time: int) -> None:
    rng = np.random.default_rng([n, time])
    scale = np.float32(n**-0.5)
    x, b_ih, b_hh = normal(rng, n, time), normal(rng, 4 * n), normal(rng, 4 * n)
    w_ih, w_hh = scale * normal(rng, 4 * n, n), scale * normal(rng, 4 * n, n)
    h, c = np.tanh(normal(rng, n)), normal(rng, n)
    y, after = ops.lstm(
        *(gpu.put(a) for a in (x, w_ih, w_hh, b_ih, b_hh)), (gpu.put(h), gpu.put(c))
    )
    x64, ih64, hh64, h64, c64 = wide(x, w_ih, w_hh, h, c)
    exact = lstm(x64, ih64, hh64, b_ih.astype(np.float64) + b_hh, h64, c64)
    for got, expected in zip((y, *after), exact, strict=True):
        np.testing.assert_allclose(gpu.get(got), expected, rtol=0, atol=TOLERANCE["lstm"])


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 1.0, 7.3, 50.0, -1.5])
def test_snake(gpu: Gpu, alpha: float) -> None:
    rng = np.random.default_rng(7)
    binades = np.exp2(rng.uniform(-126, 127, 4000)).astype(np.float32)
    x = np.concatenate([binades, -binades, rng.uniform(-20, 20, 8000).astype(np.float32)])
    a = np.float32([alpha])
    y = gpu.get(ops.snake(gpu.put(x[None]), gpu.put(a)))[0]
    assert np.isfinite(y).all()
    with np.errstate(over="ignore"):
        held = np.abs(a * x) < 2.0**20
    assert np.array_equal(y[~held], x[~held])  # no phase left: the identity
    x64, a64 = wide(x[held], a)
    expected = activations.snake(x64[None], a64)[0]
    assert worst_ulp(y[held], expected, np.maximum(np.abs(x64), np.abs(expected))) <= ULP["snake"]


@pytest.mark.parametrize(
    ("n_q", "size", "dim", "time"),
    [(1, 1, 1, 1), (3, 24, 8, 40), (4, 130, 300, 9), (8, 1024, 128, 6), (2, 2100, 12, 50)],
)
def test_rvq(gpu: Gpu, n_q: int, size: int, dim: int, time: int) -> None:
    """Codes are the nearest in float64, or as near: near_ties.py."""
    rng = np.random.default_rng([n_q, size, dim, time])
    x = normal(rng, dim, time)
    books = normal(rng, n_q, size, dim) * np.float32(0.5) ** np.arange(n_q)[:, None, None]
    books = books.astype(np.float32)
    there = ops.rvq_encode(gpu.put(x), gpu.put(books))
    codes = gpu.get(there)
    x64, books64 = wide(x, books)
    excused = excused_ties(codes, rvq_encode(x64, books64), x64, books)
    assert excused <= time // 10
    sums = np.zeros((dim, time), np.float32)
    for q in range(n_q):  # float32 additions in codebook order: nothing to tolerate
        sums += books[q, codes[q]].T
    assert gpu.get(ops.rvq_decode(there, gpu.put(books))).tobytes() == sums.tobytes()


@pytest.mark.parametrize(("size", "dim", "time"), [(24, 8, 30), (130, 300, 9), (1024, 8, 40)])
def test_nearest_normalised(gpu: Gpu, size: int, dim: int, time: int) -> None:
    rng = np.random.default_rng([size, dim, time])
    x, book = normal(rng, dim, time), normal(rng, size, dim)
    codes = gpu.get(ops.nearest_normalised(gpu.put(x), gpu.put(book)))
    x64, book64 = wide(x, book)
    best = nearest_normalised(x64, book64)
    directions = book64 / np.linalg.norm(book64, axis=1, keepdims=True)
    cosines = directions @ (x64 / np.linalg.norm(x64, axis=0))
    columns = np.arange(time)
    assert codes.shape == best.shape
    assert np.all(cosines[codes, columns] >= cosines[best, columns] - 1e-6)
    assert np.count_nonzero(codes != best) <= time // 10
