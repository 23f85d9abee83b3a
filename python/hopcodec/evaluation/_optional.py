"""Packages that only some metrics and peers need."""

from __future__ import annotations

import importlib
from typing import Any

from hopcodec.errors import Unavailable

CURE = "pip install 'hopcodec[eval]'"


def require(module: str, distribution: str | None = None) -> Any:
    """Import an optional module, or raise `Unavailable` with the command that installs it.

    Most of these packages carry no types, hence `Any`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = distribution or module.split(".")[0].replace("_", "-")
        top = module.split(".")[0]
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == top:
            raise Unavailable(f"{name} is not installed: {CURE}") from None
        raise Unavailable(f"{name} cannot be imported: {error}") from None
