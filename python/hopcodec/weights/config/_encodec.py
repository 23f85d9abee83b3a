"""Write a Hugging Face `config.json` for a codec, read one, and check one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopcodec._checks import flag, number, one_of, require, sequence, whole
from hopcodec.errors import WeightsError
from hopcodec.specs._encodec import (
    RATIOS,
    PadMode,
    encodec,
    encodec_24khz,
    encodec_32khz,
    encodec_48khz,
)
from hopcodec.specs._json import MAX_CODEBOOKS
from hopcodec.specs._language import (
    CodecSpec,
    Conv1d,
    ConvTranspose1d,
    Lstm,
    ProjectedRvq,
    Residual,
    Segments,
)
from hopcodec.weights._limits import MAX_HEADER_BYTES, read_file
from hopcodec.weights.config._dac import hf_dac_fields
from hopcodec.weights.config._strides import MAX_SIZE, strides
from hopcodec.weights.formats._json import parse_object

_PAD_MODES: dict[PadMode, str] = {"reflect": "reflect", "zero": "constant"}
_NORMS = ("weight_norm", "time_group_norm")
_DEFAULTS: dict[str, object] = {  # of `transformers.EncodecConfig`
    "sampling_rate": 24_000,
    "audio_channels": 1,
    "target_bandwidths": (1.5, 3.0, 6.0, 12.0, 24.0),
    "normalize": False,
    "upsampling_ratios": RATIOS,
    "num_filters": 32,
    "hidden_size": 128,
    "use_conv_shortcut": True,
    "use_causal_conv": True,
    "pad_mode": "reflect",
    "norm_type": "weight_norm",
    "codebook_size": 1024,
}


def hf_fields(spec: CodecSpec) -> dict[str, object]:
    """Return the fields of `transformers.EncodecConfig` for an EnCodec `spec`."""
    convs = [layer for layer in spec.encoder if isinstance(layer, Conv1d)]
    ups = [layer for layer in spec.decoder if isinstance(layer, ConvTranspose1d)]
    residuals = [layer for layer in spec.encoder if isinstance(layer, Residual)]
    lstms = [layer for layer in spec.encoder if isinstance(layer, Lstm)]
    first, last, branch = convs[0], convs[-1], residuals[0].branch[0]
    assert isinstance(branch, Conv1d)
    causal = first.padding.right == 0
    cut = ups[0].trim_left + ups[0].trim_right
    segments = spec.segments
    return {
        "sampling_rate": spec.sample_rate,
        "audio_channels": spec.channels,
        "target_bandwidths": list(spec.bandwidths),
        "normalize": segments is not None and segments.normalise,
        "chunk_length_s": None if segments is None else segments.samples / spec.sample_rate,
        "overlap": None if segments is None else _overlap(segments),
        "upsampling_ratios": [layer.stride for layer in ups],
        "num_filters": first.out_channels,
        "hidden_size": last.out_channels,
        "kernel_size": first.kernel,
        "last_kernel_size": last.kernel,
        "residual_kernel_size": branch.kernel,
        "compress": branch.in_channels // branch.out_channels,
        "num_residual_layers": len(residuals) // len(ups),
        "num_lstm_layers": lstms[0].layers,
        "use_conv_shortcut": bool(residuals[0].shortcut),
        "use_causal_conv": causal,
        "trim_right_ratio": ups[0].trim_right / cut if causal else 1.0,
        "pad_mode": _PAD_MODES[first.padding.mode],
        "norm_type": _NORMS[bool(first.norm)],
        "codebook_size": spec.quantizer.codebook_size,
        "codebook_dim": spec.quantizer.dim,
    }


def _overlap(segments: Segments) -> float:
    """Return the overlap, as a share in few digits and never too large, of this stride."""
    return math.floor((1 - segments.stride / segments.samples) * 1e6) / 1e6


def _stride(samples: int, overlap: float) -> int:
    """Compute `EncodecConfig.chunk_stride`."""
    return max(1, int((1.0 - overlap) * samples))


def read_config(path: Path) -> dict[str, object]:
    """Read the fields of a `config.json`."""
    data = read_file(path, MAX_HEADER_BYTES)
    try:
        given = parse_object(data)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if given.get("codebook_dim", 0) is None:  # null means hidden_size
        del given["codebook_dim"]
    return given


def check_config(path: Path, spec: CodecSpec) -> None:
    """Raise WeightsError for the first field of a `config.json` that contradicts `spec`.

    Absent fields are ignored, because their defaults changed between releases.
    """
    given = read_config(path)
    if isinstance(spec.quantizer, ProjectedRvq):
        expected = {"model_type": "dac", **hf_dac_fields(spec)}
        del expected["hop_length"]  # it follows from the ratios, and published files have it wrong
    else:
        expected = {"model_type": "encodec", **hf_fields(spec)}
    for field, value in expected.items():
        got = given.get(field)
        if field == "overlap" and spec.segments is not None and isinstance(got, float):
            # Its digits vary between files, so compare the stride.
            wrong = _stride(spec.segments.samples, got) != spec.segments.stride
        else:
            wrong = field in given and got != value
        if wrong:
            raise WeightsError(f"{path}: {field}: {spec.name} expects {value!r}, got {got!r}")


def encodec_from_config(given: Mapping[str, object]) -> CodecSpec:
    """Make the EnCodec of a `config.json`, named after the released one it equals.

    A config may vary rates, widths, ratios, codebooks, `norm_type`, `use_causal_conv`,
    `use_conv_shortcut`, `pad_mode`, `normalize`, `chunk_length_s` and `overlap`. A released model
    with another `pad_mode` keeps its name. Anything else is called "encodec".

    Raises
    ------
    WeightsError
        A field has a wrong type, is out of range, or describes an unknown model. The message
        names it.
    """
    fields = {**_DEFAULTS, **given}
    rate = _whole(fields, "sampling_rate")
    ratios = strides("upsampling_ratios", fields["upsampling_ratios"], least=1)
    size = _whole(fields, "codebook_size", least=2)
    bandwidths = _bandwidths(fields)
    hop = math.prod(ratios)
    bits = (size - 1).bit_length()
    group_norm = _one_of(fields, "norm_type", _NORMS) == "time_group_norm"
    causal = _flag(fields, "use_causal_conv")
    segments = _segments(fields, rate)
    if group_norm and (causal or segments is None):
        raise WeightsError(
            "norm_type: time_group_norm expects use_causal_conv false and a chunk_length_s"
        )
    pad = _one_of(fields, "pad_mode", tuple(_PAD_MODES.values()))
    shape: dict[str, Any] = {
        "sample_rate": rate,
        "bandwidths": bandwidths,
        "codebooks": int(1000 * bandwidths[-1] // (-(-rate // hop) * bits)),
        "channels": _whole(fields, "audio_channels"),
        "codebook_size": size,
        "filters": _whole(fields, "num_filters"),
        "latent": _whole(fields, "hidden_size"),
        "ratios": ratios,
        "causal": causal,
        "group_norm": group_norm,
        "conv_shortcut": _flag(fields, "use_conv_shortcut"),
        "segments": segments,
    }
    require(
        1 <= shape["codebooks"] <= MAX_CODEBOOKS,
        "target_bandwidths",
        f"those of 1 to {MAX_CODEBOOKS} codebooks",
        bandwidths,
        WeightsError,
    )
    released = (encodec_24khz(), encodec_32khz(), encodec_48khz())
    names = [known.name for known in released if encodec(known.name, **shape) == known]
    name = names[0] if names else "encodec"
    return encodec(name, **shape, pad_mode="reflect" if pad == "reflect" else "zero")


def _whole(fields: Mapping[str, object], name: str, least: int = 1) -> int:
    return whole(name, fields[name], least, MAX_SIZE, error=WeightsError)


def _flag(fields: Mapping[str, object], name: str) -> bool:
    return flag(name, fields[name], error=WeightsError)


def _one_of(fields: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str:
    return one_of(name, fields[name], choices, error=WeightsError)


def _bandwidths(fields: Mapping[str, object]) -> tuple[float, ...]:
    name = "target_bandwidths"
    given = sequence(name, fields[name], 1, 64, error=WeightsError)
    found = tuple(number(name, kbps, 0, MAX_SIZE, error=WeightsError) for kbps in given)
    require(min(found) > 0, name, "positive numbers of kbps", found, WeightsError)
    return found


def _segments(fields: Mapping[str, object], rate: int) -> Segments | None:
    """Return the segments that a config asks for, or None."""
    normalise = _flag(fields, "normalize")
    seconds = fields.get("chunk_length_s")
    if seconds is None:
        expected = "a number of seconds beside normalize"
        require(not normalise, "chunk_length_s", expected, seconds, WeightsError)
        return None
    samples = int(number("chunk_length_s", seconds, 1e-3, 60.0, error=WeightsError) * rate)
    overlap = number("overlap", fields.get("overlap"), 0.0, 1.0, error=WeightsError)
    return Segments(samples, _stride(samples, overlap), normalise)
