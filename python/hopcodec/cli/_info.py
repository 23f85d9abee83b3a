"""`hopcodec info`: describe a file or a codec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hopcodec.cli import _options as options
from hopcodec.cli._coded import kind_of
from hopcodec.cli._console import clock, names_file, out, print_json, results_table, shown

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

_WEIGHTS = (".safetensors", ".th", ".pt", ".pth", ".bin")


def info(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|MODEL]",
            help="A file of codes or of audio, or a codec as for --model. Default: the built-in.",
            show_default=False,
        ),
    ] = None,
    threads: options.Threads = 1,
    seeded: options.Seeded = False,
    json: options.Json = False,
) -> None:
    """Describe a file of codes, an audio file, or a codec."""
    path = Path(target) if target is not None else None
    if path is not None and path.is_file() and path.suffix.lower() not in _WEIGHTS:
        describe = _CODED.get(kind_of(path) or "", _audio_fields)
        with names_file(path):
            fields = describe(path)
    elif path is not None and not path.exists() and path.suffix and path.suffix not in _WEIGHTS:
        fields = _audio_fields(path)  # says that there is no such file
    else:
        fields = _codec_fields(options.load_codec(target, threads, seeded=seeded))
    if json:
        print_json({"command": "info", **fields})
        return
    table = results_table(str(target or fields["model"]))
    for key, value in fields.items():
        table.add_row(key.replace("_", " "), shown(_text(key, value)))
    out().print(table)


def _ecdc_fields(path: Path) -> dict[str, Any]:
    from hopcodec.files import EcdcReader, read_ecdc_header

    header = read_ecdc_header(path)
    if not header.language_model:
        EcdcReader(path).close()  # checks that the file holds what its header says
    size = path.stat().st_size
    return {
        "kind": "ecdc",
        "model": header.model,
        "sample_rate_hz": header.layout.sample_rate,
        "audio_samples": header.audio_length,
        "audio_seconds": header.seconds,
        "codebooks": header.codebooks,
        "frames": header.frames,
        "language_model": header.language_model,
        "bytes": size,
        "bitrate_kbps": 8e-3 * size / header.seconds,
    }


def _hop_fields(path: Path) -> dict[str, Any]:
    from hopcodec.files import HopReader

    with HopReader(path) as reader:
        header = reader.header
        for _ in reader.blocks():  # every checksum
            pass
        assert reader.audio_length is not None  # known once the end block was read
        seconds = reader.audio_length / header.sample_rate
        size = path.stat().st_size
        return {
            "kind": "hop",
            "model": header.model,
            "weights": header.weights or "not said",
            "sample_rate_hz": header.sample_rate,
            "channels": header.channels,
            "audio_samples": reader.audio_length,
            "audio_seconds": seconds,
            "codebooks": header.codebooks,
            "frames": reader.frames_read,
            "frames_per_block": header.frames_per_block,
            "bytes": size,
            "bitrate_kbps": 8e-3 * size / seconds,
        }


def _dac_fields(path: Path) -> dict[str, Any]:
    from hopcodec.files import read_dac

    content = read_dac(path)
    size = path.stat().st_size
    return {
        "kind": "dac",
        "model": "not said",
        "sample_rate_hz": content.sample_rate,
        "channels": content.channels,
        "audio_samples": content.original_length,
        "audio_seconds": content.seconds,
        "loudness_lufs": content.input_db,
        "codebooks": content.codebooks,
        "frames": content.frames,
        "frames_per_chunk": content.chunk_length,
        "padded_chunks": content.padding,
        "bytes": size,
        "bitrate_kbps": 8e-3 * size / content.seconds,
    }


_CODED = {"ecdc": _ecdc_fields, "hop": _hop_fields, "dac": _dac_fields}


def _audio_fields(path: Path) -> dict[str, Any]:
    from hopcodec.audio import audio_info

    found = audio_info(path)
    return {
        "kind": "audio",
        "format": f"{found.format} {found.subtype}",
        "sample_rate_hz": found.sample_rate,
        "channels": found.channels,
        "audio_samples": found.samples,
        "audio_seconds": found.seconds,
        "bytes": path.stat().st_size,
    }


def _codec_fields(codec: Codec) -> dict[str, Any]:
    from hopcodec import _core

    return {
        "kind": "codec",
        "model": codec.name,
        "seeded": codec.seeded,
        "sample_rate_hz": codec.sample_rate,
        "channels": codec.channels,
        "hop_samples": codec.hop_samples,
        "frame_rate_hz": codec.frame_rate,
        "latency_samples": codec.latency_samples,
        "codebooks": codec.codebooks,
        "codebook_size": codec.codebook_size,
        "bandwidths_kbps": list(codec.bandwidths),
        "isa": _core.isa(),
    }


def _text(key: str, value: Any) -> str:
    if key == "audio_seconds":
        return f"{value:.3f} ({clock(value)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(f"{item:g}" for item in value)
    return str(value)
