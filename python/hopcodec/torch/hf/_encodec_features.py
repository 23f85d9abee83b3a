"""What an EnCodec model takes, from sounds of any length."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from hopcodec.torch.hf._features import AudioFeatureExtractor, BatchFeature, Items, sounds_in
from hopcodec.torch.hf._settings import finite, whole

_MOST = 1 << 30  # samples of a chunk

_log = logging.getLogger(__name__)


class EncodecFeatureExtractor(AudioFeatureExtractor):
    """Sounds to `input_values` and a `padding_mask`; settings as in `transformers`.

    Differs in one thing: a mono sound is accepted for a stereo model and given to both channels, as
    the original `convert_audio` does, with a line in the log; `transformers` refuses it.

    Parameters
    ----------
    feature_size
        1 for mono, 2 for stereo.
    sampling_rate
        Hz.
    padding_value
        What shorter sounds are filled up with.
    chunk_length_s, overlap
        As in `EncodecConfig`: sounds are then filled up to whole chunks.

    Examples
    --------
    >>> import numpy as np
    >>> from hopcodec.torch.hf import EncodecFeatureExtractor
    >>> extract = EncodecFeatureExtractor()
    >>> sounds = [np.zeros(500), np.zeros(800)]
    >>> inputs = extract(sounds, sampling_rate=24000, return_tensors="pt")
    >>> inputs.input_values.shape, inputs.padding_mask.sum(1).tolist()
    (torch.Size([2, 1, 800]), [500, 800])
    """

    def __init__(
        self,
        feature_size: int = 1,
        sampling_rate: int = 24000,
        padding_value: float = 0.0,
        chunk_length_s: float | None = None,
        overlap: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        if chunk_length_s is not None:
            whole(
                "chunk_length_s * sampling_rate",
                _samples(chunk_length_s, sampling_rate),
                most=_MOST,
            )
        if overlap is not None and not 0 <= finite("overlap", overlap) < 1:
            raise ValueError(f"overlap: expected 0 to less than 1, got {overlap}")
        self.chunk_length_s = chunk_length_s
        self.overlap = overlap

    @property
    def chunk_length(self) -> int | None:
        """Samples of a chunk."""
        if self.chunk_length_s is None:
            return None
        return _samples(self.chunk_length_s, self.sampling_rate)

    @property
    def chunk_stride(self) -> int | None:
        """Samples from one chunk's beginning to the next's."""
        if self.chunk_length is None or self.overlap is None:
            return None
        return max(1, int((1.0 - self.overlap) * self.chunk_length))

    def __call__(
        self,
        raw_audio: Any,
        padding: bool | str | None = None,
        truncation: bool | None = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        sampling_rate: int | None = None,
    ) -> BatchFeature:
        """One sound, or a list of sounds, to a batch.

        Parameters
        ----------
        raw_audio
            A sound is a list of numbers or an array `(samples,)`, for stereo `(2, samples)`.
        padding
            True or "longest" (without it, that), "max_length", False or "do_not_pad".
        truncation
            Cut sounds to `max_length`; with chunks and without `max_length`, to the whole chunks
            that the shortest sound fills.
        max_length
            Samples.
        return_tensors
            "pt" for torch, "np" for numpy, None for lists of arrays.
        sampling_rate
            Of `raw_audio`; ValueError if it is not the model's.

        Returns
        -------
        BatchFeature
            `input_values` `(batch, channels, samples)`; `padding_mask` `(batch, samples)`, 1 where
            there is sound, unless nothing is padded.
        """
        self.check_rate(sampling_rate)
        if padding and truncation:
            raise ValueError("Both padding and truncation were set. Make sure you only set one.")
        padding = True if padding is None else padding
        items = self.items(raw_audio)
        chunk, stride = self.chunk_length, self.chunk_stride
        if chunk is not None and stride is not None and max_length is None:
            if truncation:
                steps = min(map(len, items)) // stride
                max_length = (steps - 1) * stride + chunk
            elif padding:
                steps = -(-max(map(len, items)) // stride)
                max_length, padding = (steps - 1) * stride + chunk, "max_length"
        return self.batch(
            items,
            padding=padding,
            max_length=max_length,
            truncation=bool(truncation),
            return_tensors=return_tensors,
        )

    def items(self, raw_audio: Any) -> Items:
        """As in the base class; mono becomes stereo where that is asked for."""
        if self.feature_size != 2:
            return super().items(raw_audio)
        arrays = [np.asarray(sound, dtype=np.float32) for sound in sounds_in(raw_audio)]
        if any(array.ndim == 1 for array in arrays):
            _log.warning("a mono sound was given to a stereo model: both channels are that sound")
        return super().items([np.stack([a, a]) if a.ndim == 1 else a for a in arrays])


def _samples(seconds: float, rate: int) -> int:
    return int(finite("chunk_length_s", seconds) * rate)
