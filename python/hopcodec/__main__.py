"""`python -m hopcodec` is the `hopcodec` command."""

from hopcodec.cli import main

main()
