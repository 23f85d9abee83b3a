"""Each operator alone on a GPU, at streaming shapes, beside torch eager and torch.compile.

    python benchmarks/bench_cuda_ops.py [--build] [--seconds 45] [--output FILE] [--rehearse]

Everything is float32 (TF32 off) and stateful: a convolution takes its state and gives the next. A
result is compared before it is timed. Two figures each, in microseconds, by CUDA events:

  call   bursts of calls from Python, one after the other: launches and their overhead included
  graph  the same calls captured in one CUDA graph: what the device itself needs

Rounds of all subjects are interleaved. Cases that no time is left for are named, not dropped.
`--rehearse` goes through it without a GPU (`cuda_place.py`): operators are then torch's on the CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "benchmarks")]

from cuda_place import Place, add_arguments, place_for, result_path  # noqa: E402

NAMES = ("hopcodec", "torch eager", "torch.compile")

# (batch, channels, time, kernel, dilation), most telling first: what a codec's layers see per hop
LAYERS = (
    (1, 512, 1, 7, 1),
    (1, 128, 8, 7, 3),
    (1, 32, 32, 7, 1),
    (8, 256, 4, 3, 1),
    (64, 128, 1, 7, 1),
    (64, 64, 32, 7, 9),
    (64, 512, 1, 7, 1),
    (64, 512, 8, 7, 1),
)
SNAKES = ((1, 512, 1), (64, 128, 32))
TRANSPOSES = ((1, 512, 1, 16, 8), (64, 64, 8, 8, 4))  # batch, channels, time, kernel, stride
QUANTIZERS = ((1, 8, 1024, 128), (64, 8, 1024, 128))  # time, n_q, size, dim


class Normal:
    """Random tensors on a place's device."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __call__(self, *shape: int, scale: float = 1.0) -> Any:
        import torch

        return scale * torch.randn(shape, device=self.place.torch_device)


class Case:
    """One computation, ours and torch's, on the same tensors."""

    def __init__(self, name: str, ours: Any, theirs: Any, inputs: tuple[Any, ...]) -> None:
        self.name, self.ours, self.theirs, self.inputs = name, ours, theirs, inputs

    def subjects(self, place: Place) -> dict[str, Callable[[], Any]]:
        import torch

        torch.compiler.reset()  # cases share code: each is compiled as the first
        compiled = place.compile(self.theirs)
        functions = dict(zip(NAMES, (self.ours, self.theirs, compiled), strict=True))
        return {name: lambda f=f: f(*self.inputs) for name, f in functions.items()}


def torch_snake(x: Any, alpha: Any) -> Any:
    a = alpha[:, None]
    return x + (a * x).sin().square() / (a + 1e-9)


def convolution(
    normal: Normal, batch: int, channels: int, time: int, kernel: int, dilation: int
) -> Iterator[Case]:
    import torch

    held = (kernel - 1) * dilation
    x, state = normal(batch, channels, time), normal(batch, channels, held)
    weight = normal(channels, channels, kernel, scale=(channels * kernel) ** -0.5)
    bias, alpha = normal(channels), normal(channels).abs() + 0.5
    own = torch.ops.hopcodec.causal_conv1d

    def theirs(x: Any, weight: Any, bias: Any, state: Any) -> Any:
        rows = torch.cat([state, x], 2)
        return torch.conv1d(rows, weight, bias, dilation=dilation), rows[:, :, -held:]

    def fused(x: Any, weight: Any, bias: Any, state: Any, alpha: Any) -> Any:
        return own(x, weight, bias, state, 1, dilation, "snake", alpha)

    label = f"B {batch}, C {channels}, T {time}, kernel {kernel}, dilation {dilation}"
    yield Case(
        f"snake + causal_conv1d, {label}",
        fused,
        lambda x, w, b, s, a: theirs(torch_snake(x, a), w, b, s),
        (x, weight, bias, state, alpha),
    )
    if (batch, time) in ((1, 1), (64, 8)):
        yield Case(
            f"causal_conv1d, {label}",
            lambda x, w, b, s: own(x, w, b, s, 1, dilation),
            theirs,
            (x, weight, bias, state),
        )


