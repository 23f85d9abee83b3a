"""Which DAC a file holds: from the arguments it was built with, a `config.json`, or the shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from hopcodec.errors import WeightsError
from hopcodec.specs._dac import dac, dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from hopcodec.specs._language import CodecSpec, Conv1d, ConvTranspose1d, ProjectedRvq, Shape
from hopcodec.weights.names._dac import dac_name

_KNOWN = (dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps)
_MOST_BLOCKS = 16
_MOST_SIZE = 1 << 20

# Arguments of `dac.DAC`, and what `transformers.DacConfig` calls them.
_NUMBERS = {
    "sample_rate": "sampling_rate",
    "encoder_dim": "encoder_hidden_size",
    "latent_dim": "hidden_size",
    "decoder_dim": "decoder_hidden_size",
    "n_codebooks": "n_codebooks",
    "codebook_size": "codebook_size",
    "codebook_dim": "codebook_dim",
}
_LISTS = {"encoder_rates": "downsampling_ratios", "decoder_rates": "upsampling_ratios"}
_DEFAULTS = {  # of `dac.DAC`; a latent_dim of None is computed
    "sample_rate": 44100,
    "encoder_dim": 64,
    "decoder_dim": 1536,
    "n_codebooks": 9,
    "codebook_size": 1024,
    "codebook_dim": 8,
}
_HF_DEFAULTS = {**_DEFAULTS, "sample_rate": 16000}  # of `transformers.DacConfig`
_DEFAULT_RATES = (2, 4, 8, 8)


def dac_from_kwargs(kwargs: Mapping[str, object]) -> CodecSpec:
    """The DAC that `dac.DAC(**kwargs)` builds; arguments of training alone are not looked at.

    Raises
    ------
    WeightsError
        Naming the argument that makes no codec.
    """
    numbers = {**_DEFAULTS, **_given(kwargs, {name: name for name in _NUMBERS})}
    encoder = _rates(kwargs, "encoder_rates") or _DEFAULT_RATES
    decoder = _rates(kwargs, "decoder_rates") or _DEFAULT_RATES[::-1]
    return _built(numbers, encoder, decoder)


def dac_from_config(config: Mapping[str, object]) -> CodecSpec:
    """The DAC of a Hugging Face `config.json`; what it does not say is `DacConfig`'s default.

    Raises
    ------
    WeightsError
        Naming the field that makes no codec.
    """
    numbers = {**_HF_DEFAULTS, **_given(config, _NUMBERS)}
    encoder = _rates(config, "downsampling_ratios") or _DEFAULT_RATES
    decoder = _rates(config, "upsampling_ratios") or encoder[::-1]
    return _built(numbers, encoder, decoder)


def dac_from_shapes(shapes: Mapping[str, Shape]) -> CodecSpec:
    """The published DAC whose tensors these are, by the file's own names and shapes.

    Raises
    ------
    WeightsError
        When it is none of the four: the tensors alone do not tell the sample rate.
    """
    sizes = {dac_name(name, 4): shape for name, shape in shapes.items()}
    table = sizes.get("quantizer.quantizers.0.codebook.weight")
    for make in _KNOWN:
        spec = make()
        latent = f"{spec.encoder[-1].name}.bias"  # type: ignore[union-attr]  # a convolution
        books = f"quantizer.quantizers.{spec.quantizer.codebooks}.codebook.weight"
        last = f"quantizer.quantizers.{spec.quantizer.codebooks - 1}.codebook.weight"
        if last in sizes and books not in sizes and sizes.get(latent) == (spec.quantizer.dim,):
            return spec
    raise WeightsError(
        "expected the sizes of a published DAC in a file that does not say which it is, got "
        f"another (first codebook {table}): add the config.json of its folder, or save it with its "
        "metadata as descript-audio-codec does"
    )


def hf_dac_fields(spec: CodecSpec) -> dict[str, object]:
    """What `transformers.DacConfig` calls the parts of a DAC `spec`."""
    quantizer = spec.quantizer
    assert isinstance(quantizer, ProjectedRvq)
    first, *_, last = (layer for layer in spec.encoder if isinstance(layer, Conv1d))
    rates = [layer.stride for layer in spec.encoder if isinstance(layer, Conv1d)][1:-1]
    begin = spec.decoder[0]
    assert isinstance(begin, Conv1d)
    return {
        "sampling_rate": spec.sample_rate,
        "encoder_hidden_size": first.out_channels,
        "downsampling_ratios": rates,
        "hidden_size": last.out_channels,
        "decoder_hidden_size": begin.out_channels,
        "upsampling_ratios": [
            layer.stride for layer in spec.decoder if isinstance(layer, ConvTranspose1d)
        ],
        "hop_length": spec.hop_samples,
        "n_codebooks": quantizer.codebooks,
        "codebook_size": quantizer.codebook_size,
        "codebook_dim": quantizer.codebook_dim,
    }


def _given(source: Mapping[str, object], names: Mapping[str, str]) -> dict[str, int]:
    """The numbers among `names`, under ours; None stands for "as usual"."""
    found = {}
    for ours, theirs in names.items():
        value = source.get(theirs)
        if isinstance(value, (list, tuple)) and len(set(value)) == 1:
            value = value[0]  # one size for each codebook, all the same
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_SIZE:
            raise WeightsError(f"{theirs}: expected 1 to {_MOST_SIZE}, got {value!r:.100}")
        found[ours] = value
    return found


def _rates(source: Mapping[str, object], name: str) -> tuple[int, ...]:
    value = source.get(name)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MOST_BLOCKS:
        raise WeightsError(f"{name}: expected 1 to {_MOST_BLOCKS} strides, got {value!r:.100}")
    for rate in value:
        if not isinstance(rate, int) or isinstance(rate, bool) or not 2 <= rate <= 1024:
            raise WeightsError(f"{name}: expected strides of 2 to 1024, got {rate!r:.100}")
    return tuple(value)


def _built(
    numbers: Mapping[str, int], encoder: tuple[int, ...], decoder: tuple[int, ...]
) -> CodecSpec:
    if math.prod(encoder) != math.prod(decoder) or math.prod(encoder) > 1 << 16:
        raise WeightsError(
            f"strides: expected the same hop of at most 65536 on both sides, got {encoder} and "
            f"{decoder}"
        )
    if numbers["codebook_size"] < 2 or numbers["n_codebooks"] > 1024:
        raise WeightsError(
            "codebooks: expected at most 1024 of at least 2 entries, got "
            f"{numbers['n_codebooks']} of {numbers['codebook_size']}"
        )
    width = numbers["decoder_dim"]
    if width % 2 ** len(decoder) or numbers["encoder_dim"] << len(encoder) > _MOST_SIZE:
        raise WeightsError(
            f"widths: expected a decoder that halves {len(decoder)} times, got {width}, and an "
            f"encoder of at most {_MOST_SIZE}"
        )
    spec = dac("dac", encoder_rates=encoder, decoder_rates=decoder, **numbers)
    same = (known for make in _KNOWN if replace(known := make(), name="dac") == spec)
    return next(same, spec)
