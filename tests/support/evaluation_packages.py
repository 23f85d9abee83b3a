"""Packages that only `pip install '.[eval]'` brings."""

from __future__ import annotations

import importlib.util

import pytest


def needs(*packages: str) -> None:
    """Skip a test, by name, where a package is missing."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (pip install '.[eval]')")
