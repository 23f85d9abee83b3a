"""`hopcodec.ops` and `torch.ops.hopcodec` on torch's CUDA tensors: streams, graphs, compilation.

Without a GPU these tests are skipped, and say so; with HOPCODEC_REQUIRE_CUDA=1 they fail instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpus import StandInGpu, gpu_or_skip  # noqa: E402

from hopcodec import ops  # noqa: E402
from hopcodec.torch import ops as operators  # noqa: E402

# torch's compiler warns of its own parts, and of TF32 being off.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "FutureWarning", "UserWarning")
]


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    if isinstance(gpu_or_skip(), StandInGpu):
        pytest.skip("a stand-in, which torch does not know")


def normal(*shape: int, seed: int = 0, grad: bool = False) -> Any:
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32)).cuda()
    return x.requires_grad_(grad)


def conv_inputs(batch: int, cin: int, cout: int, kernel: int, time: int) -> tuple[Any, ...]:
    return (
        normal(batch, cin, time),
        normal(cout, cin, kernel, seed=1),
        normal(cout, seed=2),
        normal(batch, cin, kernel - 1, seed=3),
    )


CASES: dict[str, tuple[Any, Callable[[], tuple[Any, ...]]]] = {
    "snake": (operators.snake, lambda: (normal(2, 3, 9, grad=True), normal(3, grad=True))),
    "causal_conv1d": (
        operators.causal_conv1d,
        lambda: (*(t.requires_grad_() for t in conv_inputs(2, 3, 4, 5, 11)), 2, 1),
    ),
    "causal_conv1d of many rows": (
        operators.causal_conv1d,
        lambda: (*(t.requires_grad_() for t in conv_inputs(2, 24, 9, 3, 40)),),
    ),
    "causal_conv1d of snake": (
        operators.causal_conv1d,
        lambda: (
            *(t.requires_grad_() for t in conv_inputs(2, 3, 4, 3, 11)),
            1,
            1,
            "snake",
            normal(3, seed=4).abs().add(0.5).requires_grad_(),
        ),
    ),
    "rvq_encode": (operators.rvq_encode, lambda: (normal(5, 7), normal(3, 8, 5, seed=1))),
    "rvq_decode": (
        operators.rvq_decode,
        lambda: (
            torch.arange(14, dtype=torch.int32, device="cuda").view(2, 7) % 8,
            normal(3, 8, 5, grad=True),
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_torch_accepts_the_operator(name: str) -> None:
    operator, arguments = CASES[name]
    torch.library.opcheck(operator, arguments())


@pytest.mark.parametrize("name", CASES)
def test_values_are_the_cpu_operators(name: str) -> None:
    operator, arguments = CASES[name]
    there = arguments()
    here = tuple(a.cpu() if isinstance(a, torch.Tensor) else a for a in there)
    got, expected = operator(*there), operator(*here)
    if isinstance(got, torch.Tensor):
        got, expected = (got,), (expected,)
    for a, b in zip(got, expected, strict=True):
        assert a.is_cuda
        assert torch.equal(a.cpu(), b)


@pytest.mark.parametrize("name", ["snake", "causal_conv1d", "causal_conv1d of snake", "rvq_decode"])
def test_gradients_are_the_cpu_operators(name: str) -> None:
    operator, arguments = CASES[name]
    there = arguments()
    here = tuple(
        a.detach().cpu().requires_grad_(a.requires_grad) if isinstance(a, torch.Tensor) else a
        for a in there
    )
    gradients = []
    for inputs in (there, here):
        out = operator(*inputs)
        first = out if isinstance(out, torch.Tensor) else out[0]
        wanted = [a for a in inputs if isinstance(a, torch.Tensor) and a.requires_grad]
        gradients.append(torch.autograd.grad(first.square().sum(), wanted))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-4, atol=1e-4)


def test_tensors_that_are_not_contiguous_are_copied_first() -> None:
    x, weight, bias, state = conv_inputs(2, 24, 9, 3, 40)
    expected, _ = operators.causal_conv1d(x, weight, bias, state)
    turned = x.transpose(1, 2).contiguous().transpose(1, 2)
    assert not turned.is_contiguous()
    y, _ = operators.causal_conv1d(turned, weight.mT.contiguous().mT, bias, state)
    assert torch.equal(y, expected)
    codes = torch.arange(14, dtype=torch.int32, device="cuda").view(7, 2).T % 8
    books = normal(2, 8, 5)
    same = operators.rvq_decode(codes.contiguous(), books)
    assert torch.equal(operators.rvq_decode(codes, books), same)


@pytest.mark.parametrize("time", [1, 700])
def test_work_goes_to_the_current_stream(time: int) -> None:
    """A long wait on a side stream, then the input, then the operator: it must see the input."""
    inputs = conv_inputs(1, 64, 64, 7, time)
    expected, _ = ops.causal_conv1d(*inputs)
    side = torch.cuda.Stream()
    late = torch.zeros_like(inputs[0])
    torch.cuda.synchronize()
    with torch.cuda.stream(side):
        torch.cuda._sleep(50_000_000)
        late.copy_(inputs[0])
        y, _ = ops.causal_conv1d(late, *inputs[1:])
        z, _ = operators.causal_conv1d(late, *inputs[1:])
    side.synchronize()
    assert torch.equal(y, expected)
    assert torch.equal(z, expected)


def a_layer(x: Any, state: Any, weights: tuple[Any, ...], books: Any) -> tuple[Any, Any, Any]:
    weight, bias, alpha = weights
    y, state = torch.ops.hopcodec.causal_conv1d(x, weight, bias, state)
    y = torch.ops.hopcodec.snake(y, alpha)
    codes = torch.ops.hopcodec.rvq_encode(y[0], books)
    return y + torch.ops.hopcodec.rvq_decode(codes, books), codes, state


@pytest.mark.parametrize("time", [1, 50])
def test_a_cuda_graph_replays_the_operators(time: int) -> None:
    x, weight, bias, state = conv_inputs(1, 24, 16, 7, time)
    weights, books = (weight, bias, normal(16).abs()), normal(4, 64, 16)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        a_layer(x, state, weights, books)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = a_layer(x, state, weights, books)
    for seed in (8, 9):
        x.copy_(normal(*x.shape, seed=seed))
        graph.replay()
        for got, expected in zip(captured, a_layer(x, state, weights, books), strict=True):
            assert torch.equal(got, expected)


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_torch_compile_takes_them_whole(mode: str) -> None:
    x, weight, bias, state = conv_inputs(1, 24, 16, 7, 9)
    weights, books = (weight, bias, normal(16).abs()), normal(4, 64, 16)
    compiled = torch.compile(a_layer, fullgraph=True, mode=mode)
    for seed in (8, 9, 10):
        x = normal(1, 24, 9, seed=seed)
        for got, expected in zip(
            compiled(x, state, weights, books), a_layer(x, state, weights, books), strict=True
        ):
            torch.testing.assert_close(got, expected)


def test_training_through_a_compiled_function() -> None:
    inputs = tuple(t.requires_grad_() for t in conv_inputs(2, 8, 6, 3, 20))
    alpha = normal(8).abs().add(0.5).requires_grad_()

    def loss(x: Any, weight: Any, bias: Any, state: Any, a: Any) -> Any:
        y, _ = torch.ops.hopcodec.causal_conv1d(x, weight, bias, state, 1, 1, "snake", a)
        return y.square().mean()

    expected = torch.autograd.grad(loss(*inputs, alpha), (*inputs, alpha))
    got = torch.autograd.grad(torch.compile(loss, fullgraph=True)(*inputs, alpha), (*inputs, alpha))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_a_tensor_that_wants_a_gradient_goes_to_the_torch_operators() -> None:
    with pytest.raises(BufferError, match="gradient"):
        ops.elu(normal(3, grad=True))


def test_what_is_elsewhere_is_refused() -> None:
    x, weight, bias, state = conv_inputs(1, 3, 4, 3, 5)
    with pytest.raises(TypeError, match=r"weight: expected .* on cuda:0, got Tensor on cpu"):
        ops.causal_conv1d(x, weight.cpu())
    with pytest.raises(TypeError, match=r"weight: expected torch.float32 on cuda:0, got"):
        operators.causal_conv1d(x, weight.double(), bias, state)
    with pytest.raises(TypeError, match=r"x: expected .* got float16"):
        ops.elu(x.half())
