"""`hopcodec devices`: the devices that can record and play."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.table import Table

from hopcodec.cli import _options as options
from hopcodec.cli._console import note, out, print_json, shown

if TYPE_CHECKING:
    from hopcodec.live._devices import AudioDevice, AudioSystem


def devices(json: options.Json = False) -> None:
    """List audio inputs and outputs: number, name, channels, sample rates, latency."""
    from hopcodec.live._devices import query_devices

    system = query_devices()
    if json:
        print_json({"command": "devices", **asdict(system), "hint": system.hint})
        return
    _print(system)
    if system.hint:
        note(system.hint)


def _print(system: AudioSystem) -> None:
    console = out()
    console.print(
        f"{system.portaudio.split(',')[0]} with {', '.join(map(short_host, system.host_apis))}"
    )
    for title, found, kind in (
        ("inputs", system.inputs, "input"),
        ("outputs", system.outputs, "output"),
    ):
        if not found:
            continue
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        table.add_column("", justify="right")
        table.add_column("device", style="cyan", overflow="fold")
        table.add_column("host")
        table.add_column("ch", justify="right")
        table.add_column("kHz, mono float32 (default bold)", overflow="fold")
        table.add_column("ms", justify="right")
        for device in found:
            table.add_row(*_row(device, kind))
        console.print(table)
    if system.devices:
        console.print(
            "* default   choose with --input / --output: a number or part of a name\n"
            "ms: the least buffering the driver claims; hopcodec bench --live measures it",
            style="dim",
        )


def _row(device: AudioDevice, kind: str) -> tuple[str, ...]:
    recording = kind == "input"
    default = device.default_input if recording else device.default_output
    rates = device.input_rates_hz if recording else device.output_rates_hz
    latency_ms = device.input_latency_ms if recording else device.output_latency_ms
    offered = " ".join(
        f"[bold]{rate / 1000:g}[/]" if rate == device.default_rate_hz else f"{rate / 1000:g}"
        for rate in rates
    )
    return (
        f"{'*' if default else ''}{device.index}",
        shown(device.name),
        shown(short_host(device.host_api)),
        str(device.input_channels if recording else device.output_channels),
        offered or "[yellow]none now: in use elsewhere?[/]",
        f"{latency_ms:.0f}",
    )


def short_host(name: str) -> str:
    """Return the common name of a host API."""
    return name.replace("JACK Audio Connection Kit", "JACK").removeprefix("Windows ")


def chosen_device(name: str | None) -> int | str | None:
    """Parse --input or --output: a number, part of a name, or None for the default."""
    return int(name) if name is not None and name.isdecimal() else name


def chosen_channels(text: str | None) -> list[int] | None:
    """Parse --output-channels."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(
            f"expected numbers from 1, with commas between them, got {text!r}",
            param_hint="--output-channels",
        )
    return [int(part) for part in parts]
