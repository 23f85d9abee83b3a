"""Train a codec on a folder of audio: `hopcodec train CONFIG`.

`load_config` reads a TOML file into a `Config`, a `Run` trains it and writes its folder, and a
`Display` reports how far it is. Only this package and `hopcodec.torch` import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hopcodec.training._config import Config
    from hopcodec.training._config_file import load_config
    from hopcodec.training._progress import Display
    from hopcodec.training._run import Run

__all__ = ["Config", "Display", "Run", "load_config"]

_MODULES = {
    "Config": "_config",
    "Display": "_progress",
    "Run": "_run",
    "load_config": "_config_file",
}


def __getattr__(name: str) -> Any:
    # Each is imported when it is first named: a configuration can be read without torch.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
