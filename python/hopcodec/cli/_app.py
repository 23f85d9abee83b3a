"""The commands under one name."""

from __future__ import annotations

from typing import Annotated

import typer

from hopcodec.cli._bench import bench
from hopcodec.cli._console import reports_errors
from hopcodec.cli._decode import decode
from hopcodec.cli._demo import demo
from hopcodec.cli._devices import devices
from hopcodec.cli._encode import encode
from hopcodec.cli._evaluate import evaluate
from hopcodec.cli._info import info
from hopcodec.cli._loopback import loopback
from hopcodec.cli._roundtrip import roundtrip
from hopcodec.cli._train import train

app = typer.Typer(
    name="hopcodec",
    help="Run neural audio codecs hop by hop: exact, and faster than real time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (demo, encode, decode, roundtrip, info, bench, devices, loopback, train):
    app.command()(reports_errors(command))
app.command("eval")(reports_errors(evaluate))


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hopcodec {version('hopcodec')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options of the command as a whole."""
