"""EnCodec on whole signals: the pieces of a batch, on the core or by the modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from hopcodec.codec._codec import Codec
from hopcodec.specs._language import Segments
from hopcodec.torch._core_bridge import (
    being_traced,
    decode_chunks,
    encode_chunks,
    wants_gradient,
)
from hopcodec.torch._core_copy import CoreCopy
from hopcodec.torch.hf._encodec_pieces import (
    NO_CODE,
    Piece,
    Span,
    assemble_codes,
    by_channel,
    by_item,
    by_length,
    channel_mask,
    cut,
    frame_counts,
    join,
    place,
    spans,
)
from torch import Tensor, nn

Scales = Sequence[Tensor | None]
Encoded = tuple[Tensor, list[Tensor | None], int]


class EncodecSignals(nn.Module if TYPE_CHECKING else object):  # type: ignore[misc]
    """Mix into a `transformers.EncodecModel`.

    The model sets `_segments`, `_core`, which is None for shapes that the core does not know, and
    `exact_reference`.
    """

    config: Any
    encoder: nn.Module
    decoder: nn.Module
    quantizer: Any
    dtype: torch.dtype
    device: torch.device
    exact_reference: bool
    _segments: Segments | None
    _core: CoreCopy | None

    @property
    def codec(self) -> Codec:
        """The compiled codec of the present parameters, for instance to stream with."""
        if self._core is None:
            raise ValueError("normalize: expected false, or chunk_length_s beside it, for a codec")
        return self._core.codec(self)

    def _encode(self, values: Tensor, mask: Tensor | None, bandwidth: float | None) -> Encoded:
        values, pieces, bandwidth = self._prepare(values, mask, bandwidth)
        # Codes carry no gradient, so it is only in the middle of training that nothing is folded.
        trains = self.training and torch.is_grad_enabled()
        too_long = self.exact_reference and values.shape[-1] > 2**24
        codes: dict[Piece, Tensor] = {}
        scales: dict[Piece, Tensor] = {}
        with torch.no_grad():
            codec = None if trains or too_long else self._codec_for(values)
            if codec is not None:
                books = self._books(bandwidth)
                for own in by_item(pieces).values():
                    signal = values[own[0].item, :, own[0].start : own[-1].stop]
                    chunks = encode_chunks(codec, signal, books)
                    for piece, chunk in zip(own, chunks, strict=True):
                        codes[piece], scales[piece] = chunk
            else:
                for group in by_length(pieces).values():
                    signals, loudness = self._signals(values, group)
                    found = self.quantizer.encode(self.encoder(signals), bandwidth)
                    codes.update(zip(group, found.unbind(1), strict=True))
                    scales.update(zip(group, loudness, strict=True))
        return self._gather(codes, scales, values, bandwidth)

    def _decode(
        self,
        audio_codes: Tensor,
        audio_scales: Scales | None,
        mask: Tensor | None,
        padding: int | None,
        samples: int | None = None,
    ) -> Tensor:
        """Decode codes to audio; without a mask, to so many samples."""
        scales = [None] * len(audio_codes) if audio_scales is None else list(audio_scales)
        samples = samples if mask is None else mask.shape[-1]
        counts = self._counts(audio_codes, samples, padding or 0)
        if len(scales) != len(audio_codes):
            raise ValueError(
                f"audio_scales: expected one per chunk, {len(audio_codes)}, got {len(scales)}"
            )
        codes: dict[Piece, Tensor] = {}
        factors: dict[Piece, Tensor] = {}
        for chunk, scale in enumerate(scales):
            for item, frames in enumerate(counts[chunk]):
                if frames:
                    piece = Piece(item, chunk, 0, frames)
                    codes[piece] = audio_codes[chunk, item, :, :frames]
                    factors[piece] = torch.ones(()) if scale is None else scale[item].reshape(())
        batch = audio_codes.shape[1]
        codec = None if wants_gradient(self, *scales) else self._codec_for(*scales)
        if codec is None:
            audio = self._decode_chunks(codes)
            scaled = {
                piece: heard if scales[piece.chunk] is None else heard * factors[piece]
                for piece, heard in audio.items()
            }
            return self._place(join(scaled, batch, self._segments), mask, samples)
        joined: list[Tensor | None] = [None] * batch
        for item, own in by_item(codes).items():
            chunks = [(codes[piece], factors[piece]) for piece in own]
            joined[item] = decode_chunks(codec, chunks)
        return self._place(joined, mask, samples)

    def _decode_chunks(self, codes: Mapping[Piece, Tensor]) -> dict[Piece, Tensor]:
        """Decode each chunk's codes to audio `(channels, samples)` by the modules."""
        audio: dict[Piece, Tensor] = {}
        for group in by_length(codes).values():
            books = torch.stack([codes[piece] for piece in group], 1)
            audio.update(zip(group, self.decoder(self.quantizer.decode(books)), strict=True))
        return audio

    def _prepare(
        self, values: Tensor, padding_mask: Tensor | None, bandwidth: float | None
    ) -> tuple[Tensor, list[Piece], float]:
        """Return the signal with its padding zeroed, its pieces, and the bandwidth."""
        offered = self.config.target_bandwidths
        if bandwidth is None:
            bandwidth = offered[0]
        if bandwidth not in offered:
            raise ValueError(
                f"This model doesn't support the bandwidth {bandwidth}. Select one of {offered}."
            )
        channels = self.config.audio_channels
        if values.ndim != 3 or values.shape[1] != channels:
            raise ValueError(
                f"input_values: expected shape (batch, {channels}, samples), got "
                f"{tuple(values.shape)}"
            )
        items = [Span(0, values.shape[-1])] * len(values)
        if padding_mask is None:
            return values, cut(items, self._segments), bandwidth
        mask = channel_mask(padding_mask, values)
        items = items if self.exact_reference else spans(mask)
        return values.masked_fill(~mask, 0.0), cut(items, self._segments), bandwidth

    def _books(self, bandwidth: float) -> int:
        """Count the codebooks at `bandwidth` kbps."""
        quantizer = self.quantizer
        books: int = quantizer.get_num_quantizers_for_bandwidth(bandwidth)
        return min(books, len(quantizer.layers))

    def _signals(self, values: Tensor, group: Sequence[Piece]) -> tuple[Tensor, Tensor]:
        """Stack pieces of one length, divided by their loudness; return the loudness as well."""
        signals = torch.stack([values[p.item, :, p.start : p.stop] for p in group])
        if not self.config.normalize:
            return signals, signals.new_ones(len(group), 1, 1)
        mono = signals.sum(1, keepdim=True) / signals.shape[1]
        scale = mono.square().mean(-1, keepdim=True).sqrt() + 1e-8
        return signals / scale, scale

    def _codec_for(self, *tensors: Tensor | None) -> Codec | None:
        return None if self._core is None else self._core.codec_for(self, *tensors)

    def _reconstruct(
        self, values: Tensor, padding_mask: Tensor | None, bandwidth: float | None
    ) -> tuple[Tensor, Tensor]:
        """Encode and decode by the modules, differentiable."""
        values, pieces, bandwidth = self._prepare(values, padding_mask, bandwidth)
        codes: dict[Piece, Tensor] = {}
        audio: dict[Piece, Tensor] = {}
        for group in by_length(pieces).values():
            signals, scale = self._signals(values, group)
            latents = self.encoder(signals)
            found = self.quantizer.encode(latents.detach(), bandwidth)
            entries = self.quantizer.decode(found)
            codes.update(zip(group, found.unbind(1), strict=True))
            # Straight through: the decoder's gradient at the entries reaches the latents.
            heard = self.decoder(latents + (entries - latents).detach())
            if self.config.normalize:
                heard = heard * scale
            audio.update(zip(group, heard, strict=True))
        joined = join(audio, len(values), self._segments)
        heard = self._place(joined, padding_mask, values.shape[-1])
        return self._gather(codes, {}, values, bandwidth)[0], heard

    def _gather(
        self,
        codes: Mapping[Piece, Tensor],
        scales: Mapping[Piece, Tensor],
        values: Tensor,
        bandwidth: float,
    ) -> Encoded:
        """Make what `encode` gives from its pieces."""
        batch, device = len(values), values.device
        padding = 0 if self.exact_reference else NO_CODE
        table = assemble_codes(codes, batch, self._books(bandwidth), padding, device)
        last = max((c.shape[-1] for p, c in codes.items() if p.chunk == len(table) - 1), default=0)
        loudness: list[Tensor | None] = [None] * len(table)
        if self.config.normalize:
            rows = values.new_zeros(len(table), batch, 1)
            for piece, scale in scales.items():
                rows[piece.chunk, piece.item] = scale.view(1)
            loudness = list(rows)
        return table, loudness, table.shape[-1] - last

    def _counts(self, codes: Tensor, samples: int | None, padding: int) -> list[list[int]]:
        """Count the frames of each item in each chunk."""
        if self._segments is None and len(codes) != 1:
            raise ValueError(f"Expected one frame, got {len(codes)}")
        chunks, batch, _, frames = codes.shape
        whole = frames - padding
        if samples is not None and self._segments is not None and not self.exact_reference:
            # Codes of the reference say nothing of their padding; what was coded was so long.
            rest = samples - (chunks - 1) * self._segments.stride
            if rest > 0:
                whole = min(whole, -(-rest // self.config.hop_length))
        if being_traced():  # nothing can be looked at
            counts = [[frames] * batch for _ in range(chunks)]
        else:
            quantizer = self.quantizer
            counts = frame_counts(codes, len(quantizer.layers), quantizer.codebook_size)
        counts[-1] = [min(count, whole) for count in counts[-1]]
        return counts

    def _place(
        self, joined: Sequence[Tensor | None], mask: Tensor | None, samples: int | None
    ) -> Tensor:
        """Make `decode`'s result from the audio of each item, `samples` long."""
        batch = len(joined)
        width = max((heard.shape[-1] for heard in joined if heard is not None), default=0)
        if samples is not None:
            width = min(width, samples) if self.exact_reference else samples
        items = [Span(0, width)] * batch
        if mask is not None and not self.exact_reference:
            if len(mask) != batch:
                raise ValueError(f"padding_mask: expected {batch} items, got {len(mask)}")
            items = spans(by_channel(mask))
        silence = torch.zeros(
            batch, self.config.audio_channels, width, dtype=self.dtype, device=self.device
        )
        return place(joined, items, silence)
