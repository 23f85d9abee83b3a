"""`transformers.DacModel`, with the core where no gradient is wanted, and exact batches."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator
from typing import Any, cast

import transformers
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations
from transformers import DacConfig
from transformers.models.dac.modeling_dac import DacDecoderOutput, DacEncoderOutput, DacOutput

from hopcodec.torch._core_copy import CoreCopy
from hopcodec.torch._dac_signals import DacSignals, check_signals, weighted_losses
from hopcodec.torch.hf._dac_spec import check_dac, dac_spec, wants_full_hop
from hopcodec.torch.hf._loading import StrictLoading
from torch import Tensor, nn


class DacModel(DacSignals, StrictLoading, transformers.DacModel):  # type: ignore[misc]
    """DAC: `transformers.DacModel`, to run and to train further.

    `encode` and `decode` compute on the compiled core when no gradient is asked for
    (`torch.no_grad`, evaluation mode, float32 on the CPU), else with torch modules. Each call
    stands alone. Results are the reference's up to float32 rounding; where it is known to be wrong:

    * Padding of a batch changes the frames before it, as DAC looks ahead. Give `padding_mask`, and
      each item is encoded and decoded alone; without it, batches are as the reference's.
    * `decode(quantized_representation)` decodes what straight-through rounding left of the entries
      (1e-7 from them); `decode(audio_codes=...)` decodes the entries, as `hopcodec.load` does.
    * Decoders with a stride of 5 (16 and 24 kHz) give 8 samples less than whole hops, as they were
      trained; `full_hop=True` gives those, too.
    * Weight norm can be taken off again, and is multiplied out in files.

    Parameters
    ----------
    config : DacConfig
        ValueError or TypeError if a field is out of range.
    full_hop
        Let each transposed convolution of odd stride give its last row, so that audio is whole hops
        long. `from_pretrained` takes it as well; `config.json` keeps it as `full_hop`, which
        `transformers` does not look at. Without it, as the configuration says, or else not.

    Notes
    -----
    Each call on the core first compares all weights with a copy of those that the core was made
    of, byte by byte, so that no write to them is missed. That takes
    67 ms for the 307 MB of DAC 44.1 kHz on one core that compares 4.7 GB/s; see
    `hopcodec.torch._core_copy`.

    Examples
    --------
    >>> import torch
    >>> from hopcodec.torch.hf import DacConfig, DacModel
    >>> config = DacConfig(encoder_hidden_size=2, decoder_hidden_size=32, n_codebooks=3)
    >>> model = DacModel(config).eval()
    >>> with torch.no_grad():
    ...     encoder_outputs = model.encode(torch.zeros(1, 1, 5120))
    ...     audio_values = model.decode(encoder_outputs.quantized_representation).audio_values
    >>> encoder_outputs.audio_codes.shape, audio_values.shape
    (torch.Size([1, 3, 10]), torch.Size([1, 5120]))
    """

    def __init__(self, config: DacConfig, *, full_hop: bool | None = None) -> None:
        check_dac(config)
        if full_hop is not None and full_hop != wants_full_hop(config):
            config = copy.deepcopy(config)  # others may share the caller's
            config.full_hop = full_hop
        super().__init__(config)
        if wants_full_hop(config):
            for conv in self.decoder.modules():
                if isinstance(conv, nn.ConvTranspose1d):
                    conv.output_padding = (conv.stride[0] % 2,)
        self._hop = math.prod(config.downsampling_ratios)
        spec = dac_spec(config)
        self._core = None if spec is None else CoreCopy(self, spec)

    @classmethod
    def check_config(cls, config: DacConfig) -> None:
        """Raise TypeError or ValueError naming the field that makes no model of a sane size."""
        check_dac(config)

    @classmethod
    def own_name(cls, name: str, config: DacConfig) -> str:
        """Return how this model spells a tensor: as `transformers` does."""
        return name

    def encode(
        self,
        input_values: Tensor,
        n_quantizers: int | None = None,
        return_dict: bool | None = None,
        *,
        padding_mask: Tensor | None = None,
    ) -> DacEncoderOutput | tuple[Tensor, ...]:
        """Encode audio to codes, and return what they were made of.

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
        result = self._encoded(input_values, n_quantizers, padding_mask)
        return DacEncoderOutput(*result) if self._as_dict(return_dict) else result

    def decode(
        self,
        quantized_representation: Tensor | None = None,
        audio_codes: Tensor | None = None,
        return_dict: bool | None = None,
        *,
        padding_mask: Tensor | None = None,
    ) -> DacDecoderOutput | tuple[Tensor, ...]:
        """Decode a representation, or codes, to audio.

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
        given = quantized_representation if audio_codes is None else audio_codes
        if given is None:
            raise ValueError(
                "Either `quantized_representation` or `audio_codes` must be provided, got neither."
            )
        codec = self._codec(given)
        audio = self._decode(codec, quantized_representation, audio_codes, padding_mask).squeeze(1)
        return DacDecoderOutput(audio) if self._as_dict(return_dict) else (audio,)

    def forward(
        self,
        input_values: Tensor,
        n_quantizers: int | None = None,
        return_dict: bool | None = None,
        *,
        padding_mask: Tensor | None = None,
    ) -> DacOutput | tuple[Tensor, ...]:
        """Encode and decode; `audio_values` is no longer than the input.

        The parameters are those of `encode`. The representation is decoded, so that gradients reach
        the encoder.
        """
        loss, representation, codes, latents = self._encoded(
            input_values, n_quantizers, padding_mask
        )
        (audio,) = cast(
            tuple[Tensor], self.decode(representation, None, False, padding_mask=padding_mask)
        )
        result = (loss, audio[..., : input_values.shape[-1]], representation, codes, latents)
        return DacOutput(*result) if self._as_dict(return_dict) else result

    def _as_dict(self, return_dict: bool | None) -> bool:
        return bool(self.config.return_dict if return_dict is None else return_dict)

    def _encoded(
        self, values: Tensor, n_quantizers: int | None, padding_mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encode; the values of a `DacEncoderOutput`."""
        check_signals(values)
        codec = self._codec(values)
        if codec is None and padding_mask is None:
            if not self.training:
                self._stages_for(n_quantizers)
            own: tuple[Tensor, Tensor, Tensor, Tensor]
            own = transformers.DacModel.encode(self, values, n_quantizers, False)
            return own
        stages, frames = self._encode(codec, values, n_quantizers, padding_mask)
        commitment, codebook = weighted_losses(stages, frames)
        config = self.config
        loss = config.commitment_loss_weight * commitment + config.codebook_loss_weight * codebook
        return loss, stages.quantized, stages.codes, stages.latents

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

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> None:
        """Save as `transformers` does; weight norm is multiplied out."""
        if any(is_parametrized(conv, "weight") for conv in self._convolutions()):
            kwargs.setdefault("state_dict", self._multiplied_out())
        super().save_pretrained(save_directory, *args, **kwargs)

    def _multiplied_out(self) -> dict[str, Tensor]:
        state = {n: t for n, t in self.state_dict().items() if ".parametrizations." not in n}
        for name, module in self.named_modules():
            if is_parametrized(module, "weight"):
                assert isinstance(module.weight, Tensor)
                state[f"{name}.weight"] = module.weight.detach()
        return state
