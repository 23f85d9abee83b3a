"""From sounds to what a model takes: a batch of one length, and a mask of what is sound in it."""

from __future__ import annotations

import json
import logging
import os
from abc import ABC, abstractmethod
from collections import UserDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

import torch
from hopcodec.errors import WeightsError
from hopcodec.torch.hf._locate import Source, locate, take_hub_options
from hopcodec.torch.hf._settings import finite, keep_extra, whole
from hopcodec.weights._limits import MAX_HEADER_BYTES, read_file
from hopcodec.weights.formats._json import parse_object

FEATURES_FILE = "preprocessor_config.json"
PADDINGS = ("longest", "max_length", "do_not_pad")

Items = list[npt.NDArray[Any]]
ExtractorT = TypeVar("ExtractorT", bound="AudioFeatureExtractor")

_log = logging.getLogger(__name__)


def sounds_in(raw_audio: Any) -> Sequence[Any]:
    """The sounds of a batch, or the one that `raw_audio` is itself."""
    batched = isinstance(raw_audio, (list, tuple)) and (
        len(raw_audio) > 0 and isinstance(raw_audio[0], (np.ndarray, torch.Tensor, tuple, list))
    )
    return raw_audio if batched else [raw_audio]


class BatchFeature(UserDict[str, Any]):
    """What a feature extractor gives: `features["input_values"]` or `features.input_values`."""

    def __getattr__(self, name: str) -> Any:
        if name == "data" or name not in self.data:  # `data`: while it is being unpickled
            raise AttributeError(name)
        return self.data[name]

    def to(self, *args: Any, **kwargs: Any) -> BatchFeature:
        """Tensors moved to a device or, those of floating point, cast to a dtype; in place."""
        device_only = {k: v for k, v in kwargs.items() if k in ("device", "non_blocking")}
        for name, value in self.data.items():
            if not isinstance(value, torch.Tensor):
                continue
            if value.is_floating_point():
                self.data[name] = value.to(*args, **kwargs)
            elif device_only or (args and not isinstance(args[0], torch.dtype)):
                self.data[name] = value.to(*args[:1], **device_only)
        return self


