"""Write the page of the training configuration from its dataclasses and their comments."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages import write_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx

INTRODUCTION = """# Training configuration

A run of [`hopcodec train`](command-line.md) is described by a TOML file: a table for each section
below. `--set table.key=value` changes one setting. A key that is not listed here is an error.
"""


def configuration_page() -> str:
    """Return the page: one section per table, with a row for each key."""
    from hopcodec.training import Config

    lines = [INTRODUCTION]
    hints = typing.get_type_hints(Config)
    plain = [f for f in dataclasses.fields(Config) if not dataclasses.is_dataclass(hints[f.name])]
    lines += ["## Without a table", "", *_rows(Config, plain), ""]
    for field in dataclasses.fields(Config):
        table = hints[field.name]
        if dataclasses.is_dataclass(table):
            text = inspect.cleandoc(table.__doc__ or "")
            lines += [
                f"## {field.name}",
                "",
                text,
                "",
                *_rows(table, dataclasses.fields(table)),
                "",
            ]
    return "\n".join(lines)


def _rows(table: Any, fields: Any) -> list[str]:
    source, hints = inspect.getsource(table), typing.get_type_hints(table)
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for field in fields:
        comment = re.search(rf"^    {field.name}: .*?  # (.*)$", source, re.MULTILINE)
        text = comment[1].replace("|", "\\|") if comment else ""
        if typing.get_origin(hints[field.name]) is typing.Literal:
            choices = " or ".join(f"`{json.dumps(c)}`" for c in typing.get_args(hints[field.name]))
            text = f"{choices}; {text}" if text else choices
        rows.append(f"| `{field.name}` | {_default(field)} | {text} |")
    return rows


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "required"
    value = field.default
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def _write(app: Sphinx) -> None:
    path = Path(app.srcdir) / "reference" / "training-configuration.md"
    write_page(path, configuration_page())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
