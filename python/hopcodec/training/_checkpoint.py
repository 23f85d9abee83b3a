"""Everything a run needs to go on as if it had never stopped.

A checkpoint is a torch file of tensors and plain values, read with `weights_only=True`: opening
one runs no code. It appears whole or not at all.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from hopcodec.errors import TrainingError

VERSION: Final = 1
BEST: Final = "best.pt"
_KEEP: Final = 2
_NAME: Final = re.compile(r"step-(\d{8})\.pt")


def save(folder: Path, step: int, state: dict[str, Any], *, best: bool = False) -> Path:
    """Write the checkpoint of `step`, drop all but the last two and the best."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}.pt"
    partial = target.with_suffix(f".{os.getpid()}.partial")
    try:
        torch.save({"version": VERSION, "step": step, **state}, partial)
        partial.replace(target)
    except OSError as error:
        raise TrainingError(f"{target}: cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    if best:
        copy = folder / f"best.{os.getpid()}.partial"
        shutil.copyfile(target, copy)
        copy.replace(folder / BEST)
    for old in found(folder)[:-_KEEP]:
        old.unlink()
    return target


def found(folder: Path) -> list[Path]:
    """Checkpoints in a folder, oldest first; the best one, which has another name, aside."""
    return sorted(path for path in folder.glob("step-*.pt") if _NAME.fullmatch(path.name))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU.

    Raises
    ------
    TrainingError
        The file is absent, malformed, or of another version.
    """
    if not path.is_file():
        raise TrainingError(f"{path}: expected a checkpoint, there is no such file")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the library makes of a malformed file
        raise TrainingError(
            f"{path}: malformed checkpoint: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        got = state.get("version") if isinstance(state, dict) else type(state).__name__
        raise TrainingError(f"{path}: expected a checkpoint of version {VERSION}, got {got!r}")
    return state


def rng_state(device: torch.device) -> dict[str, torch.Tensor]:
    """State of torch's generators."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_rng_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put torch's generators back; a run that moved to another kind of device begins a new one."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
