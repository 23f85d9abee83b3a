"""The feature extractors of `transformers`, with what differs here on purpose."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import transformers
from transformers import BatchFeature

import torch
from hopcodec.errors import WeightsError
from hopcodec.torch.hf._dac_spec import check_dac
from hopcodec.torch.hf._loading import PLACE
from hopcodec.torch.hf._ranges import MOST_HOP, finite, whole
from hopcodec.weights._hub import REPOSITORIES

Source = str | os.PathLike[str]

_MOST_CHUNK = 1 << 30  # samples

_log = logging.getLogger(__name__)


class _Checked:
    """Mix into an extractor, before the class of `transformers`."""

    feature_size: int
    sampling_rate: int
    padding_value: float

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Source, **kwargs: Any) -> Any:
        """Read `preprocessor_config.json` as `transformers` does; `kwargs` override it.

        Raises
        ------
        OSError
            It is absent, or no JSON.
        WeightsError
            A setting is out of range, or hides a property.
        """
        source = REPOSITORIES.get(str(pretrained_model_name_or_path), pretrained_model_name_or_path)
        try:
            return super().from_pretrained(source, **kwargs)  # type: ignore[misc]
        except (TypeError, ValueError, AttributeError) as error:
            raise WeightsError(f"{source}: preprocessor_config.json: {error}") from error

    def _check(self) -> None:
        whole("feature_size", self.feature_size, most=2)
        whole("sampling_rate", self.sampling_rate)
        finite("padding_value", self.padding_value)


class EncodecFeatureExtractor(_Checked, transformers.EncodecFeatureExtractor):  # type: ignore[misc]
    """`transformers.EncodecFeatureExtractor`; a mono sound is accepted for a stereo model.

    It is given to both channels, as the original `convert_audio` does, with a line in the log;
    `transformers` refuses it. Sounds may be torch tensors.

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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._check()
        if self.chunk_length_s is not None:
            finite("chunk_length_s", self.chunk_length_s)
            whole("chunk_length_s * sampling_rate", self.chunk_length, most=_MOST_CHUNK)
        if self.overlap is not None and not 0 <= finite("overlap", self.overlap) < 1:
            raise ValueError(f"overlap: expected 0 to less than 1, got {self.overlap}")

    def __call__(self, raw_audio: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """Make a batch of one sound or of a list of sounds; see `transformers`."""
        sounds = _sounds(raw_audio)
        if self.feature_size == 2 and any(sound.ndim == 1 for sound in sounds):
            _log.warning("a mono sound was given to a stereo model: both channels are that sound")
            sounds = [np.stack([s, s]) if s.ndim == 1 else s for s in sounds]
        return super().__call__(sounds, *args, **kwargs)


class DacFeatureExtractor(_Checked, transformers.DacFeatureExtractor):  # type: ignore[misc]
    """`transformers.DacFeatureExtractor`; the hop is that of the model. See `from_pretrained`.

    Sounds may be torch tensors.

    Examples
    --------
    >>> import numpy as np
    >>> from hopcodec.torch.hf import DacFeatureExtractor
    >>> extractor = DacFeatureExtractor()
    >>> sounds = [np.zeros(1000, np.float32), np.zeros(600, np.float32)]
    >>> inputs = extractor(sounds, sampling_rate=16000, return_tensors="pt")
    >>> inputs["input_values"].shape, inputs["padding_mask"].sum(1).tolist()
    (torch.Size([2, 1, 1024]), [1000, 600])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._check()
        if self.padding_side != "right":  # the model takes sound, then padding
            raise ValueError(f'padding_side: expected "right", got {self.padding_side!r}')
        whole("hop_length", self.hop_length, most=MOST_HOP)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Source,
        *,
        exact_reference: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Read `preprocessor_config.json` as `transformers` does; `kwargs` override it.

        The hop is that of the `config.json` in the same place. Folders of the models of 16 and
        24 kHz from before June 2025 say 512 where the model's is 320, which adds frames of silence;
        `exact_reference=True` believes them, as `transformers` does.
        """
        source = pretrained_model_name_or_path
        extractor = super().from_pretrained(source, **kwargs)
        if not exact_reference and "hop_length" not in kwargs:
            extractor.hop_length = _hop_of_model(source, kwargs) or extractor.hop_length
        return extractor

    def __call__(self, raw_audio: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """Make a batch of one sound or of a list of sounds; see `transformers`."""
        return super().__call__(_sounds(raw_audio), *args, **kwargs)


def _hop_of_model(source: Source, kwargs: Mapping[str, Any]) -> int | None:
    """Return the hop that the `config.json` beside an extractor says, if there is one."""
    place = {name: kwargs[name] for name in PLACE if name in kwargs}
    with contextlib.suppress(OSError):  # a folder of nothing but the extractor
        given, _ = transformers.DacConfig.get_config_dict(source, **place)
        if given.get("model_type") == "dac":
            config = transformers.DacConfig.from_dict(given)
            check_dac(config)
            hop: int = math.prod(config.downsampling_ratios)
            return hop
    return None


def _sounds(raw_audio: Any) -> list[Any]:
    """List the sounds of a batch, or the one that `raw_audio` is itself, as arrays."""
    batched = isinstance(raw_audio, Sequence) and (
        len(raw_audio) > 0 and isinstance(raw_audio[0], (np.ndarray, torch.Tensor, tuple, list))
    )
    return [np.asarray(sound, np.float32) for sound in (raw_audio if batched else [raw_audio])]


class AutoProcessor:
    """Choose the feature extractor that a folder or hub repository asks for."""

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: Source, **kwargs: Any) -> Any:
        """Return an extractor of this module, or whatever `transformers.AutoProcessor` gives."""
        source = REPOSITORIES.get(str(pretrained_model_name_or_path), pretrained_model_name_or_path)
        place = {name: kwargs[name] for name in PLACE if name in kwargs}
        given: Mapping[str, Any] = {}
        with contextlib.suppress(OSError):
            given, _ = transformers.FeatureExtractionMixin.get_feature_extractor_dict(
                source, **place
            )
        for own in (EncodecFeatureExtractor, DacFeatureExtractor):
            if given.get("feature_extractor_type") == own.__name__:
                return own.from_pretrained(source, **kwargs)
        return transformers.AutoProcessor.from_pretrained(source, **kwargs)
