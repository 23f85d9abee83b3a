"""Cost of one hop: encode, decode, and both in turn, back to back and paced at the frame rate.

    python benchmarks/bench_hop.py --seconds 20 --paced-seconds 6

Every implementation holds the same weights and runs in this process, on one pinned core, in
interleaved rounds of one second each, so that a drifting machine drifts for all of them.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from environment import environment, interruptions, pin_to_one_core
from floors import Floors, measure_floors
from hopcodec.evaluation._speed import HopTimes
from material import materials, reference, speech_hops
from peers import PEERS, Audio, Codes, Peer, make_peer
from report import RESULTS, print_environment, print_interruptions, progress, ratio, write_json
from timing import WARM_UP, Samples, Step, back_to_back, paced
from verify import Check, check

MODES = ("encode", "decode", "duplex")
MATERIAL_HOPS = 300
CHECKED_HOPS = 20
PACED_BLOCK_SECONDS = 2

Results = dict[str, dict[str, HopTimes]]


def steps(peer: Peer, hops: Audio, codes: Codes) -> dict[str, Step]:
    """One call per mode, taking the hop's number; codes come in the peer's own type."""
    own = codes.astype(peer.codes_dtype)
    count = len(hops)
    return {
        "encode": lambda k: peer.encode_hop(hops[k % count]),
        "decode": lambda k: peer.decode_hop(own[k % count]),
        "duplex": lambda k: peer.decode_hop(peer.encode_hop(hops[k % count])),
    }


def measure(
    peers: list[Peer], hops: Audio, codes: Codes, seconds: int, paced_seconds: int, rate: float
) -> Results:
    """Rounds of one second for each peer and mode, then paced ones: peer by peer, A B C A B C."""
    calls = {peer.name: steps(peer, hops, codes) for peer in peers}
    samples = {name: {mode: Samples() for mode in (*MODES, "paced")} for name in calls}
    block, period = round(rate), 1 / rate
    for index in progress(range(seconds), "back to back"):
        for name, by_mode in calls.items():
            for mode in MODES:
                first = WARM_UP + index * block
                back_to_back(by_mode[mode], first, block, period, samples[name][mode])
    rounds = math.ceil(paced_seconds / PACED_BLOCK_SECONDS)
    for index in progress(range(rounds), "paced") if rounds else ():
        count = PACED_BLOCK_SECONDS * block
        for name, by_mode in calls.items():
            first = WARM_UP + index * count
            paced(by_mode["duplex"], first, count, period, samples[name]["paced"])
    return {
        name: {mode: s.summary(1000 * period) for mode, s in by_mode.items() if s.nanoseconds}
        for name, by_mode in samples.items()
    }


def ratios(results: Results) -> dict[str, dict[str, float]]:
    """Each peer's median over hopcodec's, by mode: above 1, hopcodec is faster."""
    own = results.get("hopcodec", {})
    return {
        name: {mode: s.p50_ms / own[mode].p50_ms for mode, s in by_mode.items()}
        for name, by_mode in results.items()
        if own and name != "hopcodec"
    }


def check_table(checks: dict[str, Check]) -> Table:
    table = Table(
        title=f"Against the torch module, {CHECKED_HOPS} hops of speech", title_justify="left"
    )
    for column in ("", "codes equal", "first book", "max error", "SNR dB"):
        table.add_column(column, justify="right" if column else "left")
    for name, c in checks.items():
        table.add_row(
            name,
            f"{c.code_agreement:.1%}",
            f"{c.first_codebook_agreement:.1%}",
            f"{c.max_error:.1e}",
            "equal" if c.snr_db is None else f"{c.snr_db:.1f}",
        )
    return table


def time_table(title: str, results: Results, modes: dict[str, bool]) -> Table:
    """p50 and p99 of each mode; all there is where `modes[mode]` says so."""
    table = Table(title=title, title_justify="left")
    table.add_column("ms per hop")
    cells: list[tuple[str, Callable[[HopTimes], str]]] = [
        ("p50", lambda s: f"{s.p50_ms:.3f}"),
        ("p99", lambda s: f"{s.p99_ms:.3f}"),
        ("p99.9", lambda s: f"{s.p999_ms:.3f}"),
        ("max", lambda s: f"{s.max_ms:.2f}"),
        ("missed", lambda s: f"{s.missed}/{s.hops}"),
    ]
    shown = {mode: cells if everything else cells[:2] for mode, everything in modes.items()}
    for mode, columns in shown.items():
        for label, _ in columns:
            table.add_column(f"{mode}\n{label}", justify="right")
    for name, by_mode in results.items():
        row = [cell(by_mode[mode]) for mode, columns in shown.items() for _, cell in columns]
        table.add_row(name, *row, style="bold" if name == "hopcodec" else None)
    return table


def ratio_table(results: Results) -> Table:
    own = results["hopcodec"]
    table = Table(title="Their median over hopcodec's", title_justify="left")
    table.add_column("")
    for mode in own:
        table.add_column(mode, justify="right")
    for name, by_mode in results.items():
        if name != "hopcodec":
            cells = [ratio(s.p50_ms, own[mode].p50_ms) for mode, s in by_mode.items()]
            table.add_row(name, *cells)
    return table


def floor_table(floors: Floors, own: dict[str, HopTimes]) -> Table:
    table = Table(
        title=f"hopcodec against this core's floors ({floors.fma_gflops:.0f} GFLOP/s fp32)",
        title_justify="left",
    )
    for column in ("", "p50 ms", "arithmetic ms", "share", "weight reads ms", "GB/s", "share"):
        table.add_column(column, justify="right" if column else "left")
    for mode in MODES:
        p50, arithmetic, reads = own[mode].p50_ms, floors.arithmetic_ms[mode], floors.read_ms[mode]
        table.add_row(
            mode,
            f"{p50:.3f}",
            f"{arithmetic:.3f}",
            f"{arithmetic / p50:.0%}",
            f"{reads:.3f}",
            f"{floors.read_gbps[mode]:.0f}",
            f"{reads / p50:.0%}",
        )
    return table


def main(
    seconds: Annotated[int, typer.Option(help="Audio per peer and mode, back to back.")] = 20,
    paced_seconds: Annotated[int, typer.Option(help="Audio per peer, paced; 0: none.")] = 6,
    bandwidth: Annotated[float, typer.Option(help="kbps.")] = 6.0,
    peers: Annotated[str, typer.Option(help="Names with commas between.")] = ",".join(PEERS),
    weights: Annotated[Path | None, typer.Option(help="File or folder; default seeded.")] = None,
    core: Annotated[int | None, typer.Option(help="Core to pin to; default the last.")] = None,
    output: Annotated[Path, typer.Option(help="JSON file.")] = RESULTS / "hop.json",
) -> None:
    """Per-hop times of hopcodec and its peers."""
    names = peers.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise typer.BadParameter(f"unknown peers {unknown}; there are {', '.join(PEERS)}")
    if seconds < 1:
        raise typer.BadParameter("--seconds: expected at least 1")
    console = Console()
    env = environment(pin_to_one_core(core))
    print_environment(console, env)
    with tempfile.TemporaryDirectory() as folder:
        m = materials(bandwidth, weights, Path(folder))
        hops = speech_hops(m.spec, MATERIAL_HOPS)
        codes, audio = reference(m, hops)
        built = [make_peer(name, m) for name in progress(names, "building")]
        head = slice(CHECKED_HOPS)
        checks = {p.name: check(p, hops[head], codes[head], audio[head]) for p in built}
        console.print(check_table(checks))
        before = interruptions()
        results = measure(built, hops, codes, seconds, paced_seconds, m.spec.frame_rate)
        interrupted = interruptions() - before
    busy_s = sum(s.mean_ms * s.hops for modes in results.values() for s in modes.values()) / 1e3
    print_interruptions(console, interrupted, busy_s)
    title = f"{m.spec.name}, {bandwidth:g} kbps, back to back"
    console.print(time_table(title, results, {"encode": False, "decode": False, "duplex": True}))
    if paced_seconds > 0:
        title = f"Duplex paced at {m.spec.frame_rate:g} Hz"
        console.print(time_table(title, results, {"paced": True}))
    floors: Floors | None = None
    if "hopcodec" in results:
        console.print(ratio_table(results))
        floors = measure_floors(m.spec, m.codebooks)
        console.print(floor_table(floors, results["hopcodec"]))
    document: dict[str, Any] = {
        "benchmark": "hop",
        "environment": env,
        "settings": {
            "model": m.spec.name,
            "bandwidth_kbps": bandwidth,
            "deadline_ms": 1000 / m.spec.frame_rate,
            "seconds": seconds,
            "paced_seconds": paced_seconds,
            "weights": "seeded" if weights is None else weights.name,
        },
        "peers": {
            name: {
                "about": PEERS[name].about,
                "precision": PEERS[name].precision,
                "check": asdict(checks[name]),
                **{mode: asdict(summary) for mode, summary in by_mode.items()},
            }
            for name, by_mode in results.items()
        },
        "interruptions": interrupted,
        "ratios": ratios(results),
        "floors": None if floors is None else asdict(floors),
    }
    write_json(output, document)
    console.print(f"written: {output}")


if __name__ == "__main__":
    typer.run(main)
