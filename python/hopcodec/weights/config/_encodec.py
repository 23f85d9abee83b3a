"""A codec in the words of a Hugging Face `config.json`, there and back, and the check of one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopcodec.errors import WeightsError
from hopcodec.specs._encodec import (
    RATIOS,
    PadMode,
    encodec,
    encodec_24khz,
    encodec_32khz,
    encodec_48khz,
)
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
from hopcodec.weights.formats._json import parse_object

_PAD_MODES: dict[PadMode, str] = {"reflect": "reflect", "zero": "constant"}
_NORMS = ("weight_norm", "time_group_norm")
_MOST = 1 << 20  # of any number in a config


def hf_fields(spec: CodecSpec) -> dict[str, object]:
    """What `transformers.EncodecConfig` calls the parts of an EnCodec `spec`."""
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
    """The share of a segment, in few digits and never too large, that gives this stride."""
    return math.floor((1 - segments.stride / segments.samples) * 1e6) / 1e6


def _stride(samples: int, overlap: float) -> int:
    """`EncodecConfig.chunk_stride`."""
    return max(1, int((1.0 - overlap) * samples))


def read_config(path: Path) -> dict[str, object]:
    """The fields of a `config.json`."""
    data = read_file(path, MAX_HEADER_BYTES)
    try:
        given = parse_object(data)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if given.get("codebook_dim", 0) is None:  # null: the same as hidden_size
        del given["codebook_dim"]
    return given


def check_config(path: Path, spec: CodecSpec) -> None:
    """WeightsError naming the first field of a `config.json` that contradicts `spec`.

    Fields it does not give are not missed: what they mean has changed between releases.
    """
    given = read_config(path)
    if isinstance(spec.quantizer, ProjectedRvq):
        expected = {"model_type": "dac", **hf_dac_fields(spec)}
        del expected["hop_length"]  # follows from the ratios, and was wrong in published files
    else:
        expected = {"model_type": "encodec", **hf_fields(spec)}
    for field, value in expected.items():
        got = given.get(field)
        if field == "overlap" and spec.segments is not None and isinstance(got, float):
            # In more digits or fewer: what counts is the stride.
            wrong = _stride(spec.segments.samples, got) != spec.segments.stride
        else:
            wrong = field in given and got != value
        if wrong:
            raise WeightsError(f"{path}: {field}: {spec.name} expects {value!r}, got {got!r}")


def encodec_from_config(given: Mapping[str, object]) -> CodecSpec:
    """The EnCodec of a `config.json`, named after the released one it equals.

    What a config may vary: rates, widths, ratios, codebooks, `norm_type`, `use_causal_conv`,
    `use_conv_shortcut`, `pad_mode`, `normalize`, `chunk_length_s` and `overlap`. A released model
    with another `pad_mode` keeps its name; anything else is "encodec".

    Raises
    ------
    WeightsError
        Naming the field that is of a wrong type, out of range, or of a model not known here.
    """
    fields = _Fields(given)
    rate = fields.whole("sampling_rate", 24_000)
    ratios = fields.wholes("upsampling_ratios", RATIOS)
    size = fields.whole("codebook_size", 1024, least=2)
    bandwidths = fields.bandwidths()
    hop = math.prod(ratios)
    bits = (size - 1).bit_length()
    group_norm = fields.choice("norm_type", _NORMS) == "time_group_norm"
    causal = fields.flag("use_causal_conv", True)
    segments = fields.segments(rate)
    if group_norm and (causal or segments is None):
        raise WeightsError(
            "norm_type: time_group_norm expects use_causal_conv false and a chunk_length_s"
        )
    pad = fields.choice("pad_mode", tuple(_PAD_MODES.values()))
    shape: dict[str, Any] = {
        "sample_rate": rate,
        "bandwidths": bandwidths,
        "codebooks": int(1000 * bandwidths[-1] // (-(-rate // hop) * bits)),
        "channels": fields.whole("audio_channels", 1),
        "codebook_size": size,
        "filters": fields.whole("num_filters", 32),
        "latent": fields.whole("hidden_size", 128),
        "ratios": ratios,
        "causal": causal,
        "group_norm": group_norm,
        "conv_shortcut": fields.flag("use_conv_shortcut", True),
        "segments": segments,
    }
    if shape["codebooks"] < 1:
        raise WeightsError(f"target_bandwidths: expected a codebook's at least, got {bandwidths}")
    released = (encodec_24khz(), encodec_32khz(), encodec_48khz())
    names = [known.name for known in released if encodec(known.name, **shape) == known]
    name = names[0] if names else "encodec"
    return encodec(name, **shape, pad_mode="reflect" if pad == "reflect" else "zero")


class _Fields:
    """Numbers from strangers; what is not given is as `transformers.EncodecConfig` has it."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given

    def _wrong(self, field: str, expected: str) -> WeightsError:
        return WeightsError(f"{field}: expected {expected}, got {self._given.get(field)!r:.100}")

    def whole(self, field: str, default: int, *, least: int = 1) -> int:
        value = self._given.get(field, default)
        if type(value) is not int or not least <= value <= _MOST:
            raise self._wrong(field, f"an integer from {least} to {_MOST}")
        return value

    def wholes(self, field: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self._given.get(field, default)
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 8:
            raise self._wrong(field, "a list of one to eight integers")
        if any(type(item) is not int or not 1 <= item <= 64 for item in value):
            raise self._wrong(field, "integers from 1 to 64")
        return tuple(value)

    def flag(self, field: str, default: bool) -> bool:
        value = self._given.get(field, default)
        if not isinstance(value, bool):
            raise self._wrong(field, "true or false")
        return value

    def choice(self, field: str, choices: tuple[str, ...]) -> str:
        value = self._given.get(field, choices[0])
        if value not in choices:
            raise self._wrong(field, f"one of {', '.join(choices)}")
        assert isinstance(value, str)
        return value

    def number(self, field: str, least: float, most: float) -> float:
        value = self._given.get(field)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(field, f"a number from {least:g} to {most:g}")
        if not least <= value <= most:
            raise self._wrong(field, f"a number from {least:g} to {most:g}")
        return float(value)

    def bandwidths(self) -> tuple[float, ...]:
        value = self._given.get("target_bandwidths", encodec_24khz().bandwidths)
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 64:
            raise self._wrong("target_bandwidths", "a list of kbps")
        if any(type(item) not in (int, float) or not 0 < item <= _MOST for item in value):
            raise self._wrong("target_bandwidths", "positive numbers of kbps")
        return tuple(float(item) for item in value)

    def segments(self, rate: int) -> Segments | None:
        normalise = self.flag("normalize", False)
        if self._given.get("chunk_length_s") is None:
            if normalise:
                raise self._wrong("chunk_length_s", "a number of seconds beside normalize")
            return None
        samples = int(self.number("chunk_length_s", 1e-3, 60.0) * rate)
        return Segments(samples, _stride(samples, self.number("overlap", 0.0, 1.0)), normalise)
