"""`hopcodec loopback`: microphone to speaker through the codec, live."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopcodec.cli import _options as options
from hopcodec.cli._console import err, note, print_json
from hopcodec.cli._devices import chosen_channels, chosen_device
from hopcodec.cli._files import check_source, check_suffix, replacing
from hopcodec.cli._interrupts import one_interrupt

if TYPE_CHECKING:
    from hopcodec.cli._loopback_session import Session
    from hopcodec.codec._codec import Codec
    from hopcodec.live import Loopback
    from hopcodec.typing import Audio


Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|PATH",
        help="Codec, as for the other commands. Several: the key m goes from one to the next.",
        show_default=False,
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        "-i",
        metavar="DEVICE|FILE",
        help="Microphone: a number or part of a name (see hopcodec devices); or an audio file.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="DEVICE|FILE", help="Speaker; or, with a file as input, a WAV."
    ),
]
Rate = Annotated[
    int | None,
    typer.Option("--rate", min=4000, max=192000, metavar="HZ", help="Device rate to insist on."),
]
Block = Annotated[
    int | None,
    typer.Option("--block", min=16, max=16384, metavar="FRAMES", help="Frames per callback."),
]
LatencyMs = Annotated[
    float | None,
    typer.Option(
        "--latency", min=0, max=1000, metavar="MS", help="Buffering to ask of the host, each way."
    ),
]
ExtraMs = Annotated[
    float | None,
    typer.Option(
        "--extra", min=0, max=1000, metavar="MS", help="Queue more, for a host that is irregular."
    ),
]


@one_interrupt()
def loopback(
    model: Models = None,
    bandwidth: options.Bandwidth = None,
    precision: options.PrecisionOption = options.Precision.fp32,
    threads: options.Threads = 1,
    seeded: options.Seeded = False,
    input: Input = None,
    output: Output = None,
    input_channel: options.InputChannel = None,
    output_channels: options.OutputChannels = None,
    rate: Rate = None,
    block: Block = None,
    latency: LatencyMs = None,
    extra: ExtraMs = None,
    bypass: Annotated[
        bool, typer.Option("--bypass", help="Start with the codec bypassed (key: space).")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option("--record", metavar="DIR", help="Keep heard.wav and captured.wav there."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, help="End by itself after so long.")
    ] = None,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Hear yourself through the codec, live, until Ctrl-C. Use headphones.

    With a file as --input and a WAV as --output: the same engine, paced by the clock.
    """
    import hopcodec
    from hopcodec.cli._loopback_session import Session, print_summary
    from hopcodec.live import Loopback

    def load(name: str | None, kept_as: str) -> Codec:
        return hopcodec.load(
            name, threads=threads, precision=options.Precision(kept_as).value, seeded=seeded
        )

    names: list[str | None] = [*model] if model else [None]
    models = [(name, options.load_codec(name, threads, precision, seeded=seeded)) for name in names]
    codec = models[0][1]
    kbps = options.chosen_bandwidth(codec, bandwidth)
    source = _file(input)
    if (source is None) != (output is None or Path(output).suffix.lower() != ".wav"):
        raise typer.BadParameter(
            "a file is expected for both or for neither; "
            f"got --input {input or 'default device'}, --output {output or 'default device'}",
            param_hint="--input / --output",
        )
    with contextlib.ExitStack() as stack:
        temporary = None
        if source is not None:
            check_source(source)
            check_suffix(Path(output or ""), ".wav", "--output")
            opened = replacing(Path(output or ""), source=source, force=force)
            temporary = stack.enter_context(opened)
        live = Loopback(
            codec,
            input=chosen_device(input) if source is None else _audio(source, codec, rate),
            output=chosen_device(output) if source is None else None,
            bandwidth=kbps,
            bypass=bypass,
            rate=rate,
            block=block,
            latency_ms=latency,
            extra_ms=extra,
            input_channel=input_channel,
            output_channels=chosen_channels(output_channels),
            record=record,
        )
        session = Session(live, models, load, err())
        if source is None:
            note("use headphones: a microphone that hears its own loudspeaker howls")
        _run(live, session, seconds)
        if temporary is not None:
            _write(live, temporary, rate)
    if json:
        print_json({"command": "loopback", **session.fields(), "output": output})
    else:
        print_summary(session, output if source is not None else None)


def _run(live: Loopback, session: Session, seconds: float | None) -> None:
    """Run until the time is over, the file ends, or q or Ctrl-C is pressed."""
    with err().status("opening the audio device ..."):
        live.start()
    try:
        session.run(None if seconds is None else time.monotonic() + seconds)
    except KeyboardInterrupt:
        session.interrupted = True
    finally:
        session.last = live.stats()
        live.stop()


def _file(name: str | None) -> Path | None:
    """Return the file that --input names; None for a device."""
    if name is None or name.isdecimal():
        return None
    path = Path(name)
    looks_like_one = path.suffix.lower() in _SUFFIXES or path.parent != Path()
    return path if path.is_file() or looks_like_one else None


_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"}


def _audio(source: Path, codec: Codec, rate_hz: int | None) -> Audio:
    from hopcodec.audio import read_audio

    audio, _ = read_audio(source, rate_hz or codec.sample_rate, codec.channels)
    return audio


def _write(live: Loopback, path: Path, rate_hz: int | None) -> None:
    from hopcodec.audio import write_wav

    write_wav(path, live.heard(), rate_hz or live.codec.sample_rate)
