"""What an EnCodec model gives back."""

from __future__ import annotations

from dataclasses import dataclass

from hopcodec.torch.hf._outputs import ModelOutput
from torch import Tensor


@dataclass(eq=False)
class EncodecEncoderOutput(ModelOutput):
    """What `EncodecModel.encode` gives.

    `audio_codes` int64 `(chunks, batch, codebooks, frames)`; `audio_scales`, per chunk float32
    `(batch, 1)`, or None without `normalize`; `last_frame_pad_length`, how many frames at the end
    of the last chunk are padding for every item.
    """

    audio_codes: Tensor | None = None
    audio_scales: list[Tensor | None] | None = None
    last_frame_pad_length: int | None = None


@dataclass(eq=False)
class EncodecDecoderOutput(ModelOutput):
    """What `EncodecModel.decode` gives: `audio_values` `(batch, channels, samples)`."""

    audio_values: Tensor | None = None


@dataclass(eq=False)
class EncodecOutput(ModelOutput):
    """What `EncodecModel.forward` gives: `audio_codes` and `audio_values`, as above."""

    audio_codes: Tensor | None = None
    audio_values: Tensor | None = None
