"""`hopcodec bench --live`: the true latency of this machine's devices, over a cable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hopcodec.cli._console import err, out, print_json, results_table
from hopcodec.cli._devices import chosen_channels, chosen_device, short_host

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec
    from hopcodec.live._cable import CableMeasurement


def bench_live(
    codec: Codec,
    *,
    input: str | None,
    output: str | None,
    input_channel: int | None,
    output_channels: str | None,
    bandwidth: float,
    seconds: float,
    json: bool,
) -> None:
    """Measure the latency, and print it beside the computed one."""
    from hopcodec.live._cable import measure_over_cable

    with err().status("measuring: output wired to input?") as status:
        result = measure_over_cable(
            codec,
            input=chosen_device(input),
            output=chosen_device(output),
            input_channel=input_channel,
            output_channels=chosen_channels(output_channels),
            bandwidth=bandwidth,
            seconds=seconds,
            progress=lambda share: status.update(f"measuring: {share:.0%}"),
        )
    if json:
        print_json({"command": "bench --live", "model": codec.name, **result.as_dict()})
    else:
        _print(codec, result)


def _print(codec: Codec, result: CableMeasurement) -> None:
    stats, latency = result.stats, result.stats.latency
    device = stats.device
    through = f"{codec.name} at {stats.bandwidth:g} kbps" if result.through_codec else "bypassed"
    table = results_table(f"microphone to speaker, {through}: ms measured | computed")
    inside = latency.total - latency.input_buffer - latency.output_buffer
    rows = (
        ("device and its buffers", result.device.p50_ms, latency.total - inside),
        ("hopcodec", result.engine.p50_ms, inside),
        ("in all", result.measured_ms, result.computed_ms),
    )
    for name, measured, computed in rows:
        table.add_row(name, f"{measured:7.2f} | {computed:7.2f}")
    spread = (
        result.device.max_ms - result.device.min_ms,
        result.engine.max_ms - result.engine.min_ms,
    )
    table.add_row("spread over time", f"device {spread[0]:.2f}, hopcodec {spread[1]:.2f}")
    table.add_row(
        "computed from",
        f"input {latency.input_buffer:.2f}, framing {latency.framing:.2f}, look-ahead "
        f"{latency.lookahead:.2f}, compute {latency.compute:.2f}, queue {latency.queue:.2f}, "
        f"output {latency.output_buffer:.2f}",
    )
    table.add_row(
        "device",
        f"{device.input} -> {device.output} ({short_host(device.host)}), blocks of {device.block}",
    )
    table.add_row(
        "trouble",
        f"{stats.late_hops} late hops, {stats.underruns} underruns, {stats.overruns} overruns, "
        f"{device.faults} device faults",
    )
    out().print(table)
