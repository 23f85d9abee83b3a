"""JSON files and the lines printed above every table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

QUIET_PER_SECOND = 10
RESULTS = Path(__file__).resolve().parent / "results"


def progress(steps: Iterable[T], label: str) -> Iterable[T]:
    """A bar drawn between steps only: rich's own thread would run on the core being measured."""
    from rich.progress import track

    return track(steps, label, auto_refresh=False)


def write_json(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def print_environment(console: Console, env: dict[str, Any]) -> None:
    caches = ", ".join(f"{level} {size}" for level, size in env["caches"].items())
    console.print(
        f"{env['cpu']} ({env['architecture']}, {caches}), core {env['pinned_core']}, 1 thread; "
        f"hopcodec {env['hopcodec_isa']}, commit {env['commit']}"
    )
    versions = env["versions"]
    console.print(", ".join(f"{name} {version}" for name, version in versions.items()), style="dim")


def print_interruptions(console: Console, count: int, busy_s: float) -> None:
    """A caution when the core was not ours: an idle system interrupts a few times a second."""
    if count > QUIET_PER_SECOND * busy_s:
        console.print(
            f"the core was shared: interrupted {count} times in {busy_s:.0f} s of work; "
            "the tails say little, run it again on an idle machine",
            style="yellow",
        )


def ratio(peer: float, own: float) -> str:
    return f"{peer / own:.2f}x"
