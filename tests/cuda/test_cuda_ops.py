"""The operators on GPU tensors: the CPU's bits, the float64 reference, state, errors.

Without a GPU these tests are skipped, and say so; with HOPCODEC_REQUIRE_CUDA=1 they fail instead. A
build with -DHOPCODEC_CUDA=STANDIN runs them on the CPU. What only torch on a GPU has (streams,
graphs, compilation) is in test_cuda_torch_ops.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from gpus import Gpu, StandInGpu, find_gpu, gpu_or_skip
from reference.conv1d import conv1d
from reference.group_norm import group_norm
from reference.tolerances import EPS
from stand_in_gpu import HostedArray

from hopcodec import DeviceError, _core, ops

Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    return gpu_or_skip()


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, np.float32)


def pieces(rng: np.random.Generator, time: int) -> list[slice]:
    edges = [0, *np.sort(rng.integers(0, time + 1, size=4)).tolist(), time]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def same(gpu: Gpu, got: Any, expected: npt.NDArray[Any]) -> None:
    there = gpu.get(got)
    assert there.dtype == expected.dtype
    assert there.shape == expected.shape
    assert there.tobytes() == expected.tobytes()


def test_without_a_gpu_there_is_one_clear_error() -> None:
    if find_gpu()[0] is not None:
        pytest.skip("there is a GPU here")
    x = HostedArray(np.zeros((1, 2, 3), np.float32))
    with pytest.raises(DeviceError, match=r"^cuda: expected .*, got "):
        ops.elu(x)
    with pytest.raises(DeviceError, match=r"^cuda: expected .*, got "):
        ops.causal_conv1d(x, HostedArray(np.zeros((4, 2, 3), np.float32)))


# batch, in, out, kernel, stride, dilation, time: few rows and many, odd widths, chains of 256 that
# begin within a tap, depths beyond one block's memory, every kernel of the product.
CONVS = [
    (1, 1, 1, 1, 1, 1, 1),
    (1, 3, 5, 7, 1, 1, 1),
    (2, 37, 33, 3, 1, 3, 1),
    (3, 64, 130, 7, 1, 9, 2),
    (1, 512, 24, 7, 1, 1, 1),
    (1, 512, 24, 7, 1, 1, 2),
    (1, 300, 12, 5, 2, 1, 9),
    (1, 900, 6, 16, 8, 1, 17),
    (1, 17, 9, 4, 4, 1, 3),
    (1, 17, 9, 16, 8, 1, 3),
    (8, 32, 64, 7, 1, 1, 1),
    (8, 33, 31, 3, 2, 2, 33),
    (64, 16, 8, 5, 1, 1, 4),
    (5, 1, 32, 7, 1, 1, 130),
    (2, 40, 1, 7, 1, 1, 300),
    (1, 24, 20, 3, 1, 1, 1031),
    (9, 512, 70, 3, 1, 3, 7),
    (30, 64, 33, 7, 2, 9, 9),
]


def conv_inputs(case: tuple[int, ...]) -> tuple[np.random.Generator, Array, Array, Array]:
    batch, cin, cout, kernel, _, _, time = case
    rng = np.random.default_rng(case)
    return rng, normal(rng, batch, cin, time), normal(rng, cout, cin, kernel), normal(rng, cout)


@pytest.mark.parametrize("case", CONVS)
def test_causal_conv1d(gpu: Gpu, case: tuple[int, ...]) -> None:
    _, cin, _, kernel, stride, dilation, _ = case
    rng, x, weight, bias = conv_inputs(case)
    reach = (kernel - 1) * dilation + 1
    state = normal(rng, x.shape[0], cin, max(reach - stride, 0))
    options = {"stride": stride, "dilation": dilation}
    y, after = ops.causal_conv1d(x, weight, bias, state, **options)
    put = gpu.put
    got, kept = ops.causal_conv1d(put(x), put(weight), put(bias), put(state), **options)
    same(gpu, got, y)
    same(gpu, kept, after)
    rows = np.concatenate([state, x], axis=2).astype(np.float64)
    for i in range(x.shape[0]):
        exact = conv1d(
            rows[i], weight.astype(np.float64), bias.astype(np.float64), stride, dilation
        )
        size = conv1d(abs(rows[i]), abs(weight), abs(bias), stride, dilation)
        assert np.all(np.abs(y[i] - exact) <= 8 * EPS * size)
    bare, _ = ops.causal_conv1d(put(x), put(weight), **options)  # no bias, no state
    same(gpu, bare, ops.causal_conv1d(x, weight, **options)[0])
    if x.shape[0] == 1:
        alone, _ = ops.causal_conv1d(put(x[0]), put(weight), put(bias), put(state[0]), **options)
        same(gpu, alone, y[0])


@pytest.mark.parametrize("activation", ["elu", "snake", "tanh"])
@pytest.mark.parametrize("time", [1, 50])
def test_the_input_is_activated_once(gpu: Gpu, activation: Any, time: int) -> None:
    rng, x, weight, bias = conv_inputs((2, 17, 5, 7, 1, 1, time))
    alpha = np.abs(normal(rng, 17)) + 0.5 if activation == "snake" else None
    there = None if alpha is None else gpu.put(alpha)
    state, carried = None, None
    for _ in range(3):
        y, state = ops.causal_conv1d(x, weight, bias, state, activation=activation, alpha=alpha)
        got, carried = ops.causal_conv1d(
            gpu.put(x),
            gpu.put(weight),
            gpu.put(bias),
            carried,
            activation=activation,
            alpha=there,
        )
        same(gpu, got, y)
        same(gpu, carried, state)


@pytest.mark.parametrize("case", CONVS[3:9])
def test_pieces_are_the_whole(gpu: Gpu, case: tuple[int, ...]) -> None:
    rng, _, weight, bias = conv_inputs(case)
    time = 60
    x = normal(rng, case[0], case[1], time)
    options = {"stride": case[4], "dilation": case[5]}
    whole, last = ops.causal_conv1d(x, weight, bias, **options)
    state, parts = None, []
    for piece in pieces(rng, time):
        part, state = ops.causal_conv1d(
            gpu.put(np.ascontiguousarray(x[:, :, piece])),
            gpu.put(weight),
            gpu.put(bias),
            state,
            **options,
        )
        parts.append(gpu.get(part))
    assert np.concatenate(parts, 2).tobytes() == whole.tobytes()
    same(gpu, state, last)


# batch, in, out, kernel, stride, time
TRANSPOSES = [
    (1, 1, 1, 1, 1, 1),
    (1, 32, 16, 16, 8, 1),
    (2, 33, 5, 7, 3, 5),
    (1, 300, 7, 8, 4, 3),
    (3, 8, 64, 4, 2, 70),
    (8, 16, 1, 10, 5, 33),
    (1, 40, 3, 5, 5, 9),
    (4, 150, 9, 8, 4, 11),
]


@pytest.mark.parametrize("case", TRANSPOSES)
def test_causal_conv_transpose1d(gpu: Gpu, case: tuple[int, ...]) -> None:
    batch, cin, cout, kernel, stride, time = case
    rng = np.random.default_rng(case)
    x, weight = normal(rng, batch, cin, time), normal(rng, cin, cout, kernel)
    bias, state = normal(rng, cout), normal(rng, batch, cin, -(-kernel // stride) - 1)
    y, after = ops.causal_conv_transpose1d(x, weight, bias, state, stride=stride)
    put = gpu.put
    got, kept = ops.causal_conv_transpose1d(
        put(x), put(weight), put(bias), put(state), stride=stride
    )
    same(gpu, got, y)
    same(gpu, kept, after)
    bare, _ = ops.causal_conv_transpose1d(put(x), put(weight), stride=stride)
    same(gpu, bare, ops.causal_conv_transpose1d(x, weight, stride=stride)[0])


@pytest.mark.parametrize(("n", "time"), [(1, 1), (5, 3), (64, 4), (130, 2), (270, 1)])
def test_lstm(gpu: Gpu, n: int, time: int) -> None:
    rng = np.random.default_rng([n, time])
    scale = np.float32(n**-0.5)
    arrays = [
        normal(rng, n, time),
        scale * normal(rng, 4 * n, n),
        scale * normal(rng, 4 * n, n),
        normal(rng, 4 * n),
        normal(rng, 4 * n),
    ]
    state = (np.tanh(normal(rng, n)), normal(rng, n))
    there = [gpu.put(a) for a in arrays]
    for before in (None, state):
        y, (hidden, cell) = ops.lstm(*arrays, before)
        held = None if before is None else (gpu.put(before[0]), gpu.put(before[1]))
        got, after = ops.lstm(*there, held)
        same(gpu, got, y)
        same(gpu, after[0], hidden)
        same(gpu, after[1], cell)


QUANTIZERS = [(1, 1, 1, 1), (3, 24, 8, 1), (2, 100, 17, 5), (4, 130, 300, 9), (8, 1024, 128, 2)]


@pytest.mark.parametrize(("n_q", "size", "dim", "time"), QUANTIZERS)
def test_rvq(gpu: Gpu, n_q: int, size: int, dim: int, time: int) -> None:
    rng = np.random.default_rng([n_q, size, dim, time])
    x, books = normal(rng, dim, time), normal(rng, n_q, size, dim)
    books[:, size // 2 :] = books[:, : size - size // 2]  # ties go to the lower index
    codes = ops.rvq_encode(x, books)
    there = ops.rvq_encode(gpu.put(x), gpu.put(books))
    same(gpu, there, codes)
    same(gpu, ops.rvq_decode(there, gpu.put(books)), ops.rvq_decode(codes, books))
    nearest = ops.nearest_normalised(x, books[0])
    same(gpu, ops.nearest_normalised(gpu.put(x), gpu.put(books[0])), nearest)


def test_many_frames_and_few_books(gpu: Gpu) -> None:
    rng = np.random.default_rng(9)
    x, books = normal(rng, 16, 90), normal(rng, 3, 64, 16)
    codes = ops.rvq_encode(gpu.put(x), gpu.put(books))
    same(gpu, codes, ops.rvq_encode(x, books))
    first = np.ascontiguousarray(gpu.get(codes)[:1])
    same(gpu, ops.rvq_decode(gpu.put(first), gpu.put(books)), ops.rvq_decode(first, books))


def test_a_code_beyond_its_codebook_is_not_a_number(gpu: Gpu) -> None:
    codes = np.uint16([[0, 8, 7]])
    y = gpu.get(ops.rvq_decode(gpu.put(codes), gpu.put(np.ones((1, 8, 2), np.float32))))
    assert np.array_equal(np.isnan(y), [[False, True, False]] * 2)


def ladder() -> Array:
    rng = np.random.default_rng(7)
    binades = np.exp2(rng.uniform(-126, 127, 3000)).astype(np.float32)
    near = rng.uniform(-20, 20, 3000).astype(np.float32)
    edges = np.float32([0.0, -0.0, 1e-39, 9.02, 87, 88, 104, 1e6, 1e30, 3.4e38])
    return np.concatenate([binades, -binades, near, edges, -edges])


@pytest.mark.parametrize("name", ["elu", "tanh", "sigmoid"])
def test_pointwise(gpu: Gpu, name: str) -> None:
    op = getattr(ops, name)
    x = ladder()
    same(gpu, op(gpu.put(x)), op(x))
    for shape in [(), (0,), (1,), (2, 3, 5)]:
        some = np.full(shape, -0.5, np.float32)
        same(gpu, op(gpu.put(some)), op(some))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 1), (3, 32, 33), (5, 2)])
def test_snake(gpu: Gpu, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(shape)
    x, alpha = 3 * normal(rng, *shape), normal(rng, shape[-2])
    same(gpu, ops.snake(gpu.put(x), gpu.put(alpha)), ops.snake(x, alpha))
    x = ladder()[None]
    for a in (0.0, 0.3, -1.5, 50.0):
        alpha = np.float32([a])
        same(gpu, ops.snake(gpu.put(x), gpu.put(alpha)), ops.snake(x, alpha))


@pytest.mark.parametrize(
    ("batch", "groups", "width", "time"),
    [(1, 1, 1, 1), (2, 3, 5, 17), (1, 1, 64, 130), (2, 2, 3, 4097), (1, 1, 2, 9001)],
)
def test_group_norm(gpu: Gpu, batch: int, groups: int, width: int, time: int) -> None:
    rng = np.random.default_rng([batch, groups, width, time])
    x = normal(rng, batch, groups * width, time) * 3 + 5
    weight, bias = normal(rng, groups * width), normal(rng, groups * width)
    y = gpu.get(ops.group_norm(gpu.put(x), groups, gpu.put(weight), gpu.put(bias)))
    on_cpu = ops.group_norm(x, groups, weight, bias)
    assert np.all(np.abs(y - on_cpu) <= np.spacing(np.abs(on_cpu)))
    for i in range(batch):
        exact = group_norm(*(a.astype(np.float64) for a in (x[i],)), groups,
                           weight.astype(np.float64), bias.astype(np.float64),
                           float(np.float32(1e-5)))  # fmt: skip
        np.testing.assert_allclose(y[i], exact, rtol=0, atol=1e-6)


# --- errors ---------------------------------------------------------------------------------------


def refusals(gpu: Gpu) -> Iterator[tuple[type[Exception], str, Any]]:
    def tensor(*shape: int) -> Any:
        return gpu.put(np.ones(shape, np.float32))

    x, weight = tensor(2, 3, 5), tensor(4, 3, 2)
    conv = ops.causal_conv1d
    yield (
        TypeError,
        "weight: expected a C-contiguous float32 tensor on cuda:0, got ndarray",
        (lambda: conv(x, np.ones((4, 3, 2), np.float32))),
    )
    doubles = gpu.put(np.ones((2, 3, 5)))
    yield TypeError, r"x: expected .* got float64 \(2, 3, 5\)", lambda: conv(doubles, weight)
    yield TypeError, "x: expected a tensor", lambda: conv(tensor(5), weight)
    yield (
        ValueError,
        r"weight: expected shape \(\*, 3, \*\), got \(4, 2, 2\)",
        (lambda: conv(x, tensor(4, 2, 2))),
    )
    yield ValueError, r"bias: expected shape \(4\), got \(3,\)", lambda: conv(x, weight, tensor(3))
    yield ValueError, "stride", lambda: conv(x, weight, stride=3)
    yield ValueError, "stride", lambda: conv(x, weight, stride=0)
    yield ValueError, "dilation", lambda: conv(x, weight, dilation=0)
    yield ValueError, "activation", lambda: conv(x, weight, activation="relu")
    yield ValueError, "alpha", lambda: conv(x, weight, activation="snake")
    yield ValueError, "isa: expected", lambda: conv(x, weight, isa="generic")
    yield ValueError, "stride", lambda: ops.causal_conv_transpose1d(x, tensor(3, 4, 2), stride=0)
    yield (
        ValueError,
        "groups: expected a divisor of 3",
        (lambda: ops.group_norm(x, 2, tensor(3), tensor(3))),
    )
    yield (
        ValueError,
        "1 to 512 floats on a GPU",
        (lambda: ops.rvq_encode(tensor(600, 1), tensor(1, 4, 600))),
    )
    codes = gpu.put(np.zeros((3, 2), np.int32))
    yield (
        TypeError,
        "codes: expected a C-contiguous uint16",
        (lambda: ops.rvq_decode(codes, tensor(2, 4, 5))),
    )
    short = gpu.put(np.zeros((3, 2), np.uint16))
    yield ValueError, "codes: expected at most 2", lambda: ops.rvq_decode(short, tensor(2, 4, 5))


def test_what_does_not_fit_is_refused(gpu: Gpu) -> None:
    count = 0
    for error, message, attempt in refusals(gpu):
        with pytest.raises(error, match=message):
            attempt()
        count += 1
    assert count == 16


def test_strides_are_refused(gpu: Gpu) -> None:
    x = np.ones((3, 5), np.float32)
    turned = HostedArray(x.T) if isinstance(gpu, StandInGpu) else gpu.put(x).T
    with pytest.raises(TypeError, match="not C-contiguous"):
        ops.elu(turned)
    alone = HostedArray(x[:1, ::2]) if isinstance(gpu, StandInGpu) else gpu.put(x)[:1, ::2]
    with pytest.raises(TypeError, match="not C-contiguous"):
        ops.elu(alone)


def test_two_devices_are_refused(gpu: Gpu) -> None:
    if not isinstance(gpu, StandInGpu):
        pytest.skip("one GPU here")
    x, other = HostedArray(np.ones((3, 5), np.float32)), HostedArray(np.ones(3, np.float32), 1)
    with pytest.raises(
        TypeError, match=r"alpha: expected .* on cuda:0, got float32 \(3,\) on cuda:1"
    ):
        ops.snake(x, other)


def test_another_library_is_asked_for_the_stream_the_work_goes_to(gpu: Gpu) -> None:
    if not isinstance(gpu, StandInGpu):
        pytest.skip("torch's own stream is tested elsewhere")
    x = HostedArray(np.ones((3, 5), np.float32))
    ops.elu(x)
    assert x.streams_asked_for == [1]  # the default stream


def test_a_capsule_is_looked_at_and_left() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    capsule = x.__dlpack__()
    for _ in range(2):
        address, shape, kind, where, _, contiguous = _core.ops.look_at_dlpack(capsule)
        assert (address, shape, kind, where, contiguous) == (
            x.ctypes.data,
            (2, 3),
            "float32",
            1,
            True,
        )
    assert _core.ops.look_at_dlpack(x.T.__dlpack__())[5] is False
    assert _core.ops.look_at_dlpack(x[:, 1:].__dlpack__())[0] == x.ctypes.data + 4
    import datetime

    with pytest.raises(TypeError, match="dltensor"):
        _core.ops.look_at_dlpack(datetime.datetime_CAPI)  # type: ignore[attr-defined]
