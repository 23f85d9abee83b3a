"""`DacModel`: DAC with the interface of `transformers`, which is not needed.

The examples of its documentation run with only the import changed.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, cast

from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

import torch
from hopcodec.torch.hf._dac_blocks import Decoder, Encoder, shortened
from hopcodec.torch.hf._dac_config import DacConfig
from hopcodec.torch.hf._dac_runtime import DacParts, StatelessDac
from hopcodec.torch.hf._outputs import ModelOutput
from hopcodec.torch.hf._pretrained import PretrainedModel
from hopcodec.torch.nn._layers import Snake1d
from hopcodec.torch.nn._quantize_projected import ProjectedResidualVectorQuantize, Stages
from torch import Tensor, nn


@dataclass(eq=False)
class DacEncoderOutput(ModelOutput):
    """What `DacModel.encode` gives.

    `loss` `(batch,)`, `quantized_representation` `(batch, hidden_size, frames)`, `audio_codes`
    int64 `(batch, codebooks, frames)`, `projected_latents`
    `(batch, codebooks * codebook_dim, frames)`.
    """

    loss: Tensor | None = None
    quantized_representation: Tensor | None = None
    audio_codes: Tensor | None = None
    projected_latents: Tensor | None = None


@dataclass(eq=False)
class DacDecoderOutput(ModelOutput):
    """What `DacModel.decode` gives: `audio_values` `(batch, samples)`."""

    audio_values: Tensor | None = None


@dataclass(eq=False)
class DacOutput(ModelOutput):
    """What `DacModel` gives: the fields of both."""

    loss: Tensor | None = None
    audio_values: Tensor | None = None
    quantized_representation: Tensor | None = None
    audio_codes: Tensor | None = None
    projected_latents: Tensor | None = None


class DacResidualVectorQuantizer(ProjectedResidualVectorQuantize):
    """The quantizer of a `DacModel`, which differs from the original's in what it returns."""

    def forward(
        self, hidden_state: Tensor, n_quantizers: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Representation, codes, latents, and both losses, each `(batch,)`.

        In training mode `n_quantizers` is ignored and quantizer dropout draws instead.
        """
        count = len(hidden_state)
        books = self.drawn(count) if self.training else self.stages_for(n_quantizers)
        result = self.stages(hidden_state, books)
        return (result.quantized, result.codes, result.latents, *_losses(result))


def _losses(stages: Stages, frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Commitment and codebook loss `(batch,)`: of each item's stages, the mean over the batch.

    `frames` `(batch,)` weighs items of different lengths.
    """
    weights = torch.ones(stages.used.shape[1]) if frames is None else frames
    share = (weights / weights.sum()).to(stages.used)
    commitment, codebook = (
        ((each * share).sum(1, keepdim=True) * stages.used).sum(0)
        for each in (stages.commitment, stages.codebook)
    )
    return commitment, codebook


class _ResidualUnit(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self:
            y = layer(y)
        return shortened(x, y)


def _named(kind: type[nn.Sequential], **layers: nn.Module) -> nn.Sequential:
    return kind(OrderedDict(layers))


def _residual(unit: nn.Module) -> nn.Sequential:
    names = ("snake1", "conv1", "snake2", "conv2")
    return _named(_ResidualUnit, **dict(zip(names, _inner(unit), strict=True)))


def _inner(block: nn.Module) -> list[nn.Module]:
    (sequence,) = block.children()
    return [*sequence.children()]


def _encoder(encoder: Encoder) -> nn.Sequential:
    """The encoder's very layers under the names that `transformers` gives them."""
    first, *blocks, snake, last = encoder.block
    renamed = []
    for block in blocks:
        *units, before, conv = _inner(block)
        named = {f"res_unit{j}": _residual(unit) for j, unit in enumerate(units, 1)}
        renamed.append(_named(nn.Sequential, **named, snake1=before, conv1=conv))
    return _named(
        nn.Sequential, conv1=first, block=nn.Sequential(*renamed), snake1=snake, conv2=last
    )


def _decoder(decoder: Decoder) -> nn.Sequential:
    first, *blocks, snake, last, tanh = decoder.model
    renamed = []
    for block in blocks:
        before, conv, *units = _inner(block)
        named = {f"res_unit{j}": _residual(unit) for j, unit in enumerate(units, 1)}
        renamed.append(_named(nn.Sequential, snake1=before, conv_t1=conv, **named))
    inside = nn.Sequential(*renamed)
    return _named(nn.Sequential, conv1=first, block=inside, snake1=snake, conv2=last, tanh=tanh)


class DacModel(StatelessDac, PretrainedModel):
    """A DAC with the methods of `transformers.DacModel`.

    `encode` and `decode` compute on the compiled core when no gradient is asked for
    (`torch.no_grad`, evaluation mode, float32 on the CPU), else with torch modules, which can be
    trained. Each call stands alone. Results are the reference's up to float32 rounding; where it
    is known to be wrong:

    * Padding of a batch changes the frames before it, as DAC looks ahead. Give `padding_mask`, and
      each item is encoded and decoded alone; without it, batches are as the reference's.
    * `decode(quantized_representation)` decodes what straight-through rounding left of the entries
      (1e-7 from them); `decode(audio_codes=...)` decodes the entries, as `hopcodec.load` does.
    * Decoders with a stride of 5 (16 and 24 kHz) give 8 samples less than whole hops, as they were
      trained; `full_hop=True` gives those, too.

    Parameters
    ----------
    config
        Its shape.
    full_hop
        Let each transposed convolution of odd stride give its last row, so that audio is whole hops
        long. `from_pretrained` takes it as well; `config.json` keeps it as `full_hop`, which
        `transformers` does not look at. Without it, as the configuration says, or else not.

    Examples
    --------
    >>> import torch
    >>> config = DacConfig(encoder_hidden_size=2, decoder_hidden_size=32, n_codebooks=3)
    >>> model = DacModel(config).eval()
    >>> with torch.no_grad():
    ...     encoder_outputs = model.encode(torch.zeros(1, 1, 5120))
    ...     audio_values = model.decode(encoder_outputs.quantized_representation).audio_values
    >>> encoder_outputs.audio_codes.shape, audio_values.shape
    (torch.Size([1, 3, 10]), torch.Size([1, 5120]))
    """

    config_class = DacConfig
    base_model_prefix: ClassVar[str] = "dac"

    def __init__(self, config: DacConfig, *, full_hop: bool | None = None) -> None:
        super().__init__(config)
        if full_hop is None:
            full_hop = config.full_hop
        elif full_hop != config.full_hop:  # others may share the caller's
            self.config = config = config.from_dict(config.to_dict(), full_hop=full_hop)
        self.bits_per_codebook = (config.codebook_size - 1).bit_length()
        if 2**self.bits_per_codebook != config.codebook_size:
            raise ValueError(
                f"codebook_size: expected a power of 2, got {config.codebook_size}: "
                "The codebook_size must be a power of 2."
            )
        latent, rates = config.hidden_size, config.downsampling_ratios
        encoder = Encoder(config.encoder_hidden_size, rates, latent, normalise=False)
        decoder = Decoder(
            latent, config.decoder_hidden_size, config.upsampling_ratios, normalise=False
        )
        quantizer = DacResidualVectorQuantizer(
            latent,
            config.n_codebooks,
            config.codebook_size,
            config.codebook_dim,
            config.quantizer_dropout,
            normalise=False,
        )
        self._parts = DacParts(
            encoder,
            quantizer,
            decoder,
            rates=rates,
            sample_rate=config.sampling_rate,
            full_hop=full_hop,
        )
        self.encoder = _encoder(encoder)
        self.decoder = _decoder(decoder)
        self.quantizer = quantizer
        self.apply(_initialise)

    def encode(
        self,
        input_values: Tensor,
        n_quantizers: int | None = None,
        return_dict: bool | None = None,
        *,
        padding_mask: Tensor | None = None,
    ) -> DacEncoderOutput | tuple[Tensor, ...]:
        """Codes of audio, and what they were made of.

        Parameters
        ----------
        input_values : (batch, 1, samples)
            `DacFeatureExtractor` fills them up to whole hops; of others, what is beyond the last
            whole hop is dropped. Unless the modules compute, ValueError for samples beyond +-1024
            (full scale is 1).
        n_quantizers
            Codebooks to use, or all; ignored in training mode. ValueError for more than there are,
            which `transformers` takes for all.
        return_dict
            A `DacEncoderOutput`, or else its values as a tuple; `config.return_dict` by default.
        padding_mask : (batch, samples), optional
            1 for samples, then 0 for padding. Each item is then encoded alone; its frames are
            followed by zeros.
        """
        stages, frames = self._encode(input_values, n_quantizers, padding_mask)
        commitment, codebook = _losses(stages, frames)
        config = self.config
        loss = config.commitment_loss_weight * commitment + config.codebook_loss_weight * codebook
        result = DacEncoderOutput(loss, stages.quantized, stages.codes, stages.latents)
        return result if self._as_dict(return_dict) else result.to_tuple()

    def decode(
        self,
        quantized_representation: Tensor | None = None,
        audio_codes: Tensor | None = None,
        return_dict: bool | None = None,
        *,
        padding_mask: Tensor | None = None,
    ) -> DacDecoderOutput | tuple[Tensor, ...]:
        """Audio of a representation, or of codes.

        Parameters
        ----------
        quantized_representation : (batch, hidden_size, frames)
        audio_codes : int64 (batch, 1 to n_codebooks, frames)
            If given, used instead. TypeError if they are not integers.
        return_dict
            A `DacDecoderOutput`, or else its value in a tuple; `config.return_dict` by default.
        padding_mask : (batch, samples), optional
            As given to `encode`: each item is decoded alone and followed by zeros, to the width of
            the mask.
        """
        if quantized_representation is None and audio_codes is None:
            raise ValueError(
                "Either `quantized_representation` or `audio_codes` must be provided, got neither."
            )
        audio = self._decode(quantized_representation, audio_codes, padding_mask)
        result = DacDecoderOutput(audio.squeeze(1))
        return result if self._as_dict(return_dict) else result.to_tuple()

    def forward(
        self,
        input_values: Tensor,
        n_quantizers: int | None = None,
        return_dict: bool | None = None,
        *,
        padding_mask: Tensor | None = None,
    ) -> DacOutput | tuple[Tensor, ...]:
        """`encode` and `decode`; `audio_values` is no longer than the input.

        The parameters are those of `encode`. The representation is decoded, so that gradients reach
        the encoder.
        """
        encoded = self.encode(input_values, n_quantizers, False, padding_mask=padding_mask)
        loss, representation, codes, latents = cast(tuple[Tensor, ...], encoded)
        audio = self._decode(representation, None, padding_mask).squeeze(1)
        values = audio[..., : input_values.shape[-1]]
        result = DacOutput(loss, values, representation, codes, latents)
        return result if self._as_dict(return_dict) else result.to_tuple()

    def _convolutions(self) -> Iterator[nn.Module]:
        return (m for m in self.modules() if isinstance(m, (nn.Conv1d, nn.ConvTranspose1d)))

    def apply_weight_norm(self) -> None:
        """Put every convolution under weight norm, to train it as the original was trained."""
        for conv in self._convolutions():
            if not is_parametrized(conv, "weight"):
                weight_norm(conv)

    def remove_weight_norm(self) -> None:
        """Multiply weight norm out; convolutions without it stay as they are."""
        for conv in self._convolutions():
            if is_parametrized(conv, "weight"):
                remove_parametrizations(conv, "weight")

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write `config.json` and `model.safetensors`; weight norm is multiplied out."""
        if not any(is_parametrized(conv, "weight") for conv in self._convolutions()):
            super().save_pretrained(folder)
            return
        # A copy would share torch's generated classes with us: taken out there, gone here.
        plain = type(self)(self.config).to(self.device, self.dtype)
        plain.load_state_dict(
            {name: self._folded(name).detach() for name in plain.state_dict()}, strict=True
        )
        plain.save_pretrained(folder)

    def _folded(self, name: str) -> Tensor:
        where, _, leaf = name.rpartition(".")
        tensor = getattr(self.get_submodule(where), leaf)
        assert isinstance(tensor, Tensor)
        return tensor


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    """The start values of `transformers`; transposed convolutions keep torch's own."""
    if isinstance(module, nn.Conv1d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, Snake1d):
        nn.init.ones_(module.alpha)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
