"""Checkpoints: everything a run needs to go on as if it had never stopped.

A checkpoint is a torch file of tensors and plain values. What it holds is checked before torch
reads it with `weights_only=True`: opening one runs no code and takes no more memory than the file.
"""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any, Final

import torch
from hopcodec._atomic import replacing
from hopcodec.errors import TrainingError, WeightsError
from hopcodec.weights.formats._torch import check_storage
from hopcodec.weights.formats._torch_archive import check_archive

VERSION: Final = 1
BEST: Final = "best.pt"
_KEEP: Final = 2
_STATE_DICTS: Final = 64  # of models, optimizers, averages
_NAME: Final = re.compile(r"step-(\d{8})\.pt")


def save(folder: Path, step: int, state: dict[str, Any], *, best: bool = False) -> Path:
    """Write the checkpoint of `step`; delete all but the last two and the best."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}.pt"
    try:
        with replacing(target) as partial:
            torch.save({"version": VERSION, "step": step, **state}, partial)
        if best:
            with replacing(folder / BEST) as partial:
                shutil.copyfile(target, partial)
    except OSError as error:
        raise TrainingError(f"{target}: cannot be written: {error}") from error
    for old in found(folder)[:-_KEEP]:
        old.unlink()
    return target


def found(folder: Path) -> list[Path]:
    """List the checkpoints in a folder, oldest first, without the best one."""
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
        data = path.read_bytes()
        check_archive(data, _STATE_DICTS)
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        _check_storages("", state)
    except WeightsError as error:
        raise TrainingError(f"{path}: malformed checkpoint: {error}") from error
    except Exception as error:  # a malformed file raises many kinds
        raise TrainingError(
            f"{path}: malformed checkpoint: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        got = state.get("version") if isinstance(state, dict) else type(state).__name__
        raise TrainingError(f"{path}: expected a checkpoint of version {VERSION}, got {got!r}")
    return state


def _check_storages(name: str, value: object) -> None:
    if isinstance(value, torch.Tensor):
        check_storage(name, value)
    elif isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _check_storages(f"{name}.{key}".removeprefix("."), item)


def rng_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the state of torch's random number generators."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_rng_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Restore torch's random number generators.

    A run that moved to another kind of device keeps that device's generator as it is.
    """
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
