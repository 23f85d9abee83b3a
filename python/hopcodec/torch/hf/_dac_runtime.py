"""What the two DAC interfaces share: where they compute, and batches of unequal lengths.

When no gradient is asked for and everything is float32 on the CPU, the compiled core computes, with
the codes and the audio of `hopcodec.Codec`; otherwise the modules do. Every call stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from torch.nn import functional

import torch
from hopcodec.codec._codec import Codec
from hopcodec.codec._hop_by_hop import FRAMES_PER_STEP
from hopcodec.errors import HopcodecError
from hopcodec.specs._dac import dac
from hopcodec.specs._dac import full_hop as with_full_hop
from hopcodec.specs._language import CodecSpec
from hopcodec.torch.hf._dac_blocks import Decoder, Encoder
from hopcodec.torch.hf._runtime import Runtime, core_decode, on_the_core, wants_gradient
from hopcodec.torch.nn._quantize_projected import ProjectedResidualVectorQuantize, Stages
from hopcodec.weights._fold import fold_weight_norm
from hopcodec.weights._raw import FloatArray
from torch import Tensor, nn

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class DacParts:
    """The modules that hold a DAC's weights under their released names, and its place on the core.

    Not a module: the user registers the same layers, under these names or others.
    """

    def __init__(
        self,
        encoder: Encoder,
        quantizer: ProjectedResidualVectorQuantize,
        decoder: Decoder,
        *,
        rates: Sequence[int],
        sample_rate: int,
        full_hop: bool = False,
    ) -> None:
        self.modules = {"encoder": encoder, "quantizer": quantizer, "decoder": decoder}
        self.hop = int(np.prod(rates))
        self.spec: CodecSpec | None = None
        if full_hop:
            for conv in _transposed(decoder):
                conv.output_padding = (conv.stride[0] % 2,)
        dims = set(quantizer.codebook_dim)
        # What the core's layers do not know: a stride of 1 padded on both sides, mixed entries.
        if len(dims) == 1 and min(rates) > 1:
            spec = dac(
                "dac",
                sample_rate=sample_rate,
                encoder_dim=_width(encoder.block[0]),
                encoder_rates=tuple(rates),
                latent_dim=_width(encoder.block[-1]),
                decoder_dim=_width(decoder.model[0]),
                decoder_rates=_rates(decoder),
                n_codebooks=quantizer.n_codebooks,
                codebook_size=quantizer.codebook_size,
                codebook_dim=dims.pop(),
            )
            spec = with_full_hop(spec) if full_hop else spec
            # As the modules do: samples that fill no hop are dropped, not filled up with zeros.
            self.spec = replace(spec, whole_hops=False)
            self._runtime = Runtime(self.spec)

    def forget(self) -> None:
        """Fold the parameters anew at the next use."""
        if self.spec is not None:
            self._runtime.forget()

    def codec(self, owner: nn.Module, *inputs: Tensor) -> Codec | None:
        """The codec to compute with, or None when torch must.

        It must for a gradient, in training, off the CPU, in another precision, while it is traced
        or compiled, where a hook waits for a module to be called, and once the owner's layers are
        no longer those it was made of.
        """
        if self.spec is None or owner.training or wants_gradient(owner, *inputs):
            return None
        traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if traced or torch.compiler.is_compiling():
            return None
        if not on_the_core(owner, *inputs) or _altered(owner, self.modules.values()):
            return None
        return self._runtime.codec(owner, self.folded)

    def folded(self) -> dict[str, FloatArray]:
        """Every tensor of the spec, weight norm multiplied out as `hopcodec.load` does."""
        assert self.spec is not None
        weights = {}
        for name, shape in self.spec.tensors().items():
            part, _, path = name.partition(".")
            where, _, leaf = path.rpartition(".")
            weights[name] = _tensor(self.modules[part].get_submodule(where), leaf).reshape(shape)
        return weights


class StatelessDac(nn.Module):
    """Base of both DAC interfaces: encode and decode whole signals, on the core or on torch."""

    encoder: nn.Module
    quantizer: ProjectedResidualVectorQuantize
    decoder: nn.Module
    _parts: DacParts

    def forget(self) -> None:
        """Fold the parameters anew: needed after writing to a part of one through `.data`."""
        self._parts.forget()

    def _encode(
        self, audio: Tensor, n_quantizers: int | None, padding_mask: Tensor | None = None
    ) -> tuple[Stages, Tensor]:
        """Quantised latents of audio `(batch, 1, samples)`, and the frames of each item.

        Items that `padding_mask` `(batch, samples)` says are shorter are each encoded alone, filled
        up with zeros to whole hops; the result is filled up with zeros to a common length.
        """
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise ValueError(f"audio: expected (batch, 1, samples), got {tuple(audio.shape)}")
        if len(audio) == 0:
            raise ValueError(f"audio: expected a batch of one or more, got {tuple(audio.shape)}")
        books: int | Tensor
        if self.training:  # quantizer dropout; what was asked for does not count then
            books = self.quantizer.drawn(len(audio)).to(audio.device)
        else:
            books = self.quantizer.stages_for(n_quantizers)
        codec = self._parts.codec(self, audio)
        lengths = lengths_of(padding_mask, len(audio), audio.shape[-1])
        hop, samples = self._parts.hop, audio.shape[-1]
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
            return self.quantizer.stages(self.encoder(audio), books)
        session = codec.sessions.cpu_encoder(1, "exact", FRAMES_PER_STEP)
        found = []
        for item in audio.detach():
            found.append(session.analyse(np.ascontiguousarray(item.numpy()), books))
            session.reset()
        codes = torch.from_numpy(np.stack([c for c, _ in found]).astype(np.int64))
        latents = torch.from_numpy(np.stack([z for _, z in found]))
        if codes.shape[-1] == 0:
            hop, got = self._parts.hop, audio.shape[-1]
            raise ValueError(f"audio: expected at least {hop} samples, one hop, got {got}")
        return self.quantizer.stages(latents, books, codes)

    def _decode(
        self, latents: Tensor | None, codes: Tensor | None, padding_mask: Tensor | None = None
    ) -> Tensor:
        """Audio `(batch, 1, samples)` of latents `(batch, dim, frames)`, or of codes, if given.

        With `padding_mask`, each item is decoded alone from its own frames and followed by zeros,
        to the width of the mask whatever is in it.
        """
        given = latents if codes is None else codes
        if given is None or given.ndim != 3 or len(given) == 0:
            got = "nothing" if given is None else tuple(given.shape)
            raise ValueError(f"expected (batch, channels, frames) to decode, got {got}")
        if codes is not None and codes.dtype not in _INTEGERS:
            raise TypeError(f"audio_codes: expected integers, got {codes.dtype}")
        codec, hop = self._parts.codec(self, given), self._parts.hop
        width = given.shape[-1] * hop if padding_mask is None else padding_mask.shape[-1]
        lengths = lengths_of(padding_mask, len(given), width)
        if lengths is None:
            return self._audio(codec, latents, codes)
        if min(lengths) == width == given.shape[-1] * hop:
            return _filled(self._audio(codec, latents, codes), width)
        items = []
        for i, length in enumerate(lengths):
            own = slice(0, -(-length // hop))
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
                return torch.stack([core_decode(codec, item) for item in codes])
            latents = self.quantizer.from_codes(codes)[0]
        assert latents is not None
        if codec is None:
            audio: Tensor = self.decoder(latents)
            return audio
        session = codec.sessions.cpu_decoder(1, "exact", FRAMES_PER_STEP)
        found = []
        for item in latents.detach():
            head = session.push_latents(np.ascontiguousarray(item.numpy()))
            found.append(np.concatenate([head, session.flush()], axis=1))
            session.reset()
        return torch.from_numpy(np.stack(found))


def _altered(owner: nn.Module, parts: Iterable[nn.Module]) -> bool:
    """Whether a hook or a layer that was put in, taken out or replaced wants the modules called."""
    if any(m._forward_hooks or m._forward_pre_hooks for m in owner.modules()):
        return True
    own = {id(parameter) for parameter in owner.parameters()}
    return own != {id(parameter) for part in parts for parameter in part.parameters()}


def lengths_of(mask: Tensor | None, batch: int, samples: int) -> list[int] | None:
    """Samples of each item, or None without a mask.

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


def _width(conv: nn.Module) -> int:
    assert isinstance(conv, nn.Conv1d)
    return conv.out_channels


def _rates(decoder: Decoder) -> tuple[int, ...]:
    return tuple(conv.stride[0] for conv in _transposed(decoder))


def _transposed(decoder: Decoder) -> Iterator[nn.ConvTranspose1d]:
    return (module for module in decoder.modules() if isinstance(module, nn.ConvTranspose1d))


def _tensor(owner: nn.Module, name: str) -> FloatArray:
    parts = getattr(owner, "parametrizations", None)
    if name == "weight" and isinstance(parts, nn.ModuleDict):
        pair = parts["weight"].original0, parts["weight"].original1
        gain, direction = (part.detach().numpy() for part in pair if isinstance(part, Tensor))
        return fold_weight_norm(gain, direction)
    tensor = getattr(owner, name)
    if not isinstance(tensor, Tensor):
        raise HopcodecError(f"{name}: expected a tensor, got {type(tensor).__name__}")
    return np.ascontiguousarray(tensor.detach().numpy())
