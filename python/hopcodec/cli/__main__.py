"""`python -m hopcodec.cli`, the same as the `hopcodec` command."""

from __future__ import annotations

from hopcodec.cli import main

main()
