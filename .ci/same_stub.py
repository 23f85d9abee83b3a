"""Compare generated stubs with the committed ones, up to the order of their definitions."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def statements(path: Path) -> Iterator[str]:
    """Yield each statement of a stub; an import of several names is several."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield ast.unparse(ast.ImportFrom(node.module, [name], node.level))
        else:
            yield ast.unparse(node)


def items(folder: Path) -> dict[str, list[str]]:
    """Return what each stub states. Its order differs from one run of the generator to the next."""
    return {path.name: sorted(statements(path)) for path in folder.glob("*.pyi")}


generated, committed = (items(Path(folder)) for folder in sys.argv[1:])
stale = [name for name in generated | committed if generated.get(name) != committed.get(name)]
if stale:
    difference = {line for name in stale for line in generated.get(name, [])}
    difference ^= {line for name in stale for line in committed.get(name, [])}
    found = "\n".join(sorted(difference))
    sys.exit(f"{sys.argv[2]}: {', '.join(stale)} is stale; see CONTRIBUTING.md:\n{found}")
