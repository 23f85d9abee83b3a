"""`hopcodec bench`: the speed of this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from hopcodec.cli import _options as options
from hopcodec.cli._console import err, out, print_json
from hopcodec.errors import CommandError

if TYPE_CHECKING:
    from hopcodec.evaluation._speed import Directions, FileTimes


def bench(
    model: options.Model = None,
    bandwidth: options.Bandwidth = None,
    threads: options.Threads = 1,
    device: options.Device = "cpu",
    precision: options.DevicePrecisionOption = options.DevicePrecision.fp32,
    seeded: options.Seeded = False,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600.0, help="Length of the speech to time.")
    ] = 10.0,
    paced: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=86400.0,
            metavar="SECONDS",
            help="Also run in real time for so long, one hop per hop duration.",
        ),
    ] = 0.0,
    live: Annotated[
        bool,
        typer.Option("--live", help="Measure microphone to speaker; wire the output to the input."),
    ] = False,
    input: Annotated[
        str | None, typer.Option("--input", metavar="DEVICE", help="Microphone, for --live.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="DEVICE", help="Speaker, for --live.")
    ] = None,
    input_channel: options.InputChannel = None,
    output_channels: options.OutputChannels = None,
    json: options.Json = False,
) -> None:
    """Time the codec on this machine, on the speech that comes with the package."""
    from hopcodec.audio import shipped_speech
    from hopcodec.cli._bench_live import bench_live
    from hopcodec.evaluation import _speed as timing

    if live and device != "cpu":
        raise CommandError(f"--live runs on the CPU: expected no --device, got {device}")
    codec = options.load_codec(model, threads, precision, device=device, seeded=seeded)
    kbps = options.chosen_bandwidth(codec, bandwidth)
    if live:
        bench_live(
            codec,
            input=input,
            output=output,
            input_channel=input_channel,
            output_channels=output_channels,
            bandwidth=kbps,
            seconds=seconds,
            json=json,
        )
        return
    by_hops = codec.segments is None
    if paced and not by_hops:
        raise CommandError(
            f"{codec.name} codes whole segments: expected no --paced, which goes hop by hop"
        )
    audio = shipped_speech(codec.sample_rate, codec.channels, seconds)
    host = timing.machine()
    console = err()
    with console.status("timing ...") as status:

        def progress(what: str, done: float) -> None:
            status.update(f"timing: {what} {done:.0%}")

        back_to_back = (
            timing.time_hops(codec, audio, bandwidth=kbps, progress=progress) if by_hops else None
        )
        in_time = (
            timing.time_paced(codec, audio, bandwidth=kbps, seconds=paced, progress=progress)
            if paced
            else None
        )
        status.update("timing: whole file")
        whole = timing.time_file(codec, audio, bandwidth=kbps)
    if json:
        print_json(
            {
                "command": "bench",
                "machine": asdict(host),
                "device": device,
                "threads": threads,
                "precision": precision.value,
                "model": codec.name,
                "seeded": codec.seeded,
                "bandwidth_kbps": kbps,
                "hop_ms": timing.hop_deadline_ms(codec),
                "back_to_back": _with_speed(back_to_back) if back_to_back else None,
                "paced": _with_speed(in_time) if in_time else None,
                "file": {
                    **asdict(whole),
                    "encode_times_real_time": whole.encode_times_real_time,
                    "decode_times_real_time": whole.decode_times_real_time,
                },
            }
        )
        return
    console = out()
    where = f"{host.cpu} ({host.isa}), {threads} thread{'s' if threads > 1 else ''}"
    if device != "cpu":
        where = f"{device}, driven by {host.cpu}"
    console.print(
        f"{codec.name} at {kbps:g} kbps on {where}, {precision.value}; "
        f"a hop lasts {timing.hop_deadline_ms(codec):.2f} ms",
        markup=False,
        soft_wrap=True,
    )
    if back_to_back:
        console.print(_hop_table("hop by hop, back to back", back_to_back))
    if in_time:
        console.print(_hop_table("hop by hop, paced in real time", in_time))
    console.print(_file_table(whole))


def _with_speed(directions: Directions) -> dict[str, object]:
    parts = {
        "encode": directions.encode,
        "decode": directions.decode,
        "duplex": directions.duplex,
    }
    return {name: times.as_dict() for name, times in parts.items()}


def _hop_table(title: str, directions: Directions) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("ms per hop", style="cyan")
    for name in ("p50", "p99", "p99.9", "max", "hops", "missed", "x real time"):
        table.add_column(name, justify="right")
    for name, times in (
        ("encode", directions.encode),
        ("decode", directions.decode),
        ("duplex", directions.duplex),
    ):
        table.add_row(
            name,
            *(f"{ms:.3f}" for ms in (times.p50_ms, times.p99_ms, times.p999_ms, times.max_ms)),
            str(times.hops),
            f"[red]{times.missed}[/]" if times.missed else "0",
            f"{times.times_real_time:.1f}",
        )
    return table


def _file_table(whole: FileTimes) -> Table:
    table = Table(title="whole file", title_justify="left", title_style="bold")
    table.add_column(f"{whole.audio_seconds:.1f} s of speech", style="cyan")
    table.add_column("seconds", justify="right")
    table.add_column("x real time", justify="right")
    table.add_row("encode", f"{whole.encode_seconds:.3f}", f"{whole.encode_times_real_time:.1f}")
    table.add_row("decode", f"{whole.decode_seconds:.3f}", f"{whole.decode_times_real_time:.1f}")
    return table
