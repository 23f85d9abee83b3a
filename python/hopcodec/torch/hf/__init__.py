"""`EncodecModel` and `DacModel` of `transformers`, computed by the compiled core where it can be.

Each class is a subclass of the one in `transformers`, so that saving, loading, dtypes, devices,
training and everything else around a model are those of `transformers`. What differs:

* Without gradients, float32 audio on the CPU is computed by the core of `hopcodec`.
* Each item of a padded batch gets the codes that it would get alone.
* Files are not trusted: see `from_pretrained` of the models.

`transformers.AutoModel` keeps choosing the classes of `transformers`, unless it is told otherwise:
`AutoModel.register(EncodecConfig, EncodecModel, exist_ok=True)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import transformers
except ImportError as error:
    raise ImportError(
        "hopcodec.torch.hf needs transformers 5: pip install 'hopcodec[hf]'"
    ) from error
if transformers.__version__.split(".")[0] != "5":
    raise ImportError(
        f"hopcodec.torch.hf needs transformers 5, got {transformers.__version__}: "
        "pip install 'hopcodec[hf]'"
    )

from transformers import DacConfig, EncodecConfig

from hopcodec.torch.hf._dac import DacModel
from hopcodec.torch.hf._encodec import EncodecModel

if TYPE_CHECKING:
    from hopcodec.torch.hf._features import (
        AutoProcessor,
        DacFeatureExtractor,
        EncodecFeatureExtractor,
    )

__all__ = [
    "AutoProcessor",
    "DacConfig",
    "DacFeatureExtractor",
    "DacModel",
    "EncodecConfig",
    "EncodecFeatureExtractor",
    "EncodecModel",
]


def __getattr__(name: str) -> Any:
    # transformers imports torchaudio beside its extractors; the models do without both.
    if name in ("AutoProcessor", "DacFeatureExtractor", "EncodecFeatureExtractor"):
        return getattr(import_module(f"{__name__}._features"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
