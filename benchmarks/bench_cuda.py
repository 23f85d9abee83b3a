"""Many streams on one GPU, per hop: encode, decode, duplex; and who else could do it.

    python benchmarks/bench_cuda.py [--build] [--model NAME] [--batches 1 8 64 512 4096]
                                    [--seconds 2] [--no-peers] [--output FILE]

On a bare machine with nvcc, cmake, ninja, pybind11 and torch, `--build` compiles hopcodec in place
first. Before anything is timed, codes and audio are compared with the CPU's: bit for bit in fp32;
in tf32 and bf16 the share of equal codes and the distance of the audio are part of the result.

A step is timed from numpy arrays in host memory to numpy arrays in host memory, for every peer: the
copies over the bus, the launches and the wait for the result are inside. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "benchmarks")]

HOP = 320
KBPS = 6.0
BOOKS = 8
DEADLINE_MS = 1000 / 75
ROUNDS = 5
STEPS = 40  # of a round, or fewer: see --seconds
PRECISIONS = ("fp32", "tf32", "bf16")
WARM_UP = 12  # more hops than an exact start holds back


def build() -> None:
    """The extension, next to its Python sources, for this interpreter and this GPU."""
    folder = ROOT / "build" / "bench_cuda"
    pybind11 = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"], check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(
        [
            *("cmake", "-G", "Ninja", "-S", str(ROOT), "-B", str(folder), "-DHOPCODEC_CUDA=ON"),
            *(f"-Dpybind11_DIR={pybind11}", f"-DPython_EXECUTABLE={sys.executable}"),
        ],
        check=True,
    )
    subprocess.run(["cmake", "--build", str(folder), "--target", "_core"], check=True)
    for library in folder.glob("_core*.so"):
        target = ROOT / "python" / "hopcodec" / library.name
        target.unlink(missing_ok=True)
        target.write_bytes(library.read_bytes())


def percentile(sorted_ms: list[float], share: float) -> float:
    return sorted_ms[min(len(sorted_ms) - 1, int(share * len(sorted_ms)))]


def summary(ms: list[float]) -> dict[str, float]:
    ms = sorted(ms)
    return {"p50": percentile(ms, 0.5), "p99": percentile(ms, 0.99), "max": ms[-1]}


def ceilings() -> dict[str, float]:
    """What this GPU can do at best: copying (bytes read and written), multiplying."""
    import torch

    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(12):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            run()
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) / 1000)
        return sorted(times)[len(times) // 2]

    source = torch.randn(1 << 29, device="cuda")
    target = torch.empty_like(source)
    copy_s = best(lambda: target.copy_(source))
    a, b = torch.randn(2, 8192, 8192, device="cuda")
    tflops = {}
    for name, tf32 in (("float32", False), ("tf32", True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        tflops[f"{name}_tflops"] = 2 * 8192**3 / best(lambda: a @ b) / 1e12
    torch.backends.cuda.matmul.allow_tf32 = False
    half_a, half_b = a.bfloat16(), b.bfloat16()
    tflops["bf16_tflops"] = 2 * 8192**3 / best(lambda: half_a @ half_b) / 1e12
    return {"copy_tb_per_s": 2 * source.nbytes / copy_s / 1e12, **tflops}


Subjects = dict[str, tuple[Any, Any]]


def subjects(spec: Any, weights: Any, batch: int, device: str, with_peers: bool) -> Subjects:
    """Name -> (audio (batch, 1, hop) -> codes, codes (batch, books, 1) -> audio)."""
    from hopcodec import Codec

    found: Subjects = {}
    for precision in PRECISIONS if device == "cuda" else PRECISIONS[:1]:
        codec = Codec(spec, weights, device=device, precision=precision)
        streams = codec.streams(batch, bandwidth=KBPS, start="immediate")
        found["hopcodec" if precision == "fp32" else f"hopcodec {precision}"] = (
            lambda x, s=streams: s.encode(x)[0],
            lambda c, s=streams: s.decode(c)[0],
        )
    return {**found, **peers(spec, weights, batch, device)} if with_peers else found


def peers(spec: Any, weights: Any, batch: int, device: str) -> Subjects:
    """EnCodec in torch; in float32 unless its name says otherwise."""
    import numpy as np
    import torch

    from peers.torch_batched import BatchedEncodec, Captured, to_device
    from peers.transformers_eager import encodec_model

    found: Subjects = {}
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    eager = BatchedEncodec(spec, weights, BOOKS, batch, device)

    def on_device(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            with torch.inference_mode():
                return step(to_device(x, device)).cpu().numpy()

        return run

    def as_codes(c: Any) -> Any:
        return np.ascontiguousarray(c.astype(np.int64).transpose(1, 0, 2))

    found["torch stateful"] = (
        on_device(eager.encode),
        lambda c: on_device(eager.decode)(as_codes(c)),
    )
    for tf32 in (False, True) if device == "cuda" else ():
        # What a graph was captured with, it keeps.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        other = BatchedEncodec(spec, weights, BOOKS, batch, device)
        encode = Captured(other.encode, torch.zeros(batch, 1, HOP, device=device))
        codes = torch.zeros(BOOKS, batch, 1, device=device, dtype=torch.int64)
        decode = Captured(other.decode, codes)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        found["torch stateful, CUDA graphs" + (", tf32" if tf32 else "")] = (
            on_device(encode),
            lambda c, run=decode: on_device(run)(as_codes(c)),
        )
    with torch.inference_mode():
        model = encodec_model(weights).to(device)
    found["transformers (stateless)"] = (
        on_device(lambda x: model.encode(x, bandwidth=KBPS, return_dict=True).audio_codes[0]),
        lambda c: on_device(lambda d: model.decode(d[None], [None], return_dict=True).audio_values)(
            c.astype(np.int64)
        ),
    )
    return found


def check(spec: Any, weights: Any, device: str) -> None:
    """Codes and audio of the GPU against the CPU's; the run stops at the first difference."""
    import numpy as np

    from hopcodec import Codec

    rng = np.random.default_rng(1)
    for batch in (1, 5, 150):
        here = Codec(spec, weights).streams(batch, bandwidth=KBPS)
        there = Codec(spec, weights, device=device).streams(batch, bandwidth=KBPS)
        for _ in range(10):
            audio = (0.1 * rng.standard_normal((batch, 1, HOP))).astype(np.float32)
            expected, frames = here.encode(audio)
            codes, count = there.encode(audio)
            assert np.array_equal(frames, count)
            if not np.array_equal(codes, expected):
                share = float((codes == expected).mean())
                sys.exit(f"batch {batch}: {share:.4%} of the codes equal the CPU's, expected all")
            if codes.shape[2] and not np.array_equal(there.decode(codes)[0], here.decode(codes)[0]):
                sys.exit(f"batch {batch}: audio differs from the CPU's")
        print(f"checked: {batch} streams give the CPU's codes and audio, bit for bit", flush=True)


