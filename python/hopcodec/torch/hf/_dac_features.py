"""From sounds to the input of `DacModel`."""

from __future__ import annotations

import contextlib
from typing import Any

from hopcodec.errors import WeightsError
from hopcodec.torch.hf._dac_config import DacConfig
from hopcodec.torch.hf._features import AudioFeatureExtractor, BatchFeature
from hopcodec.torch.hf._locate import HUB_OPTIONS, Source
from hopcodec.torch.hf._settings import MOST_HOP, whole


class DacFeatureExtractor(AudioFeatureExtractor):
    """Fills sounds up with zeros to one length of whole hops, as the `transformers` class does.

    Parameters
    ----------
    feature_size
        Channels: 1, nothing else is supported.
    sampling_rate
        Of the sounds, Hz.
    padding_value
        What sounds are filled up with.
    hop_length
        Samples per frame; 320 for the models of 16 and 24 kHz.
    **kwargs
        Kept as attributes; a `padding_side` but "right" is a ValueError.

    Examples
    --------
    >>> import numpy as np
    >>> extractor = DacFeatureExtractor()
    >>> sounds = [np.zeros(1000, np.float32), np.zeros(600, np.float32)]
    >>> inputs = extractor(sounds, sampling_rate=16000, return_tensors="pt")
    >>> inputs["input_values"].shape, inputs["padding_mask"].sum(1)
    (torch.Size([2, 1, 1024]), tensor([1000,  600]))
    """

    model_input_names = ["input_values", "n_quantizers"]  # noqa: RUF012  # as the base has it

    def __init__(
        self,
        feature_size: int = 1,
        sampling_rate: int = 16000,
        padding_value: float = 0.0,
        hop_length: int = 512,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        if self.padding_side != "right":  # the model takes sound, then padding
            raise ValueError(f'padding_side: expected "right", got {self.padding_side!r}')
        whole("hop_length", hop_length, most=MOST_HOP)
        self.hop_length = hop_length

    @classmethod
    def from_pretrained(
        cls, source: Source, *, exact_reference: bool = False, **kwargs: Any
    ) -> DacFeatureExtractor:
        """Read `preprocessor_config.json` of a folder or hub repository; `kwargs` override it.

        The hop is that of the model in the same place. Folders of the models of 16 and 24 kHz from
        before June 2025 say 512 where the model's is 320, which adds frames of silence;
        `exact_reference=True` believes them, as `transformers` does.
        """
        extractor = super().from_pretrained(source, **kwargs)
        if not exact_reference and "hop_length" not in kwargs:
            hub = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
            with contextlib.suppress(WeightsError):  # a folder of nothing but the extractor
                extractor.hop_length = DacConfig.from_pretrained(source, **hub).hop_length
        return extractor

    def __call__(
        self,
        raw_audio: Any,
        padding: bool | str | None = None,
        truncation: bool | None = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        sampling_rate: int | None = None,
    ) -> BatchFeature:
        """One batch of one or several sounds.

        Parameters
        ----------
        raw_audio
            A sound or a list of sounds: arrays `(samples,)` or lists of numbers.
        padding
            True or "longest" (without it): to the longest sound; "max_length": to `max_length`;
            False or "do_not_pad": each to its own. Always up to whole hops, but for the last.
        truncation
            Cut what is longer than `max_length`; with `padding` given as well, a ValueError.
        return_tensors
            "pt", "np", or None for a list of numpy arrays.
        sampling_rate
            Of `raw_audio`; another than the model's is a ValueError, none a warning in the log.

        Returns
        -------
        BatchFeature
            `input_values` float32 `(batch, 1, samples)` and, unless nothing is padded,
            `padding_mask` int32 `(batch, samples)`.
        """
        self.check_rate(sampling_rate)
        if padding and truncation:
            raise ValueError("Both padding and truncation were set. Make sure you only set one.")
        if self.feature_size == 2:
            raise ValueError("Stereo audio isn't supported for now")
        return self.batch(
            self.items(raw_audio),
            padding=True if padding is None else padding,
            max_length=max_length,
            truncation=bool(truncation),
            multiple_of=self.hop_length,
            return_tensors=return_tensors,
        )
