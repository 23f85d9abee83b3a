"""`hopcodec train`: a codec from a folder of audio, by a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hopcodec.cli._console import err, out
from hopcodec.errors import CommandError


def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="A TOML file, or a shipped name: speech, speech_cpu, speech_gpu, "
            "speech_gpu_adversarial, tiny.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.")
    ] = Path("run"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")
    ] = False,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu or cuda; default: as configured.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Train so many steps in all.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting, as data.batch=8 or data.train='[\"my/folder\"]'; repeatable.",
        ),
    ] = None,
) -> None:
    """Train a codec on your own audio; the result is a file for `--model`."""
    try:
        import torch  # noqa: F401  # asked for here, so that what is missing is said in one line
    except ImportError:
        raise CommandError("training needs torch: pip install 'hopcodec[train]'") from None
    from hopcodec.training._config_file import load_config
    from hopcodec.training._progress import Display
    from hopcodec.training._run import Run

    overrides = list(changes or [])
    overrides += [] if device is None else [f"run.device={device}"]
    overrides += [] if steps is None else [f"steps={steps}"]
    run = Run(load_config(config, overrides), output, Display(err()), resume=resume)
    path = run.train()
    out().print(f"{path}", markup=False, soft_wrap=True)
