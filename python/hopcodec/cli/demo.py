"""`hopcodec demo`: the shipped clip through encoder and decoder in real time, and a picture."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hopcodec.cli import options
from hopcodec.cli.console import CommandError, decibels, err, out, print_json, results_table
from hopcodec.cli.files import refuse_existing, replacing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from hopcodec.bench import HopTimes
    from hopcodec.cli.demo_panel import Panel
    from hopcodec.codec import Codec


@dataclass(frozen=True)
class DemoRun:
    """What went in, what came out, and when. Times in ns, one per hop of input.

    `missed` counts hops not done when the next one came; `first_sound_samples` is how much had
    been pushed in when the first sample came out.
    """

    audio: npt.NDArray[np.float32]
    decoded: npt.NDArray[np.float32]
    codes: npt.NDArray[np.uint16]
    encode_ns: npt.NDArray[np.int64]
    decode_ns: npt.NDArray[np.int64]
    missed: int
    first_sound_samples: int


def demo(
    model: options.Model = None,
    bandwidth: options.Bandwidth = None,
    threads: options.Threads = 1,
    precision: options.PrecisionOption = options.Precision.fp32,
    seeded: options.Seeded = False,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Folder for demo.wav and demo.png.")
    ] = Path(),
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait for the clock.")] = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Push a speech clip through the codec hop by hop, live; write demo.wav and demo.png."""
    from hopcodec.bench import hop_times, shipped_speech
    from hopcodec.cli.demo_panel import Panel

    if output_dir.exists() and not output_dir.is_dir():
        raise CommandError(f"{output_dir}: expected a folder")
    output_dir.mkdir(parents=True, exist_ok=True)
    wav, png = output_dir / "demo.wav", output_dir / "demo.png"
    for output in (wav, png):
        refuse_existing(output, force)
    codec = options.load_codec(model, threads, precision, seeded=seeded)
    if codec.spec.segments is not None:
        raise CommandError(
            f"{codec.name} codes whole segments, and the demo goes hop by hop: "
            "hopcodec roundtrip takes any codec"
        )
    kbps = options.chosen_bandwidth(codec, bandwidth)
    audio = shipped_speech(codec.sample_rate, codec.channels)
    with Panel(codec, kbps, audio.shape[1], err()) as panel:
        run = run_demo(codec, audio, kbps, panel, paced=not fast)
    fields = _fields(codec, kbps, run, paced=not fast)
    deadline = fields["deadline_ms"]
    times: dict[str, HopTimes] = {
        "encode": hop_times(run.encode_ns, deadline),
        "decode": hop_times(run.decode_ns, deadline),
        "duplex": hop_times(run.encode_ns + run.decode_ns, deadline, run.missed),
    }
    _write_outputs(codec, kbps, run, times["duplex"], wav, png)
    if json:
        print_json(
            {
                **fields,
                "hop": {name: value.as_dict() for name, value in times.items()},
                "wav": wav,
                "png": png,
            }
        )
    else:
        _print_table(fields, times, wav, png)


def run_demo(
    codec: Codec,
    audio: npt.NDArray[np.float32],
    bandwidth: float,
    panel: Panel | None,
    *,
    paced: bool,
) -> DemoRun:
    """Push `audio` hop by hop, each when the clock says its last sample has arrived."""
    import numpy as np

    from hopcodec.bench import hop_deadline_ms, wait_until

    n = codec.hop_samples
    encoder, decoder = codec.encoder(bandwidth=bandwidth), codec.decoder()
    decoded, codes = [], []
    hops = range(0, audio.shape[1], n)
    encode_ns = np.zeros(len(hops), dtype=np.int64)
    decode_ns = np.zeros(len(hops), dtype=np.int64)
    missed = first_sound = 0
    period = round(hop_deadline_ms(codec) * 1e6)
    start = time.perf_counter_ns()
    for k, first in enumerate(hops):
        hop = audio[:, first : first + n].copy()
        arrival = start + (k + 1) * period
        if paced:
            wait_until(arrival)
        begin = time.perf_counter_ns()
        frame = encoder.push(hop)
        middle = time.perf_counter_ns()
        sound = decoder.push(frame)
        end = time.perf_counter_ns()
        encode_ns[k], decode_ns[k] = middle - begin, end - middle
        missed += paced and end > arrival + period
        codes.append(frame)
        decoded.append(sound)
        if sound.shape[1] and not first_sound:
            first_sound = first + hop.shape[1]
        if panel is not None:
            panel.update(hop, sound, frame, (end - begin) / 1e6)
    tail = encoder.flush()
    codes.append(tail)
    decoded += [decoder.push(tail), decoder.flush()]
    return DemoRun(
        audio,
        np.ascontiguousarray(np.concatenate(decoded, axis=1)[:, : audio.shape[1]]),
        np.concatenate(codes, axis=1),
        encode_ns,
        decode_ns,
        missed,
        first_sound,
    )


