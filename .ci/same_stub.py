"""Compare a generated stub with the committed one, up to the order of their definitions."""

from __future__ import annotations

import ast
import sys
from pathlib import Path


def items(path: str) -> list[str]:
    """Definitions of a stub. Their order differs from one run of the generator to the next."""
    return sorted(ast.unparse(node) for node in ast.parse(Path(path).read_text()).body)


generated, committed = map(items, sys.argv[1:])
if generated != committed:
    difference = "\n".join(sorted(set(generated) ^ set(committed)))
    sys.exit(f"{sys.argv[2]} is stale; see CONTRIBUTING.md:\n{difference}")
