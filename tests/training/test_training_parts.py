"""The smaller parts of training: schedule, running mean, curves, signals, checkpoint files."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared_models import tiny_spec

import torch
from hopcodec.errors import TrainingError
from hopcodec.torch.nn import TrainableCodec
from hopcodec.training import _checkpoint as checkpoint
from hopcodec.training._average import AveragedCodec
from hopcodec.training._config import Config, Data, Optimizer, Quantizer
from hopcodec.training._curves import Curves, draw_curves
from hopcodec.training._schedule import books_in_use, rate_factor
from hopcodec.training._stopping import stop_requests


def test_rates_rise_and_fall() -> None:
    config = Config(Data(("x",)), 100, optimizer=Optimizer(warmup_steps=10, final=0.1))
    rates = [rate_factor(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, rel=1e-2)
    assert max(rates) > 0.95
    assert rates[100] == pytest.approx(0.1)
    settings = Optimizer(warmup_steps=10, final=0.1, decay="exponential")
    fallen = Config(Data(("x",)), 100, optimizer=settings)
    assert rate_factor(fallen, 50) == pytest.approx(0.1**0.5)


def test_books_in_use() -> None:
    drawn = [books_in_use(Quantizer(dropout=0.5, books=(2, 4)), 8, 64, 1, s) for s in range(50)]
    counts = np.bincount(np.concatenate(drawn), minlength=9) / 3200
    assert set(np.flatnonzero(counts)) == {2, 4, 8}
    assert counts[8] == pytest.approx(0.5, abs=0.04)
    assert counts[2] == pytest.approx(0.25, abs=0.04)
    all_books = books_in_use(Quantizer(dropout=0.0), 8, 16, 1, 0)
    assert (all_books == 8).all()


def test_curves_survive_interruptions(tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    curves = Curves(path, 0)
    for step in (1.0, 2.0, 3.0):
        curves.add({"step": step, "mel": 1 / step})
    resumed = Curves(path, 2)
    resumed.add({"step": 3.0, "mel": 0.5, "snr_1": 7.0})
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["step", "mel", "snr_1"]
    assert rows[1:] == [["1.0", "1.0", ""], ["2.0", "0.5", ""], ["3.0", "0.5", "7.0"]]
    draw_curves(path, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_signals_wait_for_the_step() -> None:
    with stop_requests() as stop:
        stop.raise_if_asked()
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        with pytest.raises(SystemExit) as info:
            stop.raise_if_asked()
        assert info.value.code == 128 + signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_average_lags_and_starts_fast() -> None:
    torch.manual_seed(0)
    model = TrainableCodec(tiny_spec())
    average = AveragedCodec(model, 0.99)
    bias = next(p for n, p in model.named_parameters() if n.endswith("bias"))
    mean = next(p for n, p in average.model.named_parameters() if n.endswith("bias"))
    with torch.no_grad():
        bias.fill_(1.0)
    average.follow(0)
    assert float(mean.detach().mean()) == pytest.approx(0.9, abs=0.01)
    for step in range(1, 400):
        average.follow(step)
    assert float(mean.detach().mean()) == pytest.approx(1.0, abs=1e-3)


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "evil"),))

    torch.save({"version": 1, "step": 1, "model": Evil()}, tmp_path / "step-00000001.pt")
    with pytest.raises(TrainingError, match="malformed checkpoint"):
        checkpoint.load(tmp_path / "step-00000001.pt")
    assert not (tmp_path / "evil").exists()