def distances(spec: Any, weights: Any, device: str) -> dict[str, dict[str, float]]:
    """tf32 and bf16 against fp32 on speech: the share of equal codes; the same codes' audio."""
    import numpy as np

    from hopcodec import Codec
    from hopcodec.bench import shipped_speech

    audio = shipped_speech(spec.sample_rate, 1, seconds=4.0)
    exact = Codec(spec, weights)
    codes = exact.encode(audio, KBPS)
    sound = exact.decode(codes).astype(np.float64)
    found = {}
    for precision in PRECISIONS[1:]:
        codec = Codec(spec, weights, device=device, precision=precision)
        off = np.square(codec.decode(codes) - sound).sum()
        found[precision] = {
            "equal_codes": float((codec.encode(audio, KBPS) == codes).mean()),
            "audio_db": float(10 * np.log10(np.square(sound).sum() / off)),
        }
    return found


def steps_within(seconds: float, step: Callable[[int], object]) -> int:
    """As many steps a round as `seconds` allow in all, at least 5 and at most STEPS."""
    begin = time.perf_counter()
    step(0)
    each = time.perf_counter() - begin
    return max(5, min(STEPS, int(seconds / (ROUNDS * each)) - WARM_UP))


def measure(
    spec: Any, weights: Any, batch: int, device: str, with_peers: bool, seconds: float
) -> dict[str, Any]:
    import numpy as np

    rng = np.random.default_rng(batch)
    audio = (0.1 * rng.standard_normal((8, batch, 1, HOP))).astype(np.float32)
    codes = rng.integers(0, 1024, (8, batch, BOOKS, 1)).astype(np.uint16)
    runs = subjects(spec, weights, batch, device, with_peers)
    times: dict[str, dict[str, list[float]]] = {
        name: {"encode": [], "decode": [], "duplex": []} for name in runs
    }
    for _ in range(ROUNDS):
        for name, (encode, decode) in runs.items():
            steps = {
                "encode": lambda k, run=encode: run(audio[k % 8]),
                "decode": lambda k, run=decode: run(codes[k % 8]),
                "duplex": lambda k, e=encode, d=decode: (e(audio[k % 8]), d(codes[k % 8])),
            }
            for kind, step in steps.items():
                step(0)  # the first of all may load kernels
                for k in range(-WARM_UP, steps_within(seconds / len(steps), step)):
                    begin = time.perf_counter()
                    step(k)
                    if k >= 0:
                        times[name][kind].append(1000 * (time.perf_counter() - begin))
    return {
        name: {kind: summary(ms) for kind, ms in kinds.items()} for name, kinds in times.items()
    }


