"""Any `DacConfig` in the words of `hopcodec.specs._language`."""

from __future__ import annotations

import math
from dataclasses import replace

from transformers import DacConfig

from hopcodec.specs._dac import dac
from hopcodec.specs._dac import full_hop as with_full_hop
from hopcodec.specs._language import CodecSpec
from hopcodec.torch.hf._ranges import MOST, MOST_HOP, power_of_two, whole

# What any DAC may have; files come from strangers.
_MOST_BOOKS = 1024
_MOST_BLOCKS = 16
_MOST_STRIDE = 1024


def check_dac(config: DacConfig) -> None:
    """Raise TypeError or ValueError naming the field that makes no DAC of a sane size."""
    if not isinstance(wants_full_hop(config), bool):
        raise TypeError(f"full_hop: expected true or false, got {config.full_hop!r:.100}")
    down = _strides("downsampling_ratios", config.downsampling_ratios)
    up = _strides("upsampling_ratios", config.upsampling_ratios)
    if math.prod(down) != math.prod(up):
        raise ValueError(f"upsampling_ratios: expected a hop of {math.prod(down)}, got {up}")
    blocks = len(down)
    whole("sampling_rate", config.sampling_rate)
    whole("encoder_hidden_size", config.encoder_hidden_size, most=MOST >> blocks)
    whole("decoder_hidden_size", config.decoder_hidden_size, least=1 << len(up))
    whole("hidden_size", config.hidden_size)
    whole("n_codebooks", config.n_codebooks, most=_MOST_BOOKS)
    power_of_two("codebook_size", whole("codebook_size", config.codebook_size, least=2))
    whole("codebook_dim", config.codebook_dim)
    if not 0 <= config.quantizer_dropout <= 1:
        raise ValueError(f"quantizer_dropout: expected 0 to 1, got {config.quantizer_dropout}")


def wants_full_hop(config: DacConfig) -> bool:
    """Whether decoders of odd strides give whole hops; `transformers` has no such field."""
    full_hop: bool = getattr(config, "full_hop", False)
    return full_hop


def dac_spec(config: DacConfig) -> CodecSpec | None:
    """Return the DAC of a checked `config`, or None for what the core's layers do not know.

    They do not know strides of 1, and a decoder whose channels cannot be halved so often.
    """
    down, up = tuple(config.downsampling_ratios), tuple(config.upsampling_ratios)
    if min(*down, *up) == 1 or config.decoder_hidden_size % (1 << len(up)):
        return None
    spec = dac(
        "dac",
        sample_rate=config.sampling_rate,
        encoder_dim=config.encoder_hidden_size,
        encoder_rates=down,
        latent_dim=config.hidden_size,
        decoder_dim=config.decoder_hidden_size,
        decoder_rates=up,
        n_codebooks=config.n_codebooks,
        codebook_size=config.codebook_size,
        codebook_dim=config.codebook_dim,
    )
    spec = with_full_hop(spec) if wants_full_hop(config) else spec
    # As the modules do: samples that fill no hop are dropped, not filled up with zeros.
    return replace(spec, whole_hops=False)


def _strides(field: str, value: object) -> list[int]:
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MOST_BLOCKS:
        raise ValueError(f"{field}: expected 1 to {_MOST_BLOCKS} strides, got {value!r:.100}")
    strides = [whole(field, stride, most=_MOST_STRIDE) for stride in value]
    if math.prod(strides) > MOST_HOP:
        raise ValueError(f"{field}: expected a hop of at most {MOST_HOP}, got {strides}")
    return strides
