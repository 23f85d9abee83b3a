"""Many streams on one GPU, per hop: encode, decode, duplex; and who else could do it.

    python benchmarks/bench_cuda.py [--build] [--model NAME] [--batches 1 8 64 512 4096]
                                    [--seconds 2] [--no-peers] [--output FILE] [--rehearse]

On a bare machine with nvcc, cmake, ninja, pybind11 and torch, `--build` compiles hopcodec in place
first. Before anything is timed, codes and audio are compared with the CPU's: bit for bit in fp32;
in tf32 and bf16 the share of equal codes and the distance of the audio are part of the result.

A step is timed from numpy arrays in host memory to numpy arrays in host memory, for every peer: the
copies over the bus, the launches and the wait for the result are inside. Rounds are interleaved.
Beside each p50 stand its rates in FLOPs and bytes (`cuda_account.py` counts them) and their shares
of what this GPU gave in the same run: its matrix product of that precision, and its copy.

`--rehearse` goes through all of it without a GPU (`cuda_place.py`), on a small EnCodec.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "benchmarks")]

from cuda_place import Place, add_arguments, place_for, result_path  # noqa: E402

if TYPE_CHECKING:
    from cuda_subjects import Job
    from hopcodec import Codec


def percentile(sorted_ms: list[float], share: float) -> float:
    return sorted_ms[min(len(sorted_ms) - 1, int(share * len(sorted_ms)))]


def summary(ms: list[float]) -> dict[str, float]:
    ms = sorted(ms)
    return {"p50": percentile(ms, 0.5), "p99": percentile(ms, 0.99), "max": ms[-1]}


def ceilings(place: Place) -> dict[str, float]:
    """What this GPU can do at best: copying (bytes read and written), multiplying."""
    import torch
    from cuda_subjects import allow_tf32

    def best(run: Callable[[], object]) -> float:
        times = sorted(place.seconds(run) for _ in range(12))
        return times[len(times) // 2]

    source = torch.randn(place.effort.copied, device=place.torch_device)
    target = torch.empty_like(source)
    copy_s = best(lambda: target.copy_(source))
    n = place.effort.matrix
    a, b = torch.randn(2, n, n, device=place.torch_device)
    tflops = {}
    for name, tf32 in (("float32", False), ("tf32", True)):
        allow_tf32(tf32)
        tflops[f"{name}_tflops"] = 2 * n**3 / best(lambda: a @ b) / 1e12
    allow_tf32(False)
    half_a, half_b = a.bfloat16(), b.bfloat16()
    tflops["bf16_tflops"] = 2 * n**3 / best(lambda: half_a @ half_b) / 1e12
    return {"copy_tb_per_s": 2 * source.nbytes / copy_s / 1e12, **tflops}


def check(job: Job) -> None:
    """Codes and audio of the GPU against the CPU's; the run stops at the first difference."""
    import numpy as np

    from hopcodec import Codec

    exact = 10  # an exact start holds fewer hops back
    for batch in job.place.effort.checked:
        here = Codec(job.spec, job.weights).streams(batch, bandwidth=job.kbps)
        there = job.codec().streams(batch, bandwidth=job.kbps)
        compared = 0
        for k in range(exact + job.warm_up - job.place.effort.warm_up):
            audio = job.noise(batch, seed=k)
            expected, frames = here.encode(audio)
            codes, count = there.encode(audio)
            assert np.array_equal(frames, count)
            if not np.array_equal(codes, expected):
                share = float((codes == expected).mean())
                sys.exit(f"batch {batch}: {share:.4%} of the codes equal the CPU's, expected all")
            if codes.shape[2] and not np.array_equal(there.decode(codes)[0], here.decode(codes)[0]):
                sys.exit(f"batch {batch}: audio differs from the CPU's")
            compared += codes.size
        if not compared:
            sys.exit(f"batch {batch}: expected codes to compare, got none")
        print(f"checked: {batch} streams give the CPU's codes and audio, bit for bit", flush=True)


