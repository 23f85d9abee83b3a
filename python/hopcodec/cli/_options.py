"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|PATH",
        help="Codec: a name (hopcodec_24khz, encodec_24khz, dac_44khz, ...), a folder or a "
        "weights file. Default: hopcodec_24khz, the built-in.",
        show_default=False,
    ),
]
Bandwidth = Annotated[
    float | None,
    typer.Option(
        "--bandwidth",
        "-b",
        metavar="KBPS",
        help="Target bitrate in kbit/s. Default: 6 if the codec offers it, all codebooks for DAC.",
        show_default=False,
    ),
]
InputChannel = Annotated[
    int | None,
    typer.Option(
        "--input-channel", min=1, max=64, metavar="N", help="The microphone's channel (default 1)."
    ),
]
OutputChannels = Annotated[
    str | None,
    typer.Option(
        "--output-channels",
        metavar="N,N...",
        help="The speaker's channels (default 1,2: a mono codec plays on both).",
        show_default=False,
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", min=1, max=256, help="Threads; the output is the same for any.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")
]
Seeded = Annotated[
    bool,
    typer.Option("--seeded", help="Noise for weights: the cost of --model NAME without its file."),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite an existing output.")]
Rescale = Annotated[
    bool,
    typer.Option("--rescale", help="Turn loud output down as a whole instead of clamping it."),
]


Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="cpu|cuda|cuda:N",
        help="cuda: the first NVIDIA GPU; fp32 gives the same output there.",
    ),
]


class Precision(str, Enum):
    """Precision of the stored weights."""

    fp32 = "fp32"
    bf16 = "bf16"


class DevicePrecision(str, Enum):
    """Precision of stored weights and of products, on any device."""

    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"


_BF16 = "bf16: rounded weights, half the reading, near the same."
PrecisionOption = Annotated[Precision, typer.Option("--precision", help=_BF16)]
DevicePrecisionOption = Annotated[
    DevicePrecision,
    typer.Option("--precision", help=f"{_BF16} tf32: with --device cuda only."),
]


class Start(str, Enum):
    """The start of a stream."""

    exact = "exact"
    immediate = "immediate"


def load_codec(
    model: str | None,
    threads: int,
    precision: Precision | DevicePrecision = Precision.fp32,
    *,
    device: str = "cpu",
    seeded: bool = False,
    full_hop: bool = True,
) -> Codec:
    """Load the codec, and warn on stderr if its weights are noise.

    It decodes whole hops, so that a file keeps its length.
    """
    import hopcodec
    from hopcodec.cli._console import note

    codec = hopcodec.load(
        model,
        device=device,
        threads=threads,
        precision=precision.value,
        seeded=seeded,
        full_hop=full_hop,
    )
    if codec.seeded:
        note("the weights are seeded noise: costs are real, sound is not")
    return codec


def chosen_bandwidth(codec: Codec, bandwidth: float | None) -> float:
    """Return the bandwidth, by default the codec's own; refuse one that it does not offer."""
    if bandwidth is None:
        return codec.default_bandwidth
    try:
        return codec.bandwidth_for(codec.codebooks_for(bandwidth))
    except ValueError:
        offered = ", ".join(f"{value:g}" for value in codec.bandwidths)
        raise typer.BadParameter(
            f"{codec.name} offers {offered} kbps, not {bandwidth:g}", param_hint="--bandwidth"
        ) from None
