"""The directive `module-text`: a module's docstring, its indented parts as they stand."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive

import hopcodec

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class ModuleText(Directive):
    """Show the layout that a module's docstring draws."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the indented parts of the docstring as literal blocks."""
        package = Path(hopcodec.__file__).parent
        path = package.joinpath(*self.arguments[0].split(".")[1:]).with_suffix(".py")
        self.state.document.settings.record_dependencies.add(str(path))
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        blocks = literal_blocks(text)
        if not blocks:
            raise self.error(f"{path.name}: expected an indented part in its docstring, got none")
        return [nodes.literal_block(block, block, language="none") for block in blocks]


def literal_blocks(text: str) -> list[str]:
    """Return the runs of lines that are indented, each without the common indentation."""
    blocks: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("    "):
            if not inside:
                blocks.append([])
            inside = True
            blocks[-1].append(line[4:])
        elif not line.strip() and inside:
            blocks[-1].append("")
        else:
            inside = False
    return ["\n".join(block).strip("\n") for block in blocks]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("module-text", ModuleText)
    return {"parallel_read_safe": True}
