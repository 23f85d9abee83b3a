"""`torch.ops.hopcodec.*`: torch's own checks of an operator, values, gradients, compilation."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hopcodec import ops  # noqa: E402
from hopcodec.torch import ops as operators  # noqa: E402
from hopcodec.torch.nn._layers import Snake1d  # noqa: E402


def normal(*shape: int, seed: int = 0, grad: bool = False) -> torch.Tensor:
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, np.float32))
    return x.requires_grad_(grad)


ACTIVATIONS = {"elu": torch.nn.functional.elu, "tanh": torch.tanh}

CASES = {
    "snake": (operators.snake, lambda: (normal(2, 3, 9, grad=True), normal(3, grad=True))),
    "causal_conv1d": (
        operators.causal_conv1d,
        lambda: (
            normal(2, 3, 11, grad=True),
            normal(4, 3, 3, grad=True),
            normal(4, grad=True),
            normal(2, 3, 3, grad=True),
            2,
            2,
        ),
    ),
    "causal_conv1d of snake": (
        operators.causal_conv1d,
        lambda: (
            normal(2, 3, 11, grad=True),
            normal(4, 3, 3, grad=True),
            normal(4, grad=True),
            normal(2, 3, 2, grad=True),
            1,
            1,
            "snake",
            normal(3, seed=4).abs().add(0.5).requires_grad_(),
        ),
    ),
    "rvq_encode": (operators.rvq_encode, lambda: (normal(5, 7), normal(3, 8, 5))),
    "rvq_decode": (
        operators.rvq_decode,
        lambda: (torch.arange(14, dtype=torch.int32).view(2, 7) % 8, normal(3, 8, 5, grad=True)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_torch_accepts_the_operator(name: str) -> None:
    operator, arguments = CASES[name]
    torch.library.opcheck(operator, arguments())


def test_values_are_those_of_ops() -> None:
    x, alpha = normal(2, 3, 9), normal(3, seed=1).abs()
    np.testing.assert_array_equal(
        torch.ops.hopcodec.snake(x, alpha), ops.snake(x.numpy(), alpha.numpy())
    )
    weight, bias, state = normal(4, 3, 3), normal(4), normal(2, 3, 2)
    y, after = torch.ops.hopcodec.causal_conv1d(x, weight, bias, state)
    expected, kept = ops.causal_conv1d(x.numpy(), weight.numpy(), bias.numpy(), state.numpy())
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(after, kept)
    codes = torch.ops.hopcodec.rvq_encode(normal(5, 7), normal(3, 8, 5))
    assert codes.dtype == torch.int32
    np.testing.assert_array_equal(
        codes, ops.rvq_encode(normal(5, 7).numpy(), normal(3, 8, 5).numpy())
    )


def test_gradients_are_those_of_torch() -> None:
    x, alpha = normal(2, 3, 9, grad=True), (normal(3, seed=2).abs() + 0.5).requires_grad_()
    module = Snake1d(3)
    module.alpha.data = alpha.detach().clone().view(1, 3, 1)
    other = x.detach().clone().requires_grad_()
    upstream = normal(2, 3, 9, seed=3)
    operators.snake(x, alpha).backward(upstream)
    module(other).backward(upstream)
    torch.testing.assert_close(x.grad, other.grad)
    torch.testing.assert_close(alpha.grad, module.alpha.grad.flatten())


@pytest.mark.parametrize(
    ("stride", "dilation", "time"), [(1, 1, 9), (2, 1, 9), (1, 3, 9), (2, 2, 1)]
)
def test_gradients_of_the_convolution(stride: int, dilation: int, time: int) -> None:
    x, weight, bias = (
        normal(2, 3, time, grad=True),
        normal(4, 3, 3, grad=True),
        normal(4, grad=True),
    )
    state = normal(2, 3, 2, seed=5, grad=True)
    y, after = operators.causal_conv1d(x, weight, bias, state, stride, dilation)
    rows = torch.cat([state, x], dim=2)
    expected = rows.new_zeros(2, 4, 0)
    if rows.shape[2] > 2 * dilation:
        expected = torch.nn.functional.conv1d(rows, weight, bias, stride, 0, dilation)
    kept = rows[:, :, expected.shape[2] * stride :]
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(after, kept)
    inputs = (x, weight, bias, state)

    def gradients(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        loss = a.square().sum() + (3 * b.square()).sum()
        return torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)

    for ours, theirs in zip(gradients(y, after), gradients(expected, kept), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("activation", ["elu", "snake", "tanh"])
def test_gradients_through_the_activation(activation: str) -> None:
    x, weight, bias = (normal(*shape, grad=True) for shape in [(2, 3, 9), (4, 3, 3), (4,)])
    state = normal(2, 3, 2, seed=5, grad=True)
    alpha = normal(3, seed=2).abs().add(0.5).requires_grad_() if activation == "snake" else None
    y, after = operators.causal_conv1d(x, weight, bias, state, 1, 1, activation, alpha)
    before = operators.snake(x, alpha) if activation == "snake" else ACTIVATIONS[activation](x)
    other, kept = operators.causal_conv1d(before, weight, bias, state)
    torch.testing.assert_close(y, other)
    torch.testing.assert_close(after, kept)
    inputs = [t for t in (x, weight, bias, state, alpha) if t is not None]
    upstream, below = normal(*y.shape, seed=6), normal(*after.shape, seed=7)
    ours = torch.autograd.grad((y, after), inputs, (upstream, below))
    theirs = torch.autograd.grad((other, kept), inputs, (upstream, below))
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, expected)


def test_codes_beyond_the_codebook_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 7"):
        operators.rvq_decode(torch.full((1, 2), 8, dtype=torch.int32), normal(1, 8, 5))


def outputs_and_gradients(operator: Any, arguments: tuple[Any, ...]) -> list[torch.Tensor]:
    """What comes out, and where a gradient was asked for what comes back."""
    result = operator(*arguments)
    outputs = [result] if isinstance(result, torch.Tensor) else list(result)
    inputs = [a for a in arguments if isinstance(a, torch.Tensor) and a.requires_grad]
    values = [y.detach() for y in outputs]
    if not inputs:
        return values
    upstream = [normal(*y.shape, seed=9 + i) for i, y in enumerate(outputs)]
    return [*values, *torch.autograd.grad(outputs, inputs, upstream)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inductor's own, of torch.jit
@pytest.mark.parametrize(
    ("name", "backend"),
    [
        pytest.param(name, backend, marks=() if name == "snake" else pytest.mark.slow)
        for name in CASES
        for backend in ("aot_eager", "inductor")
    ],
)
def test_torch_compiles_it_whole_forth_and_back(name: str, backend: str) -> None:
    if backend == "inductor" and not (shutil.which("c++") or shutil.which("g++")):
        pytest.skip("inductor: expected a C++ compiler, found none")
    operator, arguments = CASES[name]
    torch.compiler.reset()
    compiled = torch.compile(lambda *a: operator(*a), fullgraph=True, backend=backend)
    expected = outputs_and_gradients(operator, arguments())
    got = outputs_and_gradients(compiled, arguments())
    assert len(got) == len(expected) >= 1
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_a_compiled_chain_is_the_chain() -> None:
    """Every operator between torch's own, with gradients through all that have one."""

    def chain(x: Any, weight: Any, bias: Any, alpha: Any, books: Any) -> Any:
        y, _ = operators.causal_conv1d(x * 0.5, weight, bias, x[:, :, :2])
        latents = operators.snake(y, alpha)
        codes = operators.rvq_encode(latents[0].detach(), books)
        return latents + operators.rvq_decode(codes, books).tanh()

    alpha = normal(5, seed=4).abs().add(0.5).requires_grad_()
    shapes = [(1, 3, 9), (5, 3, 3), (5,)]
    inputs = (*(normal(*shape, grad=True) for shape in shapes), alpha, normal(3, 8, 5, grad=True))
    torch.compiler.reset()
    compiled = torch.compile(chain, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(
        outputs_and_gradients(compiled, inputs), outputs_and_gradients(chain, inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
