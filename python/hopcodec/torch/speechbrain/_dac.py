"""SpeechBrain's DAC, `speechbrain.lobes.models.discrete.dac`: the same classes and results.

Only the import differs. `DAC.encode` and `DAC.decode` compute on the compiled core when no gradient
is asked for (`torch.no_grad`, evaluation mode), else with these modules, which can be trained.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.nn import functional

from hopcodec.errors import WeightsError
from hopcodec.specs._dac import dac
from hopcodec.specs._language import CodecSpec
from hopcodec.torch._core_copy import CoreCopy
from hopcodec.torch._dac_signals import DacSignals
from hopcodec.torch.nn._quantize_projected import ProjectedResidualVectorQuantize, Stages
from hopcodec.torch.speechbrain._blocks import Decoder, Encoder
from hopcodec.torch.speechbrain._files import download, read_original, write_original
from torch import Tensor, nn

Encoded = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]

# The arguments that describe a model, as files keep them under "kwargs".
_SHAPE = (
    "encoder_dim",
    "encoder_rates",
    "latent_dim",
    "decoder_dim",
    "decoder_rates",
    "n_codebooks",
    "codebook_size",
    "codebook_dim",
    "quantizer_dropout",
    "sample_rate",
)

_log = logging.getLogger(__name__)


def init_weights(m: nn.Module) -> None:
    """Start values of a 1D convolution: no bias, weights of standard deviation 0.02.

    Under weight norm the weights stay as they are, and so does every model that was trained with
    the original function: what it draws there is overwritten from gain and direction.
    """
    if not isinstance(m, nn.Conv1d):
        return
    if not isinstance(getattr(m, "parametrizations", None), nn.ModuleDict):
        nn.init.trunc_normal_(m.weight, std=0.02)
    if m.bias is not None:
        nn.init.zeros_(m.bias)


class ResidualVectorQuantize(ProjectedResidualVectorQuantize):
    """Factorised, L2-normalised codebooks in a row (SoundStream, arXiv 2107.03312; DAC).

    Parameters
    ----------
    input_dim
        Channels of a latent.
    n_codebooks, codebook_size
        Stages, and entries of each.
    codebook_dim
        Length of an entry, one number or one per stage.
    quantizer_dropout
        Share of a training batch whose number of stages is drawn at random.

    Examples
    --------
    >>> import torch
    >>> quantizer = ResidualVectorQuantize(16, n_codebooks=3).eval()
    >>> z, codes, latents, commitment_loss, codebook_loss = quantizer(torch.randn(2, 16, 5))
    >>> tuple(z.shape), tuple(codes.shape), tuple(latents.shape)
    ((2, 16, 5), (2, 3, 5), (2, 24, 5))
    """

    def forward(self, z: Tensor, n_quantizers: int | None = None) -> Encoded:
        """Quantise latents `(batch, dim, frames)`.

        `n_quantizers` stages, or all; in training mode it is ignored, and `quantizer_dropout` says
        for how many items the number is drawn. ValueError for more than there are, which the
        original takes for all.

        Returns
        -------
        z : (batch, dim, frames)
            Straight-through; within rounding, not bit for bit, what `from_codes` gives.
        codes : int64 (batch, stages, frames)
        latents : (batch, stages * codebook_dim, frames)
        commitment_loss, codebook_loss : scalars
        """
        books = self.drawn(len(z)).to(z.device) if self.training else self.stages_for(n_quantizers)
        return _encoded(self.stages(z, books))


def _encoded(stages: Stages) -> Encoded:
    return (
        stages.quantized,
        stages.codes,
        stages.latents,
        (stages.commitment * stages.used).mean(1).sum(),
        (stages.codebook * stages.used).mean(1).sum(),
    )


class DAC(DacSignals, nn.Module):
    """A DAC, new or from a released file.

    Parameters
    ----------
    encoder_dim, encoder_rates, latent_dim
        Width of the encoder's first layer, its strides, and channels of the latents (by default
        `encoder_dim * 2 ** len(encoder_rates)`).
    decoder_dim, decoder_rates
        The same of the decoder.
    n_codebooks, codebook_size, codebook_dim, quantizer_dropout
        Of `ResidualVectorQuantize`.
    sample_rate
        Hz.
    model_type, model_bitrate, tag
        Which released model: see `download`.
    load_path
        A released file, or one that `save` wrote; its arguments overrule those given here.
    strict
        Refuse a file that lacks a tensor of the model or holds another. Otherwise they are named
        in the log, and what the file lacks stays as initialised.
    load_pretrained
        Load a file at all; without it, `load_path` is not read, with a warning in the log. What the
        file says of itself is then `metadata`, which is None of a new model.

    Examples
    --------
    >>> import torch
    >>> dac = DAC(encoder_dim=2, decoder_dim=32)
    >>> audio_data = torch.randn(1, 1, 16000)
    >>> tokens, embeddings = dac(audio_data)
    >>> tokens.shape, dac.decode(embeddings).shape
    (torch.Size([1, 9, 32]), torch.Size([1, 1, 16384]))
    """

    def __init__(
        self,
        encoder_dim: int = 64,
        encoder_rates: Sequence[int] = (2, 4, 8, 8),
        latent_dim: int | None = None,
        decoder_dim: int = 1536,
        decoder_rates: Sequence[int] = (8, 8, 4, 2),
        n_codebooks: int = 9,
        codebook_size: int = 1024,
        codebook_dim: int | Sequence[int] = 8,
        quantizer_dropout: float = False,
        sample_rate: int = 44100,
        model_type: str = "44khz",
        model_bitrate: str = "8kbps",
        tag: str = "latest",
        load_path: str | os.PathLike[str] | None = None,
        strict: bool = False,
        load_pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.encoder_dim = encoder_dim
        self.encoder_rates = list(encoder_rates)
        self.latent_dim = latent_dim
        self.decoder_dim = decoder_dim
        self.decoder_rates = list(decoder_rates)
        self.n_codebooks = n_codebooks
        self.codebook_size = codebook_size
        self.codebook_dim = codebook_dim
        self.quantizer_dropout = quantizer_dropout
        self.sample_rate = sample_rate
        self.metadata: dict[str, Any] | None = None
        state: dict[str, Tensor] | None = None
        if load_path is not None and not load_pretrained:
            _log.warning(
                "%s is not read: expected load_pretrained=True beside load_path", load_path
            )
        if load_pretrained:
            path = Path(load_path or download(model_type, model_bitrate, tag))
            state, metadata = read_original(path)
            self.metadata = metadata
            for name in _SHAPE:
                if name in metadata["kwargs"]:
                    setattr(self, name, metadata["kwargs"][name])
        self._build()
        if state is not None:
            self._load(path, state, strict=strict)

    def _build(self) -> None:
        if self.latent_dim is None:
            self.latent_dim = self.encoder_dim * 2 ** len(self.encoder_rates)
        encoder = Encoder(self.encoder_dim, self.encoder_rates, self.latent_dim)
        quantizer = ResidualVectorQuantize(
            self.latent_dim,
            self.n_codebooks,
            self.codebook_size,
            self.codebook_dim,
            self.quantizer_dropout,
        )
        decoder = Decoder(self.latent_dim, self.decoder_dim, self.decoder_rates)
        self.encoder, self.quantizer, self.decoder = encoder, quantizer, decoder
        self.hop_length = self._hop = math.prod(self.encoder_rates)
        self.apply(init_weights)
        spec = self._spec(quantizer)
        self._core = None if spec is None else CoreCopy(self, spec)

    def _spec(self, quantizer: ResidualVectorQuantize) -> CodecSpec | None:
        """Return None for what the core's layers do not know: strides of 1, mixed entries."""
        dims = set(quantizer.codebook_dim)
        if len(dims) > 1 or min(*self.encoder_rates, *self.decoder_rates) == 1:
            return None
        assert self.latent_dim is not None
        spec = dac(
            "dac",
            sample_rate=self.sample_rate,
            encoder_dim=self.encoder_dim,
            encoder_rates=tuple(self.encoder_rates),
            latent_dim=self.latent_dim,
            decoder_dim=self.decoder_dim,
            decoder_rates=tuple(self.decoder_rates),
            n_codebooks=self.n_codebooks,
            codebook_size=self.codebook_size,
            codebook_dim=dims.pop(),
        )
        # As the modules do: samples that fill no hop are dropped, not filled up with zeros.
        return replace(spec, whole_hops=False)

    def _load(self, path: Path, state: dict[str, Tensor], *, strict: bool) -> None:
        try:
            missing, surplus = self.load_state_dict(state, strict=strict)
        except RuntimeError as error:  # torch's list of what does not fit
            raise WeightsError(f"{path}: {error}") from error
        if missing or surplus:
            _log.warning("%s: missing %s, surplus %s", path, missing, surplus)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file like the released ones, for `load_path` and `hopcodec.load`, say."""
        kwargs: dict[str, Any] = {name: getattr(self, name) for name in _SHAPE}
        write_original(Path(path), self.state_dict(), kwargs)

    def encode(
        self,
        audio_data: Tensor,
        n_quantizers: int | None = None,
        *,
        padding_mask: Tensor | None = None,
    ) -> Encoded:
        """Codes of audio, and what they were made of.

        Parameters
        ----------
        audio_data : (batch, 1, samples)
            Samples beyond the last whole hop are dropped; `forward` fills the hop up with zeros.
            Unless the modules compute, ValueError for samples beyond +-1024 (full scale is 1).
        n_quantizers
            Stages, or all of them; ignored in training mode.
        padding_mask : (batch, samples), optional
            1 for samples, then 0 for what only fills up the batch. Each item is then encoded alone,
            up to the end of its last hop, and followed by zeros: DAC looks ahead, so padding would
            change the last frames before it.

        Returns
        -------
        z, codes, latents, commitment_loss, codebook_loss
            As `ResidualVectorQuantize.forward`.
        """
        codec = self._codec(audio_data)
        return _encoded(self._encode(codec, audio_data, n_quantizers, padding_mask)[0])

    def decode(self, z: Tensor) -> Tensor:
        """Audio `(batch, 1, samples)` of embeddings `(batch, dim, frames)`.

        `frames * hop_length` samples, 8 less where a stride is 5 (16 and 24 kHz), as the original.
        """
        return self._decode(self._codec(z), z, None)

    def forward(
        self,
        audio_data: Tensor,
        sample_rate: int | None = None,
        n_quantizers: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Tokens `(batch, stages, frames)` and embeddings `(batch, dim, frames)` of audio.

        Audio `(batch, 1, samples)` is filled up with zeros to whole hops. ValueError for a
        `sample_rate` that is not the model's, which the original does not look at.
        """
        if sample_rate is not None and sample_rate != self.sample_rate:
            raise ValueError(f"sample_rate: expected {self.sample_rate}, got {sample_rate}")
        padded = functional.pad(audio_data, (0, -audio_data.shape[-1] % self.hop_length))
        z, codes, *_ = self.encode(padded, n_quantizers)
        return codes, z
