"""`transformers.EncodecModel`, with the core where no gradient is wanted, and exact batches."""

from __future__ import annotations

import transformers
from transformers import EncodecConfig
from transformers.models.encodec.modeling_encodec import (
    EncodecDecoderOutput,
    EncodecEncoderOutput,
    EncodecOutput,
)

from hopcodec.torch._core_bridge import wants_gradient
from hopcodec.torch._core_copy import CoreCopy
from hopcodec.torch.hf._encodec_conv import ExactEncodecConv1d, exact_windows
from hopcodec.torch.hf._encodec_signals import EncodecSignals, Encoded, Scales
from hopcodec.torch.hf._encodec_spec import encodec_spec
from hopcodec.torch.hf._loading import DIRECTION, GAIN, StrictLoading
from hopcodec.weights.names._encodec import canonical_name
from torch import Tensor


class EncodecModel(EncodecSignals, StrictLoading, transformers.EncodecModel):  # type: ignore[misc]
    """EnCodec: `transformers.EncodecModel`, to run and to train further.

    Without gradients, float32 signals on the CPU are computed by hopcodec's core, everything else
    by torch from the same parameters. The codes agree, but for ties between two entries that
    float32 cannot decide. In `forward`, gradients pass straight through the quantizer.

    Parameters
    ----------
    config : EncodecConfig
        ValueError if a size is out of range.
    exact_reference : bool
        Do as `transformers` does where that is known to be wrong. By default

        * each item of a batch gets the codes that it has alone: its padding, as `padding_mask`
          tells, is not coded, and is silence in `audio_values`. A frame that an item does not have
          is code -1 in `audio_codes`; with `exact_reference=True` it is 0, as in `transformers`.
          The reference codes the padding; that changes an item's last frames, and with chunks every
          frame of its last chunk;
        * `decode` knows by these -1, or by `padding_mask`, how long the last chunk is. The
          reference decodes its padding as code 0 unless `last_frame_pad_length` is handed back;
        * the last window of a layer is found in integers. The reference uses float32, and loses a
          sample in signals of more than 2**24;
        * chunks of half precision are joined in float32. The reference refuses them.

        May also be set later, as an attribute.

    Notes
    -----
    Each call on the core first compares all weights with a copy of those that the core was made
    of, byte by byte, so that no write to them is missed. That takes
    20 ms for the 76 MB of EnCodec 24 kHz on one core that compares 4.7 GB/s; see
    `hopcodec.torch._core_copy`.

    Examples
    --------
    >>> import torch
    >>> from hopcodec.torch.hf import EncodecConfig, EncodecModel
    >>> config = EncodecConfig(num_filters=4, hidden_size=16, target_bandwidths=[1.5, 3.0])
    >>> model = EncodecModel(config).eval()
    >>> with torch.no_grad():
    ...     encoded = model.encode(torch.zeros(1, 1, 3200), bandwidth=3.0)
    ...     audio = model.decode(encoded.audio_codes, encoded.audio_scales)[0]
    >>> tuple(encoded.audio_codes.shape), tuple(audio.shape)
    ((1, 1, 4, 10), (1, 1, 3200))
    """

    _keys_to_ignore_on_load_missing = [r"codebook\.(inited|cluster_size|embed_avg)$"]  # noqa: RUF012

    def __init__(self, config: EncodecConfig, *, exact_reference: bool = False) -> None:
        spec = encodec_spec(config)
        super().__init__(config)
        self._segments = spec.segments
        exact_windows(self)
        # The core knows loudness only as that of a chunk.
        core = self._segments is not None or not config.normalize
        self._core = CoreCopy(self, spec) if core else None
        self.exact_reference = exact_reference

    @classmethod
    def check_config(cls, config: EncodecConfig) -> None:
        """Raise TypeError or ValueError naming the field that makes no model of a sane size."""
        encodec_spec(config)

    @classmethod
    def own_name(cls, name: str, config: EncodecConfig) -> str:
        """Return how this model spells a tensor; the original authors' names are known."""
        name = canonical_name(name)
        if name.endswith((".weight_g", ".weight_v")):
            return name[: -len(".weight_g")] + (GAIN if name.endswith("_g") else DIRECTION)
        return name

    @property
    def exact_reference(self) -> bool:
        """Whether the reference's faults are kept; see the class."""
        return self._exact_reference

    @exact_reference.setter
    def exact_reference(self, value: bool) -> None:
        self._exact_reference = value
        for module in self.modules():
            if isinstance(module, ExactEncodecConv1d):
                module._float32_windows = value

    def encode(
        self,
        input_values: Tensor,
        padding_mask: Tensor | None = None,
        bandwidth: float | None = None,
        return_dict: bool | None = None,
    ) -> EncodecEncoderOutput | Encoded:
        """Encode audio to codes.

        Parameters
        ----------
        input_values
            Float `(batch, channels, samples)`; unless the modules compute, ValueError for samples
            beyond +-1024 (full scale is 1).
        padding_mask
            `(batch, samples)` or `(batch, channels, samples)`, 1 where there is sound.
        bandwidth
            kbps, one of `config.target_bandwidths`; the first, which is the lowest, without it.
        return_dict
            False for a tuple; `config.return_dict` without it.
        """
        result = self._encode(input_values, padding_mask, bandwidth)
        return EncodecEncoderOutput(*result) if self._as_dict(return_dict) else result

    def decode(
        self,
        audio_codes: Tensor,
        audio_scales: Scales | None = None,
        padding_mask: Tensor | None = None,
        return_dict: bool | None = None,
        last_frame_pad_length: int | None = 0,
    ) -> EncodecDecoderOutput | tuple[Tensor]:
        """Decode codes to audio.

        Parameters
        ----------
        audio_codes
            Integers `(chunks, batch, codebooks, frames)`; -1 for a frame that an item does not
            have, behind its last one.
        audio_scales
            As `encode` gave them.
        padding_mask
            The one that was given to `encode`: the audio gets its length, silent where it is 0.
        return_dict
            False for a tuple; `config.return_dict` without it.
        last_frame_pad_length
            Frames at the end of the last chunk that are padding.
        """
        result = self._decode(audio_codes, audio_scales, padding_mask, last_frame_pad_length)
        return EncodecDecoderOutput(result) if self._as_dict(return_dict) else (result,)

    def forward(
        self,
        input_values: Tensor,
        padding_mask: Tensor | None = None,
        bandwidth: float | None = None,
        audio_codes: Tensor | None = None,
        audio_scales: Scales | None = None,
        return_dict: bool | None = None,
        last_frame_pad_length: int | None = 0,
    ) -> EncodecOutput | tuple[Tensor, Tensor]:
        """Encode audio and decode it, or decode given codes; parameters as above."""
        if audio_codes is not None and audio_scales is None:
            raise ValueError("You specified `audio_codes` but did not specify the `audio_scales`")
        if audio_scales is not None and audio_codes is None:
            raise ValueError("You specified `audio_scales` but did not specify the `audio_codes`")
        if audio_codes is not None:
            samples = input_values.shape[-1]
            padding = last_frame_pad_length
            audio = self._decode(audio_codes, audio_scales, padding_mask, padding, samples)
        elif wants_gradient(self, input_values):
            audio_codes, audio = self._reconstruct(input_values, padding_mask, bandwidth)
        else:
            audio_codes, scales, padding = self._encode(input_values, padding_mask, bandwidth)
            samples = input_values.shape[-1]
            audio = self._decode(audio_codes, scales, padding_mask, padding, samples)
        if not self._as_dict(return_dict):
            return audio_codes, audio
        return EncodecOutput(audio_codes, audio)

    def _as_dict(self, return_dict: bool | None) -> bool:
        return bool(self.config.return_dict if return_dict is None else return_dict)
