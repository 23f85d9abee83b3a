"""Encode and decode whole signals with a DAC: what both DAC interfaces share.

The compiled core computes when no gradient is asked for and everything is float32 on the CPU, with
the codes and the audio of `hopcodec.Codec`. Otherwise the modules compute. Every call stands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

import torch
from hopcodec.codec._codec import Codec
from hopcodec.torch._core_bridge import (
    analyse,
    decode_chunks,
    synthesise,
    wants_gradient,
)
from hopcodec.torch._core_copy import CoreCopy
from hopcodec.torch.nn._quantize_projected import ProjectedStages, Stages, drawn_stages, run_stages
from torch import Tensor, nn

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class DacSignals(nn.Module if TYPE_CHECKING else object):  # type: ignore[misc]
    """Mix into a module with the parts of a DAC.

    The module sets `_hop`, the samples of a frame, and `_core`, which is None for shapes that the
    core does not know.
    """

    encoder: nn.Module
    decoder: nn.Module
    quantizer: ProjectedStages
    _hop: int
    _core: CoreCopy | None

    def _codec(self, *inputs: Tensor) -> Codec | None:
        """Return the codec to compute with, or None when torch must."""
        core = self._core
        if core is None or self.training or wants_gradient(self, *inputs):
            return None
        return core.codec_for(self, *inputs)

    def _stages_for(self, n_quantizers: int | None) -> int:
        """Return how many stages `n_quantizers` means; ValueError if there are not so many."""
        most = self.quantizer.n_codebooks
        if n_quantizers is None:
            return most
        if not 1 <= n_quantizers <= most:
            raise ValueError(f"n_quantizers: expected 1 to {most}, got {n_quantizers}")
        return int(n_quantizers)

    def _encode(
        self,
        codec: Codec | None,
        audio: Tensor,
        n_quantizers: int | None,
        padding_mask: Tensor | None = None,
    ) -> tuple[Stages, Tensor]:
        """Quantise the latents of audio `(batch, 1, samples)`; also count each item's frames.

        Items that `padding_mask` `(batch, samples)` says are shorter are each encoded alone, filled
        up with zeros to whole hops. Zeros fill the result up to a common length. In training mode,
        quantizer dropout draws and `n_quantizers` does not count.
        """
        check_signals(audio)
        books: int | Tensor
        if self.training:
            books = drawn_stages(self.quantizer, len(audio)).to(audio.device)
        else:
            books = self._stages_for(n_quantizers)
        hop, samples = self._hop, audio.shape[-1]
        lengths = lengths_of(padding_mask, len(audio), samples)
        if lengths is None or (min(lengths) == samples and samples % hop == 0):
            stages = self._stages(codec, audio, books)
            return stages, torch.full((len(audio),), stages.codes.shape[-1])
        items = []
        for i, length in enumerate(lengths):
            alone = functional.pad(audio[i : i + 1, :, :length], (0, -length % hop))
            own = books[i : i + 1] if isinstance(books, Tensor) else books
            items.append(self._stages(codec, alone, own))
        frames = torch.tensor([item.codes.shape[-1] for item in items])
        return _joined(items, max(int(frames.max()), samples // hop)), frames

    def _stages(self, codec: Codec | None, audio: Tensor, books: int | Tensor) -> Stages:
        if codec is None or isinstance(books, Tensor):
            return run_stages(self.quantizer, self.encoder(audio), books)
        codes, latents = analyse(codec, audio, books)
        if codes.shape[-1] == 0:
            hop, got = self._hop, audio.shape[-1]
            raise ValueError(f"audio: expected at least {hop} samples, one hop, got {got}")
        return run_stages(self.quantizer, latents, books, codes)

    def _decode(
        self,
        codec: Codec | None,
        latents: Tensor | None,
        codes: Tensor | None,
        padding_mask: Tensor | None = None,
    ) -> Tensor:
        """Decode latents `(batch, dim, frames)`, or codes if given, to `(batch, 1, samples)`.

        With `padding_mask`, each item is decoded alone from its own frames and followed by zeros,
        to the width of the mask whatever is in it.
        """
        given = latents if codes is None else codes
        if given is None or given.ndim != 3 or len(given) == 0:
            got = "nothing" if given is None else tuple(given.shape)
            raise ValueError(f"expected (batch, channels, frames) to decode, got {got}")
        if codes is not None and codes.dtype not in _INTEGERS:
            raise TypeError(f"audio_codes: expected integers, got {codes.dtype}")
        whole = given.shape[-1] * self._hop
        width = whole if padding_mask is None else padding_mask.shape[-1]
        lengths = lengths_of(padding_mask, len(given), width)
        if lengths is None:
            return self._audio(codec, latents, codes)
        if min(lengths) == width == whole:
            return _filled(self._audio(codec, latents, codes), width)
        items = []
        for i, length in enumerate(lengths):
            own = slice(0, -(-length // self._hop))
            item = self._audio(
                codec,
                None if latents is None else latents[i : i + 1, :, own],
                None if codes is None else codes[i : i + 1, :, own],
            )
            items.append(_filled(item[..., :length], width))
        return torch.cat(items)

    def _audio(self, codec: Codec | None, latents: Tensor | None, codes: Tensor | None) -> Tensor:
        if codes is not None:
            if codec is not None:
                chunks = [(item, torch.ones(())) for item in codes]
                return torch.stack([decode_chunks(codec, [chunk]) for chunk in chunks])
            latents = self.quantizer.from_codes(codes)[0]
        assert latents is not None
        if codec is not None:
            return synthesise(codec, latents)
        audio: Tensor = self.decoder(latents)
        return audio


def check_signals(audio: Tensor) -> None:
    """Raise ValueError unless `audio` is `(batch, 1, samples)`, one item or more."""
    if audio.ndim != 3 or audio.shape[1] != 1:
        raise ValueError(f"audio: expected (batch, 1, samples), got {tuple(audio.shape)}")
    if len(audio) == 0:
        raise ValueError(f"audio: expected a batch of one or more, got {tuple(audio.shape)}")


def weighted_losses(stages: Stages, frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sum the commitment and the codebook loss of each item's stages, `(batch,)` both.

    Each stage's loss is the mean over the batch; `frames` `(batch,)` weighs items of different
    lengths.
    """
    weights = torch.ones(stages.used.shape[1]) if frames is None else frames
    share = (weights / weights.sum()).to(stages.used)
    commitment, codebook = (
        ((each * share).sum(1, keepdim=True) * stages.used).sum(0)
        for each in (stages.commitment, stages.codebook)
    )
    return commitment, codebook


