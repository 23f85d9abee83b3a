"""What needs torch: `pip install 'hopcodec[torch]'`.

`nn` has trainable modules for any codec, `hf` models with the interface of `transformers`,
`speechbrain` SpeechBrain's DAC, and `ops` registers `torch.ops.hopcodec`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["hf", "nn", "ops", "speechbrain"]


def __getattr__(name: str) -> ModuleType:
    # Each is imported when it is first named: `ops` registers operators, `hf` needs transformers.
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