def duplex_p99(codec: Any, batch: int) -> float:
    """Milliseconds of a step of `batch` streams, both ways."""
    import numpy as np

    streams = codec.streams(batch, bandwidth=KBPS, start="immediate")
    audio = (0.1 * np.random.default_rng(0).standard_normal((batch, 1, HOP))).astype(np.float32)
    ms = []
    for k in range(-WARM_UP, 100):
        begin = time.perf_counter()
        streams.decode(streams.encode(audio)[0])
        if k >= 0:
            ms.append(1000 * (time.perf_counter() - begin))
        if k >= 0 and k < 20 and ms[-1] > 2 * DEADLINE_MS:
            break  # far beyond
    return summary(ms)["p99"]


def most_streams(codec: Any) -> dict[str, float]:
    """The largest batch, in steps of a quarter, whose duplex p99 is within a hop."""
    sizes = [512]
    while sizes[-1] < 32768:
        sizes.append(min(32768, sizes[-1] + sizes[-1] // 4))
    best = {"streams": 0.0, "p99_ms": 0.0}
    low, high = 0, len(sizes) - 1
    while low <= high:
        middle = (low + high) // 2
        p99 = duplex_p99(codec, sizes[middle])
        print(f"    {sizes[middle]} streams: p99 {p99:.2f} ms", flush=True)
        if p99 <= DEADLINE_MS:
            best, low = {"streams": float(sizes[middle]), "p99_ms": p99}, middle + 1
        else:
            high = middle - 1
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="store_true", help="compile the extension first")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64, 512, 4096])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--model", default="encodec_24khz", help="or hopcodec_24khz, without peers")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each subject and batch")
    parser.add_argument("--no-peers", action="store_true", help="hopcodec alone")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/cuda.json")
    options = parser.parse_args()
    if options.build:
        build()
    import torch

    from environment import environment
    from hopcodec import Codec
    from hopcodec.models.registry import resolve
    from report import write_json

    ours = options.model == "hopcodec_24khz"
    spec, weights = resolve(None if ours else options.model, seeded=not ours)
    with_peers = not ours and not options.no_peers
    on_gpu = options.device == "cuda"
    result: dict[str, Any] = {"environment": environment(None), "model": spec.name, "batches": {}}
    if on_gpu:
        result["gpu"] = torch.cuda.get_device_name()
        check(spec, weights, options.device)
        result["distances"] = distances(spec, weights, options.device)
        result["ceilings"] = ceilings()
        print(result["gpu"], result["ceilings"], result["distances"], flush=True)
    for batch in options.batches:
        result["batches"][str(batch)] = rows = measure(
            spec, weights, batch, options.device, with_peers, options.seconds
        )
        for name, kinds in rows.items():
            line = "   ".join(f"{k} {v['p50']:.3f} / {v['p99']:.3f}" for k, v in kinds.items())
            print(f"B {batch:5d}  {name:34s} {line}  ms p50 / p99", flush=True)
        write_json(options.output, result)
    for precision in PRECISIONS if on_gpu else ():
        codec = Codec(spec, weights, device=options.device, precision=precision)
        most = most_streams(codec)
        result.setdefault("most_streams", {})[precision] = most
        print(f"in real time, duplex, {precision}: {most}", flush=True)
    write_json(options.output, result)


if __name__ == "__main__":
    main()
