"""What depends on the step alone: learning rate and codebooks in use. No state to save."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hopcodec.training._config import Config, Quantizer

_STREAM = 1  # apart from the stream of random numbers that draws audio


def rate_factor(config: Config, step: int) -> float:
    """Of the learning rate at `step`: a linear rise, then the chosen decay to `final`."""
    optimizer = config.optimizer
    rise = min(1.0, (step + 1) / max(1, optimizer.warmup_steps))
    progress = min(1.0, step / config.steps)
    if optimizer.decay == "cosine":
        fall = optimizer.final + (1 - optimizer.final) * 0.5 * (1 + math.cos(math.pi * progress))
    elif optimizer.decay == "exponential":
        fall = optimizer.final**progress
    else:
        fall = 1.0
    return rise * fall


def books_in_use(
    config: Quantizer, codebooks: int, items: int, seed: int, step: int
) -> npt.NDArray[np.int64]:
    """Codebooks of each item `(items,)`: all, or with probability `dropout` one of `books`."""
    rng = np.random.default_rng([seed, step, _STREAM])
    fewer = rng.choice(np.asarray(config.books, np.int64), items)
    return np.where(rng.random(items) < config.dropout, fewer, codebooks)
