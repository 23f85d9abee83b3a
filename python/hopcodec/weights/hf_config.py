"""A codec in the words of a Hugging Face `config.json`, and the check of one against it."""

from __future__ import annotations

from pathlib import Path

from hopcodec.errors import WeightsError
from hopcodec.models.spec import CodecSpec, Conv1d, ConvTranspose1d, Lstm, Residual
from hopcodec.weights.limits import MAX_HEADER_BYTES, read_file
from hopcodec.weights.strict_json import parse_object

_PAD_MODES = {"reflect": "reflect", "zero": "constant"}


def hf_fields(spec: CodecSpec) -> dict[str, object]:
    """What `transformers.EncodecConfig` calls the parts of an EnCodec `spec`."""
    convs = [layer for layer in spec.encoder if isinstance(layer, Conv1d)]
    ups = [layer for layer in spec.decoder if isinstance(layer, ConvTranspose1d)]
    residuals = [layer for layer in spec.encoder if isinstance(layer, Residual)]
    lstms = [layer for layer in spec.encoder if isinstance(layer, Lstm)]
    first, last, branch = convs[0], convs[-1], residuals[0].branch[0]
    assert isinstance(branch, Conv1d)
    return {
        "sampling_rate": spec.sample_rate,
        "audio_channels": spec.channels,
        "target_bandwidths": list(spec.bandwidths),
        "normalize": False,
        "chunk_length_s": None,
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
        "use_causal_conv": first.padding.right == 0,
        "trim_right_ratio": ups[0].trim_right / (ups[0].trim_left + ups[0].trim_right),
        "pad_mode": _PAD_MODES[first.padding.mode],
        "norm_type": "weight_norm",
        "codebook_size": spec.quantizer.codebook_size,
        "codebook_dim": spec.quantizer.dim,
    }


def check_config(path: Path, spec: CodecSpec) -> None:
    """WeightsError naming the first field of a `config.json` that contradicts `spec`.

    Fields it does not give are not missed: what they mean has changed between releases.
    """
    data = read_file(path, MAX_HEADER_BYTES)
    try:
        given = parse_object(data)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if given.get("codebook_dim", 0) is None:  # null: the same as hidden_size
        del given["codebook_dim"]
    for field, expected in {"model_type": "encodec", **hf_fields(spec)}.items():
        if field in given and given[field] != expected:
            raise WeightsError(
                f"{path}: {field}: {spec.name} expects {expected!r}, got {given[field]!r}"
            )
