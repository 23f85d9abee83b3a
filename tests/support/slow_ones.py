"""Mark parameters as slow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow(*values: Any) -> list[Any]:
    """Mark every value as slow."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def slow_but_the_first(values: Iterable[Any]) -> list[Any]:
    """Mark every value but the first as slow."""
    first, *others = values
    return [first, *slow(*others)]
