"""Write the page of the command line from the command's own help."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages import write_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def command_line_page() -> str:
    """Return the page: one section per command, with tables of its arguments and options."""
    from typer.main import get_command

    from hopcodec.cli._app import app

    group: Any = get_command(app)
    lines = [
        "# Command line",
        "",
        str(group.help),
        "",
        "```",
        "hopcodec COMMAND [OPTIONS] ...",
        "```",
        "",
        "Every command prints its help with `-h` or `--help`. `hopcodec --version` prints the",
        "version, `hopcodec --install-completion` installs completion for your shell. Exit codes:",
        "0 success, 1 error, 2 wrong usage, 130 interrupted by Ctrl-C.",
        "",
        "Commands that code take `--model`, and `--json` where they print numbers. Files of any",
        "length run in constant memory. Pipes are not read.",
        "",
    ]
    for name, command in group.commands.items():
        lines += _section(name, command)
    return "\n".join(lines)


def _section(name: str, command: Any) -> list[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(["hopcodec", name, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(str(command.help or "")).replace("\b\n", "")
    lines = [f"## {name}", "", text, "", "```", usage, "```", ""]
    for kind in ("argument", "option"):
        records = [p.get_help_record(context) for p in command.params if p.param_type_name == kind]
        rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in filter(None, records)]
        if rows:
            lines += [f"| {kind} | |", "|---|---|", *rows, ""]
    return lines


def _cell(text: str) -> str:
    """Return text that may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _write(app: Sphinx) -> None:
    write_page(Path(app.srcdir) / "reference" / "command-line.md", command_line_page())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
