"""Sessions of the compiled core, made from the packed layers of one codec."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict

from hopcodec import _core
from hopcodec.codec._build import build_layers, build_quantizer
from hopcodec.codec._device import cuda_ordinal
from hopcodec.codec._facts import SpecFacts
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._lookahead import truncations
from hopcodec.typing import Precision, Start, Weights


class _Shape(TypedDict):
    channels: int
    hop_samples: int
    streams: int
    max_frames: int
    zero_start: bool
    whole_hops: bool


@dataclass(frozen=True)
class Sessions(SpecFacts):
    """Make the core's encoders and decoders for one codec on one device.

    A session holds the state of `streams` independent streams and shares the packed weights with
    every other session of the codec. It computes up to `max_frames` frames per step.
    """

    spec: CodecSpec
    encoder_layers: _core.sessions.Layers
    decoder_layers: _core.sessions.Layers
    quantizer: _core.sessions.Quantizer
    device: str = "cpu"
    threads: int = 1
    precision: Precision = "fp32"
    isa: str = ""

    @classmethod
    def build(
        cls,
        spec: CodecSpec,
        weights: Weights,
        *,
        device: str = "cpu",
        threads: int = 1,
        precision: Precision = "fp32",
        low_latency: int | None = None,
        isa: str | None = None,
    ) -> Sessions:
        """Pack weights that have already been checked against the spec."""
        cuts = (None, None) if low_latency is None else truncations(spec, low_latency)
        return cls(
            spec,
            build_layers(spec.encoder, weights, precision, cuts[0]),
            build_layers(spec.decoder, weights, precision, cuts[1]),
            build_quantizer(spec.quantizer, weights),
            device,
            threads,
            precision,
            isa or "",
        )

    def on(self, device: str) -> Sessions:
        """Return a maker of sessions on another device, from the same layers."""
        return replace(self, device=device)

    def encoder(
        self, streams: int, start: Start, max_frames: int, books: int | None = None
    ) -> _core.sessions.Encoder | _core.cuda.Encoder:
        """Make an encoder session.

        A GPU prepares its graphs for `books` codebooks, by default for every bandwidth on offer;
        other numbers cost it more.
        """
        if self.device == "cpu":
            return self.cpu_encoder(streams, start, max_frames)
        offered = {self.codebooks_for(kbps) for kbps in self.bandwidths}
        return _core.cuda.Encoder(
            self.encoder_layers,
            self.quantizer,
            device=cuda_ordinal(self.device),
            codebooks=sorted(offered) if books is None else [books],
            precision=self.precision,
            **self._shape(streams, start, max_frames),
        )

    def decoder(
        self, streams: int, start: Start, max_frames: int
    ) -> _core.sessions.Decoder | _core.cuda.Decoder:
        """Make a decoder session."""
        if self.device == "cpu":
            return self.cpu_decoder(streams, start, max_frames)
        return _core.cuda.Decoder(
            self.decoder_layers,
            self.quantizer,
            device=cuda_ordinal(self.device),
            precision=self.precision,
            **self._shape(streams, start, max_frames),
        )

    def cpu_encoder(self, streams: int, start: Start, max_frames: int) -> _core.sessions.Encoder:
        """Make an encoder session on the CPU, whatever the device."""
        return _core.sessions.Encoder(
            self.encoder_layers,
            self.quantizer,
            threads=self.threads,
            isa=self.isa,
            **self._shape(streams, start, max_frames),
        )

    def cpu_decoder(self, streams: int, start: Start, max_frames: int) -> _core.sessions.Decoder:
        """Make a decoder session on the CPU, whatever the device."""
        return _core.sessions.Decoder(
            self.decoder_layers,
            self.quantizer,
            threads=self.threads,
            isa=self.isa,
            **self._shape(streams, start, max_frames),
        )

    def _shape(self, streams: int, start: Start, max_frames: int) -> _Shape:
        if start not in ("exact", "immediate"):
            raise ValueError(f'start: expected "exact" or "immediate", got {start!r}')
        return {
            "channels": self.channels,
            "hop_samples": self.hop_samples,
            "streams": streams,
            "max_frames": max_frames,
            "zero_start": start == "immediate",
            "whole_hops": self.spec.whole_hops,
        }
