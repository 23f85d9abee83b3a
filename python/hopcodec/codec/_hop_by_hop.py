"""Code a signal frame by frame, as every codec without segments does."""

from __future__ import annotations

import operator
from functools import cached_property

import numpy as np

from hopcodec._checks import check_audio, check_below, check_codes, check_samples
from hopcodec._pieces import pieces
from hopcodec.codec._codes import AnyCodes
from hopcodec.codec._hop_streams import HopDecoder, HopEncoder
from hopcodec.codec._pool import StreamPool
from hopcodec.codec._sessions import Sessions
from hopcodec.specs._lookahead import decoded_samples
from hopcodec.typing import Audio, CodeArray, Start

# Frames per step of a live session: one is all it ever has. Files go several at a time, so that
# each read of the weights serves more arithmetic; the bits are the same. Python looks for Ctrl-C
# between two steps.
FRAMES_PER_STEP = 64


class HopByHop:
    """Encode and decode with one core session per stream or pool."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @cached_property
    def latency_samples(self) -> int:
        """One hop and the look-ahead of both sides; the encoder's counts in whole hops."""
        encoder, decoder = self._lookahead
        hop = self._sessions.hop_samples
        return (1 - (-encoder // hop)) * hop + decoder

    @property
    def lookahead_samples(self) -> int:
        """Look-ahead of encoder and decoder together."""
        return sum(self._lookahead)

    @cached_property
    def _lookahead(self) -> tuple[int, int]:
        encoder = self._sessions.cpu_encoder(1, "exact", 1)
        decoder = self._sessions.cpu_decoder(1, "exact", 1)
        return round(encoder.lookahead_samples), round(decoder.lookahead_samples)

    def samples_for(self, codes: AnyCodes | int) -> int:
        """Return the samples in a number of frames, or in an array of codes."""
        if isinstance(codes, np.ndarray):
            frames = check_codes(codes, self._sessions.codebooks).shape[1]
        else:
            try:
                frames = operator.index(codes)  # type: ignore[arg-type]
            except TypeError:
                raise TypeError(
                    f"codes: expected an array or a number of frames, got {type(codes).__name__}"
                ) from None
        if frames < 0:
            raise ValueError(f"frames: expected at least 0, got {frames}")
        return decoded_samples(self._sessions.spec, frames)

    def encoder(self, codebooks: int, start: Start, max_frames: int | None) -> HopEncoder:
        """Make a stream from audio to codes."""
        core = self._sessions.encoder(1, start, _or_default(max_frames))
        return HopEncoder(self._sessions, core, codebooks, start)

    def decoder(self, start: Start, max_frames: int | None) -> HopDecoder:
        """Make a stream from codes to audio."""
        core = self._sessions.decoder(1, start, _or_default(max_frames))
        return HopDecoder(self._sessions, core, start)

    def pool(
        self, n: int, codebooks: int, start: Start, max_frames: int, device: str
    ) -> StreamPool:
        """Make `n` streams that step together."""
        sessions = self._sessions.on(device)
        encoder = sessions.encoder(n, start, max_frames, codebooks)
        decoder = sessions.decoder(n, start, max_frames)
        return StreamPool(sessions, encoder, decoder, codebooks)

    def encode(self, audio: Audio, codebooks: int, start: Start) -> CodeArray:
        """Encode a whole signal: push its steps, then flush."""
        check_samples(check_audio(audio, self._sessions.channels))
        encoder = self.encoder(codebooks, start, None)
        steps = pieces(audio, FRAMES_PER_STEP * self._sessions.hop_samples)
        return np.concatenate([*map(encoder.push, steps), encoder.flush()], axis=1)

    def decode(self, codes: AnyCodes, start: Start) -> Audio:
        """Decode whole codes: push their steps, then flush."""
        codes = check_codes(codes, self._sessions.codebooks)
        check_below(codes, self._sessions.codebook_size)
        decoder = self.decoder(start, None)
        steps = pieces(codes, FRAMES_PER_STEP)
        return np.concatenate([*map(decoder.push, steps), decoder.flush()], axis=1)


def _or_default(max_frames: int | None) -> int:
    return FRAMES_PER_STEP if max_frames is None else max_frames