class AudioFeatureExtractor(ABC):
    """Base of the feature extractors, with the files and the padding that they share.

    Parameters
    ----------
    feature_size
        Channels: 1 or 2.
    sampling_rate
        Of the sounds, Hz.
    padding_value
        What shorter sounds of a batch are filled up with.
    padding_side
        "right" or "left".
    **kwargs
        Kept as attributes and written back.

    Raises
    ------
    TypeError, ValueError
        Naming the setting that is out of range, or that would hide a method.
    """

    model_input_names: ClassVar[list[str]] = ["input_values", "padding_mask"]

    def __init__(
        self,
        feature_size: int = 1,
        sampling_rate: int = 24000,
        padding_value: float = 0.0,
        padding_side: str = "right",
        **kwargs: Any,
    ) -> None:
        if padding_side not in ("right", "left"):
            raise ValueError(f'padding_side: expected "right" or "left", got {padding_side!r}')
        whole("feature_size", feature_size, most=2)
        whole("sampling_rate", sampling_rate)
        finite("padding_value", padding_value)
        self.feature_size = feature_size
        self.sampling_rate = sampling_rate
        self.padding_value = padding_value
        self.padding_side = padding_side
        self.return_attention_mask = True
        for name, value in kwargs.items():
            if name not in ("feature_extractor_type", "processor_class"):
                keep_extra(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    @abstractmethod
    def __call__(
        self,
        raw_audio: Any,
        padding: bool | str | None = None,
        truncation: bool | None = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        sampling_rate: int | None = None,
    ) -> BatchFeature:
        """One sound, or a list of sounds, to a batch."""

    def to_dict(self) -> dict[str, Any]:
        """Every setting, and the class as `feature_extractor_type`."""
        return {**vars(self), "feature_extractor_type": type(self).__name__}

    def to_json_string(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def save_pretrained(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write `preprocessor_config.json` into a folder, made if need be; its path."""
        path = Path(folder) / FEATURES_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json_string(), encoding="utf-8")
        return [str(path)]

    @classmethod
    def from_pretrained(cls: type[ExtractorT], source: Source, **kwargs: Any) -> ExtractorT:
        """Read `preprocessor_config.json` of a folder or hub repository; `kwargs` override it.

        Raises
        ------
        WeightsError
            It is absent, no JSON object, or holds what no extractor of this class has.
        """
        path = locate(source, (FEATURES_FILE,), take_hub_options(kwargs))
        try:
            return cls(**{**parse_object(read_file(path, MAX_HEADER_BYTES)), **kwargs})
        except (WeightsError, TypeError, ValueError) as error:
            raise WeightsError(f"{path}: {error}") from error

    def check_rate(self, sampling_rate: int | None) -> None:
        """ValueError for a rate that is not the model's; a warning in the log for none."""
        if sampling_rate is None:
            _log.warning(
                "It is strongly recommended to pass the `sampling_rate` argument to `%s()`: a "
                "wrong rate cannot be noticed otherwise.",
                type(self).__name__,
            )
        elif sampling_rate != self.sampling_rate:
            raise ValueError(
                f"sampling_rate: expected {self.sampling_rate} Hz, which {type(self).__name__} "
                f"was made for, got {sampling_rate}"
            )

    def items(self, raw_audio: Any) -> Items:
        """Each sound of `raw_audio` as float32 `(samples,)`, or `(samples, 2)` for stereo.

        `raw_audio` is one sound or a list of sounds; a sound is a list of numbers or an array
        `(samples,)` or `(2, samples)`. Other than floating point arrays are converted.
        """
        items = [np.asarray(sound, dtype=np.float32).T for sound in sounds_in(raw_audio)]
        for item in items:
            if item.ndim not in (1, 2):
                raise ValueError(
                    "raw_audio: expected shape (samples,) or (channels, samples), got "
                    f"{item.T.shape}"
                )
            channels = 1 if item.ndim == 1 else item.shape[1]
            wanted = 1 if self.feature_size == 1 else 2
            if item.ndim != wanted or channels != self.feature_size:
                kind = "mono" if self.feature_size == 1 else "stereo"
                raise ValueError(
                    f"Expected {kind} audio but example has {channels} channels: shape "
                    f"{item.T.shape}"
                )
        return items

    def batch(
        self,
        items: Items,
        *,
        padding: bool | str,
        max_length: int | None = None,
        truncation: bool = False,
        multiple_of: int | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Cut and fill `items` (see `items`) to one length, and turn them channels first.

        Parameters
        ----------
        padding
            True or "longest", "max_length", False or "do_not_pad".
        truncation
            Cut what is longer than `max_length`.
        multiple_of
            Round lengths up to a multiple of it.
        return_tensors
            "pt", "np", or None for a list of numpy arrays.

        Returns
        -------
        BatchFeature
            `input_values` float32 `(batch, channels, samples)`, and unless nothing is padded
            `padding_mask` int32 `(batch, samples)`, 1 where there is sound.
        """
        strategy = padding if isinstance(padding, str) else PADDINGS[0 if padding else 2]
        if strategy not in PADDINGS:
            raise ValueError(
                f"padding: expected True, False or one of {', '.join(PADDINGS)}, got {padding!r}"
            )
        if max_length is None and (truncation or strategy == "max_length"):
            raise ValueError("max_length: expected a number of samples with this padding, got None")
        if max_length is not None and multiple_of:
            max_length = -(-max_length // multiple_of) * multiple_of
        if truncation:
            items = [item[:max_length] for item in items]
        length = max((len(item) for item in items), default=0)
        if strategy == "max_length" and max_length is not None:
            length = max_length
        if multiple_of:
            length = -(-length // multiple_of) * multiple_of
        if strategy == "do_not_pad":
            length = 0
        values = [self._filled(item, length, self.padding_value) for item in items]
        features: dict[str, Any] = {
            "input_values": [v[None] if v.ndim == 1 else np.ascontiguousarray(v.T) for v in values]
        }
        if strategy != "do_not_pad":
            masks = [np.ones(len(item), dtype=np.int32) for item in items]
            features["padding_mask"] = [self._filled(mask, length, 0) for mask in masks]
        return BatchFeature({n: _converted(n, v, return_tensors) for n, v in features.items()})

    def _filled(self, item: npt.NDArray[Any], length: int, value: float) -> npt.NDArray[Any]:
        missing = max(0, length - len(item))
        ends = (0, missing) if self.padding_side == "right" else (missing, 0)
        widths = [ends, *[(0, 0)] * (item.ndim - 1)]
        return np.pad(item, widths, constant_values=value)


def _converted(name: str, arrays: Sequence[npt.NDArray[Any]], kind: str | None) -> Any:
    if kind is None:
        return list(arrays)
    if kind not in ("pt", "np"):
        raise ValueError(f'return_tensors: expected "pt" or "np", got {kind!r}')
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1:
        raise ValueError(
            f"{name}: expected one shape to make a tensor of, got {sorted(shapes)}; padding=True "
            "fills them up"
        )
    stacked = np.stack(arrays)
    return torch.from_numpy(stacked) if kind == "pt" else stacked
