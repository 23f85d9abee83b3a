"""Resample as a stream, with the same samples as in one call."""

from __future__ import annotations

import numpy as np

from hopcodec.typing import Audio


class Resampler:
    """soxr's stream on float32 blocks `(samples, channels)`. Equal rates pass through."""

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        self._stream = None
        self._empty = np.zeros((0, channels), dtype=np.float32)
        if rate_in != rate_out:
            import soxr  # type: ignore[import-untyped]

            self._stream = soxr.ResampleStream(
                rate_in, rate_out, channels, dtype="float32", quality="VHQ"
            )

    def push(self, block: Audio) -> Audio:
        """Return the samples that are ready at the new rate, `(samples, channels)`."""
        return block if self._stream is None else self._run(block, last=False)

    def flush(self) -> Audio:
        """Return the remaining samples."""
        return self._empty if self._stream is None else self._run(self._empty, last=True)

    def _run(self, block: Audio, *, last: bool) -> Audio:
        assert self._stream is not None
        out = self._stream.resample_chunk(block, last=last)
        return np.asarray(out, dtype=np.float32).reshape(-1, self._empty.shape[1])
