"""DAC's configuration, field by field as `transformers` has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from hopcodec.specs._dac import dac
from hopcodec.torch.hf._pretrained import PretrainedConfig
from hopcodec.torch.hf._settings import MOST, MOST_HOP, whole

# What any DAC may have; files come from strangers.
_MOST_BOOKS = 1024
_MOST_BLOCKS = 16
_MOST_STRIDE = 1024


@dataclass(init=False)
class DacConfig(PretrainedConfig):
    """The shape of a `DacModel`; the defaults give that of "descript/dac_16khz" but its strides.

    Parameters
    ----------
    encoder_hidden_size, decoder_hidden_size
        Channels after the first layer of either side.
    downsampling_ratios
        Strides of the encoder; the decoder has them in reverse order.
    n_codebooks, codebook_size, codebook_dim
        Of the quantizer: stages, entries (a power of 2), numbers per entry.
    quantizer_dropout
        Share of a training batch whose number of stages is drawn at random.
    commitment_loss_weight, codebook_loss_weight
        In `DacOutput.loss`.
    sampling_rate
        Hz.
    full_hop
        By name only, and not in `transformers`: see `DacModel`.
    hidden_size
        Channels of the latents, `encoder_hidden_size * 2 ** len(downsampling_ratios)` unless given.

    Raises
    ------
    TypeError, ValueError
        Naming the field that makes no model.

    Examples
    --------
    >>> config = DacConfig()
    >>> config.hidden_size, config.hop_length, config.upsampling_ratios
    (1024, 512, [8, 8, 4, 2])
    """

    model_type: ClassVar[str] = "dac"

    encoder_hidden_size: int = 64
    downsampling_ratios: Any = (2, 4, 8, 8)
    decoder_hidden_size: int = 1536
    n_codebooks: int = 9
    codebook_size: int = 1024
    codebook_dim: int = 8
    quantizer_dropout: float = 0.0
    commitment_loss_weight: float = 0.25
    codebook_loss_weight: float = 1.0
    sampling_rate: int = 16000
    hidden_size: Any = None

    full_hop: ClassVar[bool] = False  # an instance may have its own; as usual, files do not say it

    def __post_init__(self) -> None:
        if not isinstance(self.full_hop, bool):
            raise TypeError(f"full_hop: expected true or false, got {self.full_hop!r:.100}")
        self.downsampling_ratios = _strides(self.downsampling_ratios)
        self.upsampling_ratios = self.downsampling_ratios[::-1]
        self.hop_length = math.prod(self.downsampling_ratios)
        blocks = len(self.downsampling_ratios)
        whole("sampling_rate", self.sampling_rate)
        whole("encoder_hidden_size", self.encoder_hidden_size, most=MOST >> blocks)
        whole("decoder_hidden_size", self.decoder_hidden_size, least=1 << blocks)
        if self.hidden_size is None:
            self.hidden_size = self.encoder_hidden_size * 2**blocks
        whole("hidden_size", self.hidden_size)
        whole("n_codebooks", self.n_codebooks, most=_MOST_BOOKS)
        whole("codebook_size", self.codebook_size, least=2)
        whole("codebook_dim", self.codebook_dim)
        if not 0 <= self.quantizer_dropout <= 1:
            raise ValueError(f"quantizer_dropout: expected 0 to 1, got {self.quantizer_dropout}")

    def least_bytes(self) -> int:
        """Two per number: files may be of half precision."""
        spec = dac(
            "dac",
            sample_rate=self.sampling_rate,
            encoder_dim=self.encoder_hidden_size,
            encoder_rates=tuple(self.downsampling_ratios),
            latent_dim=self.hidden_size,
            decoder_dim=self.decoder_hidden_size,
            decoder_rates=tuple(self.upsampling_ratios),
            n_codebooks=self.n_codebooks,
            codebook_size=self.codebook_size,
            codebook_dim=self.codebook_dim,
        )
        return 2 * sum(math.prod(shape) for shape in spec.tensors().values())

    @property
    def frame_rate(self) -> int:
        """Frames per second, rounded up as `transformers` does: 87 for the 86.13 of 44.1 kHz."""
        hop: int = self.hop_length
        return -(-self.sampling_rate // hop)


def _strides(value: object) -> list[int]:
    field = "downsampling_ratios"
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MOST_BLOCKS:
        raise ValueError(f"{field}: expected 1 to {_MOST_BLOCKS} strides, got {value!r:.100}")
    strides = [whole(field, stride, most=_MOST_STRIDE) for stride in value]
    if math.prod(strides) > MOST_HOP:
        raise ValueError(f"{field}: expected a hop of at most {MOST_HOP}, got {strides}")
    return strides
