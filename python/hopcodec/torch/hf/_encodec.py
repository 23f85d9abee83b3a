"""EnCodec with the interface of `transformers.EncodecModel`: same arguments, shapes and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from hopcodec.codec._codec import Codec
from hopcodec.torch.hf._encodec_config import EncodecConfig
from hopcodec.torch.hf._encodec_core import decode_chunks, encode_chunks
from hopcodec.torch.hf._encodec_modules import (
    EncodecCoder,
    EncodecConv1d,
    EncodecResidualVectorQuantizer,
)
from hopcodec.torch.hf._encodec_outputs import (
    EncodecDecoderOutput,
    EncodecEncoderOutput,
    EncodecOutput,
)
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
from hopcodec.torch.hf._encodec_spec import encodec_spec
from hopcodec.torch.hf._pretrained import PretrainedModel
from hopcodec.torch.hf._runtime import Runtime, on_the_core, wants_gradient
from hopcodec.weights._assemble import assemble
from hopcodec.weights.names._encodec import canonical_name, unneeded_names
from torch import Tensor, nn

Scales = Sequence[Tensor | None]


class EncodecModel(PretrainedModel):
    """EnCodec as a module: to run, and to train further.

    Without gradients, float32 signals on the CPU are computed by hopcodec's core, everything else
    by torch from the same parameters; codes agree but for ties between two entries that float32
    cannot decide.

    Parameters
    ----------
    config : EncodecConfig
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
          sample in signals of more than 2**24.

        May also be set later, as an attribute.

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

    config_class = EncodecConfig
    base_model_prefix: ClassVar[str] = "encodec"

    def __init__(self, config: EncodecConfig, *, exact_reference: bool = False) -> None:
        super().__init__(config)
        self._spec = encodec_spec(config)
        self.bits_per_codebook = config.codebook_nbits
        if config.codebook_size != 2**self.bits_per_codebook:
            raise ValueError("The codebook_size must be a power of 2.")
        self._segments = self._spec.segments
        self._runtime = Runtime(self._spec)
        self.encoder = EncodecCoder(self._spec.encoder)
        self.decoder = EncodecCoder(self._spec.decoder)
        self.quantizer = EncodecResidualVectorQuantizer(config)
        # Convolutions are plain again where somebody has taken weight norm off.
        self._layer_types = {nn.Conv1d, nn.ConvTranspose1d, *map(type, self.modules())}
        self.exact_reference = exact_reference

    @property
    def exact_reference(self) -> bool:
        """Whether the reference's faults are kept; see the class."""
        return self._exact_reference

    @exact_reference.setter
    def exact_reference(self, value: bool) -> None:
        self._exact_reference = value
        for module in self.modules():
            if isinstance(module, EncodecConv1d):
                module.exact_reference = value

    @staticmethod
    def canonical_name(name: str) -> str:
        """As in the base class, the original authors' names included."""
        return PretrainedModel.canonical_name(canonical_name(name))

    def may_be_missing(self, name: str) -> bool:
        """What training keeps beside each codebook."""
        return name in unneeded_names(self._spec)

    @property
    def codec(self) -> Codec:
        """The compiled codec of the present parameters, for instance to stream with."""
        return self._runtime.codec(self, lambda: assemble(self.raw_tensors(), self._spec))

    def forget(self) -> None:
        """Fold the parameters anew: needed after writing to a part of one through `.data`."""
        self._runtime.forget()

    def encode(
        self,
        input_values: Tensor,
        padding_mask: Tensor | None = None,
        bandwidth: float | None = None,
        return_dict: bool | None = None,
    ) -> EncodecEncoderOutput | tuple[Tensor, list[Tensor | None], int]:
        """Audio to codes.

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
        """Codes to audio.

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
        """Audio to codes and back, or given codes to audio; parameters as above.

        With gradients, they pass straight through the quantizer to the encoder.
        """
        if audio_codes is not None and audio_scales is None:
            raise ValueError("You specified `audio_codes` but did not specify the `audio_scales`")
        if audio_scales is not None and audio_codes is None:
            raise ValueError("You specified `audio_scales` but did not specify the `audio_codes`")
        mask = channel_mask(padding_mask, input_values)
        if audio_codes is not None:
            audio = self._decode(audio_codes, audio_scales, mask, last_frame_pad_length)
        elif wants_gradient(self, input_values):
            audio_codes, audio = self._reconstruct(input_values, mask, bandwidth)
        else:
            audio_codes, scales, padding = self._encode(input_values, mask, bandwidth)
            audio = self._decode(audio_codes, scales, mask, padding)
        if not self._as_dict(return_dict):
            return audio_codes, audio
        return EncodecOutput(audio_codes, audio)

    def _encode(
        self, values: Tensor, mask: Tensor | None, bandwidth: float | None
    ) -> tuple[Tensor, list[Tensor | None], int]:
        values, pieces, bandwidth = self._prepare(values, mask, bandwidth)
        # Codes carry no gradient, so it is only in the middle of training that nothing is folded.
        trains = self.training and torch.is_grad_enabled()
        too_long = self.exact_reference and values.shape[-1] > 2**24
        codes: dict[Piece, Tensor] = {}
        scales: dict[Piece, Tensor] = {}
        with torch.no_grad():
            if not (trains or too_long) and self._on_the_core(values):
                codec = self.codec
                books = self.quantizer.get_num_quantizers_for_bandwidth(bandwidth)
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
    ) -> Tensor:
        counts = self._counts(audio_codes, mask, padding or 0)
        scales = [None] * len(audio_codes) if audio_scales is None else list(audio_scales)
        if len(scales) != len(audio_codes):
            raise ValueError(
                f"audio_scales: expected one per chunk, {len(audio_codes)}, got {len(scales)}"
            )
        codes: dict[Piece, Tensor] = {}
        factors: dict[Piece, Tensor] = {}
        for chunk, item in zip(*counts.nonzero(as_tuple=True), strict=True):
            frames, scale = int(counts[chunk, item]), scales[chunk]
            piece = Piece(int(item), int(chunk), 0, frames)
            codes[piece] = audio_codes[chunk, item, :, :frames]
            factors[piece] = torch.ones(()) if scale is None else scale[item].reshape(())
        batch = audio_codes.shape[1]
        if wants_gradient(self, *scales) or not self._on_the_core(*scales):
            audio = self._decode_chunks(codes)
            scaled = {
                piece: heard if scales[piece.chunk] is None else heard * factors[piece]
                for piece, heard in audio.items()
            }
            return self._place(join(scaled, batch, self._segments), mask)
        codec = self.codec
        joined: list[Tensor | None] = [None] * batch
        for item, own in by_item(codes).items():
            chunks = [(codes[piece], factors[piece]) for piece in own]
            joined[item] = decode_chunks(codec, chunks)
        return self._place(joined, mask)

    def _decode_chunks(self, codes: Mapping[Piece, Tensor]) -> dict[Piece, Tensor]:
        """Each chunk's codes to audio `(channels, samples)` by the modules."""
        audio: dict[Piece, Tensor] = {}
        for group in by_length(codes).values():
            books = torch.stack([codes[piece] for piece in group], 1)
            audio.update(zip(group, self.decoder(self.quantizer.decode(books)), strict=True))
        return audio

    def _prepare(
        self, values: Tensor, padding_mask: Tensor | None, bandwidth: float | None
    ) -> tuple[Tensor, list[Piece], float]:
        """The signal with its padding zeroed, its pieces, and the bandwidth."""
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
        mask = channel_mask(padding_mask, values)
        whole = [Span(0, values.shape[-1])] * len(values)
        items = whole if self.exact_reference else spans(mask)
        return values.masked_fill(~mask, 0.0), cut(items, self._segments), bandwidth

    def _signals(self, values: Tensor, group: Sequence[Piece]) -> tuple[Tensor, Tensor]:
        """Pieces of one length, `(pieces, channels, samples)`, by and with their loudness."""
        signals = torch.stack([values[p.item, :, p.start : p.stop] for p in group])
        if not self.config.normalize:
            return signals, signals.new_ones(len(group), 1, 1)
        mono = signals.sum(1, keepdim=True) / signals.shape[1]
        scale = mono.square().mean(-1, keepdim=True).sqrt() + 1e-8
        return signals / scale, scale

    def _on_the_core(self, *tensors: Tensor | None) -> bool:
        """Whether the core can compute.

        It knows loudness only as that of a chunk, and no layers but those of the configuration:
        an adapter or another activation put in their place is torch's.
        """
        if self.config.normalize and self._segments is None:
            return False
        own = all(type(module) in self._layer_types for module in self.modules())
        return own and on_the_core(self, *tensors)

    def _reconstruct(
        self, values: Tensor, mask: Tensor, bandwidth: float | None
    ) -> tuple[Tensor, Tensor]:
        """Codes and audio by the modules, differentiable."""
        values, pieces, bandwidth = self._prepare(values, mask, bandwidth)
        codes: dict[Piece, Tensor] = {}
        audio: dict[Piece, Tensor] = {}
        for group in by_length(pieces).values():
            signals, scale = self._signals(values, group)
            quantized = self.quantizer(self.encoder(signals), bandwidth)
            codes.update(zip(group, quantized.codes, strict=True))
            heard = self.decoder(quantized.quantized)
            if self.config.normalize:
                heard = heard * scale
            audio.update(zip(group, heard, strict=True))
        heard = join(audio, len(values), self._segments)
        return self._gather(codes, {}, values, bandwidth)[0], self._place(heard, mask)

    def _gather(
        self,
        codes: Mapping[Piece, Tensor],
        scales: Mapping[Piece, Tensor],
        values: Tensor,
        bandwidth: float,
    ) -> tuple[Tensor, list[Tensor | None], int]:
        """What `encode` gives, from its pieces."""
        batch, device = len(values), values.device
        books = self.quantizer.get_num_quantizers_for_bandwidth(bandwidth)
        padding = 0 if self.exact_reference else NO_CODE
        table = assemble_codes(codes, batch, books, padding, device)
        last = max((c.shape[-1] for p, c in codes.items() if p.chunk == len(table) - 1), default=0)
        loudness: list[Tensor | None] = [None] * len(table)
        if self.config.normalize:
            rows = values.new_zeros(len(table), batch, 1)
            for piece, scale in scales.items():
                rows[piece.chunk, piece.item] = scale.view(1)
            loudness = list(rows)
        return table, loudness, table.shape[-1] - last

    def _counts(self, codes: Tensor, padding_mask: Tensor | None, padding: int) -> Tensor:
        """How many frames each item has in each chunk, `(chunks, batch)`."""
        if self._segments is None and len(codes) != 1:
            raise ValueError(f"Expected one frame, got {len(codes)}")
        quantizer = self.quantizer
        counts = frame_counts(codes, quantizer.num_quantizers, quantizer.codebook_size)
        whole = codes.shape[-1] - padding
        if padding_mask is not None and self._segments is not None and not self.exact_reference:
            # Codes of the reference say nothing of their padding; what was coded was so long.
            rest = padding_mask.shape[-1] - (len(codes) - 1) * self._segments.stride
            if rest > 0:
                whole = min(whole, -(-rest // self.config.hop_length))
        counts[-1].clamp_(max=whole)
        return counts

    def _place(self, joined: Sequence[Tensor | None], mask: Tensor | None) -> Tensor:
        """`decode`'s result, from the audio of each item."""
        batch = len(joined)
        width = max((heard.shape[-1] for heard in joined if heard is not None), default=0)
        items = [Span(0, width)] * batch
        if mask is not None and self.exact_reference:
            width = min(width, mask.shape[-1])
            items = [Span(0, width)] * batch
        elif mask is not None:
            if len(mask) != batch:
                raise ValueError(f"padding_mask: expected {batch} items, got {len(mask)}")
            width = mask.shape[-1]
            items = spans(by_channel(mask))
        silence = torch.zeros(
            batch, self.config.audio_channels, width, dtype=self.dtype, device=self.device
        )
        return place(joined, items, silence)