def distances(job: Job) -> dict[str, dict[str, float]]:
    """tf32 and bf16 against fp32 on speech: the share of equal codes; the same codes' audio."""
    import numpy as np

    from hopcodec import Codec
    from hopcodec.audio import shipped_speech

    spec = job.spec
    audio = shipped_speech(spec.sample_rate, spec.channels, seconds=job.place.effort.speech_s)
    exact = Codec(spec, job.weights)
    codes = exact.encode(audio, job.kbps)
    sound = exact.decode(codes).astype(np.float64)
    found = {}
    for precision in job.place.precisions[1:]:
        codec = job.codec(precision)
        off = np.square(codec.decode(codes) - sound).sum()
        found[precision] = {
            "equal_codes": float((codec.encode(audio, job.kbps) == codes).mean()),
            "audio_db": float(10 * np.log10(np.square(sound).sum() / off)),
        }
    return found


def steps_within(job: Job, seconds: float, step: Callable[[int], object]) -> int:
    """As many steps a round as `seconds` allow in all, within the bounds of the place's effort."""
    begin = time.perf_counter()
    step(0)
    each = time.perf_counter() - begin
    effort = job.place.effort
    least, most = effort.steps
    return max(least, min(most, int(seconds / (effort.rounds * each)) - job.warm_up))


def measure(
    job: Job, batch: int, with_peers: bool, seconds: float
) -> dict[str, dict[str, dict[str, float]]]:
    """Subject -> direction -> milliseconds."""
    import numpy as np

    from cuda_subjects import subjects

    rng = np.random.default_rng(batch)
    audio = job.noise(8, batch, seed=batch)
    size = job.spec.quantizer.codebook_size
    codes = rng.integers(0, size, (8, batch, job.books, 1)).astype(np.uint16)
    runs = subjects(job, batch, with_peers)
    times: dict[str, dict[str, list[float]]] = {
        name: {"encode": [], "decode": [], "duplex": []} for name in runs
    }
    for _ in range(job.place.effort.rounds):
        for name, (encode, decode) in runs.items():
            steps = {
                "encode": lambda k, run=encode: run(audio[k % 8]),
                "decode": lambda k, run=decode: run(codes[k % 8]),
                "duplex": lambda k, e=encode, d=decode: (e(audio[k % 8]), d(codes[k % 8])),
            }
            for kind, step in steps.items():
                step(0)  # the first of all may load kernels
                for k in range(-job.warm_up, steps_within(job, seconds / len(steps), step)):
                    begin = time.perf_counter()
                    step(k)
                    if k >= 0:
                        times[name][kind].append(1000 * (time.perf_counter() - begin))
    return {
        name: {kind: summary(ms) for kind, ms in kinds.items()} for name, kinds in times.items()
    }


