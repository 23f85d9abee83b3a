"""Find the DAC of a file by the arguments that built it, a `config.json`, or its shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from hopcodec._checks import require, whole
from hopcodec.errors import WeightsError
from hopcodec.specs._dac import dac, dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from hopcodec.specs._json import MAX_CODEBOOKS
from hopcodec.specs._language import CodecSpec, Conv1d, ConvTranspose1d, ProjectedRvq, Shape
from hopcodec.weights.config._strides import MAX_SIZE, strides
from hopcodec.weights.names._dac import dac_name

_KNOWN = (dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps)

# Arguments of `dac.DAC`, and their names in `transformers.DacConfig`.
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
_DEFAULTS = {  # of `dac.DAC`, which computes a latent_dim of None
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
    """Make the DAC that `dac.DAC(**kwargs)` builds; ignore arguments of training.

    Raises
    ------
    WeightsError
        An argument makes no codec. The message names it.
    """
    numbers = {**_DEFAULTS, **_given(kwargs, {name: name for name in _NUMBERS})}
    encoder = _rates(kwargs, "encoder_rates") or _DEFAULT_RATES
    decoder = _rates(kwargs, "decoder_rates") or _DEFAULT_RATES[::-1]
    return _built(numbers, encoder, decoder)


def dac_from_config(config: Mapping[str, object]) -> CodecSpec:
    """Make the DAC of a Hugging Face `config.json`, with the defaults of `DacConfig`.

    Raises
    ------
    WeightsError
        A field makes no codec. The message names it.
    """
    numbers = {**_HF_DEFAULTS, **_given(config, _NUMBERS)}
    encoder = _rates(config, "downsampling_ratios") or _DEFAULT_RATES
    decoder = _rates(config, "upsampling_ratios") or encoder[::-1]
    return _built(numbers, encoder, decoder)


def dac_from_shapes(shapes: Mapping[str, Shape]) -> CodecSpec:
    """Find the published DAC that has these tensors, by the file's own names and shapes.

    Raises
    ------
    WeightsError
        It is none of the four. Tensors alone do not tell the sample rate.
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
    """Return the fields of `transformers.DacConfig` for a DAC `spec`."""
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
    """Return the numbers among `names`, under our names. None stands for the default."""
    found = {}
    for ours, theirs in names.items():
        value = source.get(theirs)
        if isinstance(value, (list, tuple)) and len(set(value)) == 1:
            value = value[0]  # a list with one equal size for each codebook
        if value is None:
            continue
        found[ours] = whole(theirs, value, 1, MAX_SIZE, error=WeightsError)
    return found


def _rates(source: Mapping[str, object], name: str) -> tuple[int, ...]:
    """Return the strides that a config gives. An empty tuple stands for the default."""
    value = source.get(name)
    return () if value is None else strides(name, value, least=2)


def _built(
    numbers: Mapping[str, int], encoder: tuple[int, ...], decoder: tuple[int, ...]
) -> CodecSpec:
    same_hop = math.prod(encoder) == math.prod(decoder)
    require(same_hop, "strides", "the same hop on both sides", (encoder, decoder), WeightsError)
    whole("codebook_size", numbers["codebook_size"], 2, MAX_SIZE, error=WeightsError)
    whole("n_codebooks", numbers["n_codebooks"], 1, MAX_CODEBOOKS, error=WeightsError)
    width, widest = numbers["decoder_dim"], numbers["encoder_dim"] << len(encoder)
    halves = width % 2 ** len(decoder) == 0
    expected = f"a width that halves {len(decoder)} times"
    require(halves, "decoder_dim", expected, width, WeightsError)
    whole("encoder_dim at its widest", widest, 1, MAX_SIZE, error=WeightsError)
    spec = dac("dac", encoder_rates=encoder, decoder_rates=decoder, **numbers)
    same = (known for make in _KNOWN if replace(known := make(), name="dac") == spec)
    return next(same, spec)
