"""Streams of a codec that codes hop by hop: thin wrappers of the core's sessions."""

from __future__ import annotations

from hopcodec import _core
from hopcodec._checks import check_audio, check_codes, check_snapshot
from hopcodec.codec._codes import AnyCodes
from hopcodec.codec._facts import SpecFacts
from hopcodec.codec._streams import Decoder, Encoder
from hopcodec.typing import Audio, CodeArray, Start


class HopEncoder(Encoder):
    """One stream from audio to codes, frame by frame."""

    def __init__(
        self,
        facts: SpecFacts,
        core: _core.sessions.Encoder | _core.cuda.Encoder,
        codebooks: int,
        start: Start,
    ) -> None:
        super().__init__(facts, codebooks, start)
        self._core = core

    @property
    def lookahead_samples(self) -> int:
        return round(self._core.lookahead_samples)

    def push(self, audio: Audio, *, out: CodeArray | None = None) -> CodeArray:
        return self._core.push(check_audio(audio, self._facts.channels), self._codebooks, out)

    def flush(self) -> CodeArray:
        return self._core.flush(self._codebooks)

    def latents(self, audio: Audio, *, last: bool = False) -> Audio:
        return self._core.latents(check_audio(audio, self._facts.channels), last)

    def reset(self) -> None:
        self._core.reset()

    def snapshot(self) -> bytes:
        return self._core.snapshot()

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        self._core.restore(check_snapshot(blob))


class HopDecoder(Decoder):
    """One stream from codes to audio, frame by frame."""

    def __init__(
        self, facts: SpecFacts, core: _core.sessions.Decoder | _core.cuda.Decoder, start: Start
    ) -> None:
        super().__init__(start)
        self._codebooks = facts.codebooks
        self._core = core

    @property
    def lookahead_samples(self) -> int:
        return round(self._core.lookahead_samples)

    def push(self, codes: AnyCodes, *, out: Audio | None = None) -> Audio:
        return self._core.push(check_codes(codes, self._codebooks), out)

    def flush(self) -> Audio:
        return self._core.flush()

    def reset(self) -> None:
        self._core.reset()

    def snapshot(self) -> bytes:
        return self._core.snapshot()

    def restore(self, blob: bytes | bytearray | memoryview) -> None:
        self._core.restore(check_snapshot(blob))
