"""The feature extractor that a folder asks for."""

from __future__ import annotations

from typing import Any

from hopcodec.errors import WeightsError
from hopcodec.torch.hf._dac_features import DacFeatureExtractor
from hopcodec.torch.hf._encodec_features import EncodecFeatureExtractor
from hopcodec.torch.hf._features import FEATURES_FILE, AudioFeatureExtractor
from hopcodec.torch.hf._locate import Source, locate, take_hub_options
from hopcodec.weights._limits import MAX_HEADER_BYTES, read_file
from hopcodec.weights.formats._json import parse_object

EXTRACTORS: dict[str, type[AudioFeatureExtractor]] = {
    "DacFeatureExtractor": DacFeatureExtractor,
    "EncodecFeatureExtractor": EncodecFeatureExtractor,
}


class AutoProcessor:
    """Chooses by the `feature_extractor_type` of `preprocessor_config.json`."""

    @staticmethod
    def from_pretrained(source: Source, **kwargs: Any) -> AudioFeatureExtractor:
        """The feature extractor of a folder or hub repository; arguments as its own.

        Raises
        ------
        WeightsError
            The file is absent or malformed, or names a class that there is none of here.
        """
        hub = take_hub_options(kwargs)
        path = locate(source, (FEATURES_FILE,), hub)
        name = parse_object(read_file(path, MAX_HEADER_BYTES)).get("feature_extractor_type")
        if not isinstance(name, str) or name not in EXTRACTORS:
            known = ", ".join(EXTRACTORS)
            raise WeightsError(
                f"{path}: feature_extractor_type: expected one of {known}, got {name!r}"
            )
        return EXTRACTORS[name].from_pretrained(source, **hub, **kwargs)
