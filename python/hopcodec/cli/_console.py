"""The output of commands: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from hopcodec.errors import (
    BitstreamError,
    CommandError,
    HopcodecError,
    IncompleteAudioWarning,
)

P = ParamSpec("P")
R = TypeVar("R")


def out() -> Console:
    """Return a console for results, made per call because stdout may be replaced."""
    return Console(highlight=False)


def err() -> Console:
    """Return a console for progress, notes and errors."""
    return Console(stderr=True, highlight=False)


def shown(text: str) -> str:
    """Escape a text of others for the terminal, such as a tensor's name or a file's.

    Neither rich's markup nor control characters have an effect: those are shown by their codes.
    """
    return escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def note(message: str) -> None:
    """Print one line on stderr."""
    err().print(f"[yellow]note:[/] {shown(message)}", soft_wrap=True)


@contextlib.contextmanager
def incomplete_audio() -> Iterator[list[str]]:
    """Collect what audio files lack, and print it as notes at the end."""
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", IncompleteAudioWarning)
        others = warnings.showwarning

        def collect(message: Any, category: type[Warning], *where: Any, **options: Any) -> None:
            if not issubclass(category, IncompleteAudioWarning):
                others(message, category, *where, **options)
            elif str(message) not in said:
                said.append(str(message))

        warnings.showwarning = collect
        try:
            yield said
        finally:
            for text in said:
                note(text)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn an exception into one line on stderr and exit code 1 (130 for Ctrl-C).

    With HOPCODEC_DEBUG set, exceptions pass through with their traceback.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with incomplete_audio():
                return command(*args, **kwargs)
        except KeyboardInterrupt:
            err().print("interrupted; nothing half-written was left")
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("HOPCODEC_DEBUG"):
                raise
            fail(describe(error))
            raise typer.Exit(1) from None

    return run


@contextlib.contextmanager
def names_file(path: os.PathLike[str]) -> Iterator[None]:
    """Put the file's name before what a reader or the codec finds wrong with its content."""
    try:
        yield
    except (BitstreamError, ValueError) as error:
        raise CommandError(f"{os.fspath(path)}: {error}") from None


def fail(message: str) -> None:
    """Print one line of error on stderr."""
    err().print(f"[bold red]error:[/] {shown(message)}", soft_wrap=True)


def describe(error: Exception) -> str:
    """Describe an exception in one line."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror[0].lower()}{error.strerror[1:]}"
    message = " ".join(str(error).split())
    if isinstance(error, (HopcodecError, ValueError, OSError)) and message:
        return message
    return (
        f"unexpected {type(error).__name__}: {message or 'no message'} "
        "(set HOPCODEC_DEBUG=1 for the traceback, and please report it)"
    )


def print_json(fields: dict[str, Any]) -> None:
    """Print one JSON object on stdout. Infinite and undefined numbers become null."""
    typer.echo(to_json(fields))


def to_json(fields: dict[str, Any]) -> str:
    """Return the text that `print_json` prints."""
    return json.dumps(_plain(fields), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def results_table(title: str) -> Table:
    """Make an empty two-column table for one result."""
    table = Table(title=shown(title), title_justify="left", show_header=False, title_style="bold")
    table.add_column(style="cyan")
    table.add_column(min_width=12)
    return table


class _Clock(ProgressColumn):
    """Seconds of audio done, of all, and how many per second."""

    def render(self, task: Task) -> Text:
        speed = f"  {task.speed:.0f}x real time" if task.speed else ""
        total = f" / {clock(task.total)}" if task.total else ""
        return Text(f"{clock(task.completed)}{total}{speed}")


def audio_progress() -> Progress:
    """Make a progress bar in seconds of audio on stderr. It shows on a terminal only."""
    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _Clock(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=5.0,
    )


def clock(seconds: float) -> str:
    """Format seconds as m:ss or h:mm:ss."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{whole % 60:02}"


def decibels(value: float) -> str:
    """Format a ratio in dB, also where it is infinite or undefined."""
    return "undefined (silent or constant)" if math.isnan(value) else f"{value:.2f} dB"