def lengths_of(mask: Tensor | None, batch: int, samples: int) -> list[int] | None:
    """Count the samples of each item; None without a mask.

    Raises
    ------
    ValueError
        The mask has another shape, an item without a sample, or sound after padding.
    """
    if mask is None:
        return None
    flat = mask.reshape(len(mask), -1) if mask.ndim == 3 and mask.shape[1] == 1 else mask
    if flat.shape != (batch, samples):
        raise ValueError(
            f"padding_mask: expected shape {(batch, samples)}, got {tuple(mask.shape)}"
        )
    sound = flat.bool()
    lengths: list[int] = sound.sum(1).tolist()
    if any(not row[:length].all() for row, length in zip(sound, lengths, strict=True)):
        raise ValueError("padding_mask: expected 1 for every sample, then 0 for the padding")
    if min(lengths, default=1) == 0:
        raise ValueError("padding_mask: expected at least one sample in each item, got none")
    return lengths


def _joined(items: list[Stages], frames: int) -> Stages:
    return Stages(
        torch.cat([_filled(item.quantized, frames) for item in items]),
        torch.cat([_filled(item.codes, frames) for item in items]),
        torch.cat([_filled(item.latents, frames) for item in items]),
        torch.cat([item.commitment for item in items], 1),
        torch.cat([item.codebook for item in items], 1),
        torch.cat([item.used for item in items], 1),
        torch.stack([item.left for item in items]).mean(0),
    )


def _filled(x: Tensor, width: int) -> Tensor:
    return functional.pad(x, (0, width - x.shape[-1]))