def transpose(
    normal: Normal, batch: int, channels: int, time: int, kernel: int, stride: int
) -> Case:
    import torch
    from hopcodec import ops

    out = channels // 2
    x, state = normal(batch, channels, time), normal(batch, channels, kernel // stride - 1)
    weight, bias = normal(channels, out, kernel, scale=channels**-0.5), normal(out)

    def theirs(x: Any, weight: Any, bias: Any, state: Any) -> Any:
        held = state.shape[2]
        rows = torch.cat([state, x], 2)
        y = torch.conv_transpose1d(rows, weight, bias, stride)
        return y[:, :, held * stride :][:, :, : x.shape[2] * stride], rows[:, :, -held:]

    own = normal.place.operator(ops.causal_conv_transpose1d)
    return Case(
        f"causal_conv_transpose1d, B {batch}, C {channels} to {out}, T {time}, stride {stride}",
        lambda x, w, b, s: own(x, w, b, s, stride=stride),
        theirs,
        (x, weight, bias, state),
    )


def quantizer(normal: Normal, time: int, n_q: int, size: int, dim: int) -> Iterator[Case]:
    import torch

    x, books = normal(dim, time), normal(n_q, size, dim)

    def encode(x: Any, books: Any) -> Any:
        residual, codes = x.T, []
        for book in books.unbind():
            codes.append(torch.cdist(residual, book).argmin(1))
            residual = residual - book[codes[-1]]
        return torch.stack(codes)

    def decode(codes: Any, books: Any) -> Any:
        return torch.stack([b[c] for b, c in zip(books, codes.unbind(), strict=True)]).sum(0).T

    label = f"T {time}, {n_q} x {size} x {dim}"
    own = torch.ops.hopcodec
    yield Case(f"rvq_encode, {label}", own.rvq_encode, encode, (x, books))
    codes = own.rvq_encode(x, books)
    yield Case(f"rvq_decode, {label}", own.rvq_decode, decode, (codes, books))


def cases(place: Place) -> Iterator[Case]:
    import torch
    from hopcodec import ops

    normal, group_norm = Normal(place), place.operator(ops.group_norm)
    yield from convolution(normal, *LAYERS[0])
    yield from quantizer(normal, *QUANTIZERS[0])
    for layer in LAYERS[1:]:
        yield from convolution(normal, *layer)
    for shape in SNAKES:
        inputs = (normal(*shape), normal(shape[1]).abs() + 0.5)
        label = "snake, B {}, C {}, T {}".format(*shape)
        yield Case(label, torch.ops.hopcodec.snake, torch_snake, inputs)
    for shape in TRANSPOSES:
        yield transpose(normal, *shape)
    yield from quantizer(normal, *QUANTIZERS[1])
    x = normal(1, 128, 150)
    yield Case(
        "group_norm, B 1, C 128, T 150",
        lambda x, w, b: group_norm(x, 1, w, b),
        lambda x, w, b: torch.nn.functional.group_norm(x, 1, w, b),
        (x, normal(128), normal(128)),
    )


def check(case: Case, subjects: dict[str, Callable[[], Any]]) -> None:
    """All agree: floats to float32's accuracy, codes but for near ties; or the run stops."""
    import torch

    def parts(result: Any) -> tuple[Any, ...]:
        return result if isinstance(result, tuple) else (result,)

    expected = parts(subjects["hopcodec"]())
    for name, run in subjects.items():
        for mine, theirs in zip(expected, parts(run()), strict=True):
            if mine.dtype == torch.float32:
                torch.testing.assert_close(theirs, mine, rtol=1e-4, atol=2e-4)
            elif (mine == theirs).float().mean() < 0.95:
                sys.exit(f"{case.name}: codes of {name} differ, expected all but near ties equal")


def measure(place: Place, subjects: dict[str, Callable[[], Any]]) -> dict[str, dict[str, Any]]:
    """Microseconds a call."""
    from bench_cuda import summary

    burst_of = place.effort.burst

    def calls(run: Callable[[], Any]) -> Callable[[], None]:
        def burst() -> None:
            for _ in range(burst_of):
                run()

        return burst

    bursts = {
        name: {"call": calls(run), "graph": place.capture(calls(run))}
        for name, run in subjects.items()
    }
    times: dict[str, dict[str, list[float]]] = {n: {"call": [], "graph": []} for n in bursts}
    for turn in range(-2, place.effort.bursts):
        for name, kinds in bursts.items():
            for kind, burst in kinds.items():
                took = 1e6 * place.seconds(burst) / burst_of
                if turn >= 0:
                    times[name][kind].append(took)
    return {n: {k: summary(us) for k, us in kinds.items()} for n, kinds in times.items()}


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    add_arguments(parser, "cuda_ops.json")
    parser.add_argument("--seconds", type=float, default=45.0, help="no new case after these")
    options = parser.parse_args(given)
    place = place_for(options)

    import hopcodec.torch.ops  # noqa: F401  (registers torch.ops.hopcodec)
    import torch
    from environment import environment
    from report import write_json

    started = time.perf_counter()
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, for everybody
    torch.backends.cudnn.benchmark = True  # and torch may look for its fastest kernel
    result: dict[str, Any] = {
        "environment": environment(None),
        "rehearsal": place.rehearsal,
        "gpu": place.name(),
        "unit": "microseconds per call",
        "cases": {},
        "left_out": [],
    }
    with torch.inference_mode():
        for case in cases(place):
            if time.perf_counter() - started > options.seconds:
                result["left_out"].append(case.name)
                continue
            subjects = case.subjects(place)
            check(case, subjects)
            result["cases"][case.name] = rows = measure(place, subjects)
            line = "   ".join(
                f"{n} {k['call']['p50']:.1f} / {k['graph']['p50']:.1f}" for n, k in rows.items()
            )
            print(f"{case.name:66s} {line}  us p50, call / graph", flush=True)
    if result["left_out"]:
        print(f"no time was left for: {'; '.join(result['left_out'])}")
    write_json(result_path(options), result)


if __name__ == "__main__":
    main()