def _fields(codec: Codec, bandwidth: float, run: DemoRun, *, paced: bool) -> dict[str, Any]:
    import numpy as np

    from hopcodec.audio import si_snr
    from hopcodec.bench import hop_deadline_ms

    whole = codec.encode(run.audio, bandwidth=bandwidth)
    same = np.array_equal(whole, run.codes) and np.array_equal(
        codec.decode(whole, samples=run.audio.shape[1]), run.decoded
    )
    bits = run.codes.size * codec.bits_per_code
    seconds = run.audio.shape[1] / codec.sample_rate
    return {
        "command": "demo",
        "model": codec.name,
        "seeded": codec.seeded,
        "bandwidth_kbps": bandwidth,
        "bitrate_kbps": 1e-3 * bits / seconds,
        "audio_seconds": seconds,
        "frames": run.codes.shape[1],
        "paced": paced,
        "deadline_ms": hop_deadline_ms(codec),
        "first_sound_ms": 1000.0 * run.first_sound_samples / codec.sample_rate,
        "si_snr_db": si_snr(run.audio, run.decoded),
        "streamed_equals_whole_file": bool(same),
    }


def _write_outputs(
    codec: Codec, bandwidth: float, run: DemoRun, duplex: HopTimes, wav: Path, png: Path
) -> None:
    from hopcodec.audio import write_wav
    from hopcodec.cli.demo_figure import draw

    with replacing(wav, source=None, force=True) as temporary:
        write_wav(temporary, run.decoded, codec.sample_rate)
    with err().status("drawing demo.png"), replacing(png, source=None, force=True) as temporary:
        draw(temporary, codec, bandwidth, run, duplex)


def _print_table(fields: dict[str, Any], times: dict[str, HopTimes], wav: Path, png: Path) -> None:
    duplex = times["duplex"]
    table = results_table(f"{fields['model']} at {fields['bandwidth_kbps']:g} kbps")
    table.add_row("speech", f"{fields['audio_seconds']:.2f} s, {fields['frames']} frames")
    for name, each in times.items():
        table.add_row(
            f"{name} per hop",
            f"p50 {each.p50_ms:.2f} ms, p99 {each.p99_ms:.2f} ms, max {each.max_ms:.2f} ms "
            f"of {each.deadline_ms:.2f} ms",
        )
    table.add_row("speed, both ways", f"{duplex.times_real_time:.1f}x real time")
    if fields["paced"]:
        table.add_row("missed deadlines", f"{duplex.missed} of {duplex.hops}")
    table.add_row("first sound after", f"{fields['first_sound_ms']:.1f} ms of audio")
    table.add_row("bitrate", f"{fields['bitrate_kbps']:.2f} kbps")
    table.add_row("SI-SNR", decibels(fields["si_snr_db"]))
    same = "the same, bit for bit" if fields["streamed_equals_whole_file"] else "[red]DIFFERENT[/]"
    table.add_row("against whole file", same)
    table.add_row("written", escape(f"{wav}, {png}"))
    out().print(table)
