"""`hopcodec demo`: the shipped clip through encoder and decoder in real time, and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hopcodec.cli import _options as options
from hopcodec.cli._console import decibels, err, out, print_json, results_table, shown
from hopcodec.cli._files import refuse_existing, replacing
from hopcodec.errors import CommandError

if TYPE_CHECKING:
    from hopcodec.cli._demo_run import DemoRun
    from hopcodec.cli._demo_step import Step
    from hopcodec.codec._codec import Codec
    from hopcodec.evaluation._speed import HopTimes


def demo(
    model: options.Model = None,
    bandwidth: options.Bandwidth = None,
    threads: options.Threads = 1,
    device: options.Device = "cpu",
    precision: options.DevicePrecisionOption = options.DevicePrecision.fp32,
    seeded: options.Seeded = False,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Folder for demo.wav and demo.png.")
    ] = Path(),
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait for the clock.")] = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Push a speech clip through the codec hop by hop, live; write demo.wav and demo.png."""
    from hopcodec.audio import shipped_speech
    from hopcodec.cli._demo_panel import Panel
    from hopcodec.cli._demo_run import run_demo

    if output_dir.exists() and not output_dir.is_dir():
        raise CommandError(f"{output_dir}: expected a folder")
    output_dir.mkdir(parents=True, exist_ok=True)
    wav, png = output_dir / "demo.wav", output_dir / "demo.png"
    for output in (wav, png):
        refuse_existing(output, force)
    codec = options.load_codec(model, threads, precision, device=device, seeded=seeded)
    kbps = options.chosen_bandwidth(codec, bandwidth)
    audio = shipped_speech(codec.sample_rate, codec.channels)
    with Panel(codec, kbps, audio.shape[1], err()) as panel:
        run = run_demo(codec, audio, kbps, panel, paced=not fast)
    times = _times(run)
    _write_outputs(codec, kbps, run, times["duplex"], wav, png)
    fields = {
        "command": "demo",
        "model": codec.name,
        "seeded": codec.seeded,
        "bandwidth_kbps": kbps,
        **_fields(codec, kbps, run),
        "paced": not fast,
    }
    if json:
        print_json({**fields, **_step_fields(run, times), "wav": wav, "png": png})
    else:
        _print_table(fields, run, times, wav, png)


def _times(run: DemoRun) -> dict[str, HopTimes]:
    from hopcodec.evaluation._speed import hop_times

    deadline = run.step.interval_ms
    return {
        "encode": hop_times(run.encode_ns, deadline),
        "decode": hop_times(run.decode_ns, deadline),
        "duplex": hop_times(run.encode_ns + run.decode_ns, deadline, run.missed),
    }


def _fields(codec: Codec, bandwidth: float, run: DemoRun) -> dict[str, Any]:
    from hopcodec.audio import si_snr
    from hopcodec.cli._demo_run import equals_whole_file
    from hopcodec.codec._codes import code_arrays

    codebooks, frames = run.codes.shape
    seconds = run.audio.shape[1] / codec.sample_rate
    return {
        "bitrate_kbps": 1e-3 * codebooks * frames * codec.bits_per_code / seconds,
        "audio_seconds": seconds,
        "frames": frames,
        "segments": len(code_arrays(run.codes)) if run.step.name == "segment" else None,
        "first_sound_ms": 1000.0 * run.first_sound_samples / codec.sample_rate,
        "si_snr_db": si_snr(run.audio, run.decoded),
        "streamed_equals_whole_file": equals_whole_file(codec, bandwidth, run),
    }


def _step_fields(run: DemoRun, times: dict[str, HopTimes]) -> dict[str, Any]:
    """Return times under the name of the step that was timed, and null under the other."""
    measured = {name: each.as_dict() for name, each in times.items()}
    if run.step.name == "hop":
        return {"deadline_ms": run.step.interval_ms, "hop": measured, "segment": None}
    names = {"hops": "segments", "deadline_ms": "interval_ms", "missed": "late"}
    renamed = {
        name: {names.get(key, key): value for key, value in each.items()}
        for name, each in measured.items()
    }
    return {
        "deadline_ms": None,
        "hop": None,
        "segment": {
            "length_ms": run.step.samples_ms,
            "interval_ms": run.step.interval_ms,
            **renamed,
        },
    }


def _write_outputs(
    codec: Codec, bandwidth: float, run: DemoRun, duplex: HopTimes, wav: Path, png: Path
) -> None:
    from hopcodec.audio import write_wav
    from hopcodec.cli._demo_figure import draw

    with replacing(wav, source=None, force=True) as temporary:
        write_wav(temporary, run.decoded, codec.sample_rate)
    with err().status("drawing demo.png"), replacing(png, source=None, force=True) as temporary:
        draw(temporary, codec, bandwidth, run, duplex)


def _print_table(
    fields: dict[str, Any], run: DemoRun, times: dict[str, HopTimes], wav: Path, png: Path
) -> None:
    step, duplex = run.step, times["duplex"]
    table = results_table(f"{fields['model']} at {fields['bandwidth_kbps']:g} kbps")
    table.add_row("speech", f"{fields['audio_seconds']:.2f} s, {fields['frames']} frames")
    if fields["segments"] is not None:
        table.add_row("segments", _segments(step, duplex.hops, fields["segments"]))
    for name, each in times.items():
        table.add_row(
            f"{name} per {step.name}",
            f"p50 {each.p50_ms:.2f} ms, p99 {each.p99_ms:.2f} ms, max {each.max_ms:.2f} ms "
            f"of {each.deadline_ms:.2f} ms",
        )
    table.add_row("speed, both ways", f"{duplex.times_real_time:.1f}x real time")
    if fields["paced"]:
        name = "missed deadlines" if step.name == "hop" else "late segments"
        table.add_row(name, f"{duplex.missed} of {duplex.hops}")
    table.add_row("first sound after", f"{fields['first_sound_ms']:.1f} ms of audio")
    table.add_row("bitrate", f"{fields['bitrate_kbps']:.2f} kbps")
    table.add_row("SI-SNR", decibels(fields["si_snr_db"]))
    same = "the same, bit for bit" if fields["streamed_equals_whole_file"] else "[red]DIFFERENT[/]"
    table.add_row("against whole file", same)
    table.add_row("written", shown(f"{wav}, {png}"))
    out().print(table)


def _segments(step: Step, whole: int, in_all: int) -> str:
    rest = f"; {in_all - whole} shorter, not timed" if in_all > whole else ""
    seconds, interval = step.samples_ms / 1000.0, step.interval_ms / 1000.0
    return f"{whole} of {seconds:g} s, a new one every {interval:g} s{rest}"