def with_rates(
    job: Job,
    batch: int,
    rows: dict[str, dict[str, dict[str, float]]],
    at_best: dict[str, float],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows with their rates at p50; and what was counted, by precision and direction."""
    from cuda_account import accounts, achieved
    from cuda_subjects import precision_of

    counted = {p: accounts(job.spec, job.books, batch, p) for p in ("fp32", "tf32", "bf16")}
    rated = {}
    for name, kinds in rows.items():
        precision = precision_of(name)
        rated[name] = {
            kind: {**ms, **achieved(counted[precision][kind], ms["p50"], precision, at_best)}
            for kind, ms in kinds.items()
        }
    account = {p: {kind: a.as_dict() for kind, a in kinds.items()} for p, kinds in counted.items()}
    return rated, account


def duplex_p99(job: Job, codec: Codec, batch: int) -> float:
    """Milliseconds of a step of `batch` streams, both ways."""
    streams = codec.streams(batch, bandwidth=job.kbps, start="immediate")
    audio = job.noise(batch, seed=0)
    ms = []
    for k in range(-job.warm_up, 100):
        begin = time.perf_counter()
        streams.decode(streams.encode(audio)[0])
        if k >= 0:
            ms.append(1000 * (time.perf_counter() - begin))
        if k >= 0 and k < 20 and ms[-1] > 2 * job.deadline_ms:
            break  # far beyond
    return summary(ms)["p99"]


def most_streams(job: Job, codec: Codec) -> dict[str, float]:
    """The largest batch, in steps of a quarter, whose duplex p99 is within a hop."""
    first, last = job.place.effort.most
    sizes = [first]
    while sizes[-1] < last:
        sizes.append(min(last, sizes[-1] + max(1, sizes[-1] // 4)))
    best = {"streams": 0.0, "p99_ms": 0.0}
    low, high = 0, len(sizes) - 1
    while low <= high:
        middle = (low + high) // 2
        p99 = duplex_p99(job, codec, sizes[middle])
        print(f"    {sizes[middle]} streams: p99 {p99:.2f} ms", flush=True)
        if p99 <= job.deadline_ms:
            best, low = {"streams": float(sizes[middle]), "p99_ms": p99}, middle + 1
        else:
            high = middle - 1
    return best


def line(name: str, kinds: dict[str, dict[str, float]]) -> str:
    parts = [
        f"{kind} {v['p50']:.3f} / {v['p99']:.3f} ms, {v['tflops']:.2f} TFLOP/s "
        f"{v['share_of_matmul']:.0%}, {v['tb_per_s']:.2f} TB/s {v['share_of_copy']:.0%}"
        for kind, v in kinds.items()
    ]
    return f"{name:34s} " + "   ".join(parts)


def counted_line(counted: dict[str, Any]) -> str:
    parts = [
        f"{kind} {account['flops'] / 1e9:.3f} GFLOP, at least {account['least_bytes'] / 1e6:.1f} MB"
        f" (bf16 {counted['bf16'][kind]['least_bytes'] / 1e6:.1f})"
        for kind, account in counted["fp32"].items()
    ]
    return f"{'a step':34s} " + "   ".join(parts)


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    add_arguments(parser, "cuda.json")
    parser.add_argument("--batches", type=int, nargs="+", help="default: 1 8 64 512 4096")
    parser.add_argument("--model", help="default: encodec_24khz; another has no peers")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each subject and batch")
    parser.add_argument("--no-peers", action="store_true", help="hopcodec alone")
    options = parser.parse_args(given)
    if options.batches is None:
        options.batches = [1, 2] if options.rehearse else [1, 8, 64, 512, 4096]
    return options


def main(given: list[str] | None = None) -> None:
    options = arguments(given)
    place = place_for(options)

    from cuda_subjects import Job, small_encodec
    from environment import environment
    from hopcodec.weights import seeded_weights
    from hopcodec.weights._resolve import resolve
    from report import write_json

    if options.model is None and place.rehearsal:
        spec = small_encodec()
        weights = seeded_weights(spec)
    else:
        ours = options.model == "hopcodec_24khz"
        spec, weights = resolve(options.model or "encodec_24khz", seeded=not ours)
    with_peers = spec.name == "encodec_24khz" and not options.no_peers
    job, output = Job.of(spec, weights, place), result_path(options)
    check(job)
    at_best = ceilings(place)
    result: dict[str, Any] = {
        "environment": environment(None),
        "rehearsal": place.rehearsal,
        "model": spec.name,
        "bandwidth_kbps": job.kbps,
        "gpu": place.name(),
        "distances": distances(job),
        "ceilings": at_best,
        "accounts": {},
        "batches": {},
        "most_streams": {},
    }
    print(result["gpu"], at_best, result["distances"], flush=True)
    for batch in options.batches:
        rows, counted = with_rates(
            job, batch, measure(job, batch, with_peers, options.seconds), at_best
        )
        result["batches"][str(batch)], result["accounts"][str(batch)] = rows, counted
        print(f"B {batch:5d}  {counted_line(counted)}")
        for name, kinds in rows.items():
            print(f"B {batch:5d}  {line(name, kinds)}  (p50 / p99)", flush=True)
        write_json(output, result)
    for precision in place.precisions:
        most = most_streams(job, job.codec(precision))
        result["most_streams"][precision] = most
        print(f"in real time, duplex, {precision}: {most}", flush=True)
    write_json(output, result)


if __name__ == "__main__":
    main()
