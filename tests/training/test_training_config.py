"""Training configurations: read strictly, written whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from hopcodec.errors import ConfigError
from hopcodec.training._config import Config, DataConfig, LossConfig
from hopcodec.training._config_file import (
    from_table,
    load_config,
    shipped_names,
    to_table,
    to_toml,
)

MINIMAL = 'steps = 10\n[data]\ntrain = ["audio"]\n'


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return str(path)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    config = Config(
        DataConfig(("a b", 'quo"te', "ümlaut"), weights=(1.0, 2.5, 3.0), gain_db=(-3.0, 0.0)),
        steps=7,
        losses=LossConfig(balance=True, mel=0.0),
    )
    assert load_config(written(tmp_path, to_toml(config))) == config
    assert from_table(to_table(config)) == config


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_configurations_are_valid(name: str) -> None:
    assert load_config(name).data.train


def test_there_are_shipped_configurations() -> None:
    assert {"speech", "tiny"} <= set(shipped_names())


def test_settings_can_be_changed(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    changes = ["data.batch=3", "run.device=cpu", 'data.train=["x", "y"]', "optimizer.lr=1"]
    config = load_config(path, changes)
    assert (config.data.batch, config.run.device, config.data.train) == (3, "cpu", ("x", "y"))
    assert config.optimizer.lr == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = 10\n", "data: expected a table, got none"),
        (MINIMAL + "bathc = 3\n", "data.bathc: unknown key; expected one of train,"),
        (MINIMAL + "[optimiser]\n", "optimiser: unknown key"),
        (MINIMAL + "batch = 3.0\n", "data.batch: expected a whole number, got 3.0"),
        (MINIMAL + "batch = true\n", "data.batch: expected a whole number, got True"),
        (MINIMAL + "batch = 0\n", "data.batch: expected 1 to 4096, got 0"),
        (MINIMAL + "gain_db = [1.0]\n", r"data.gain_db: expected 2 items, got \[1.0\]"),
        (MINIMAL + 'gain_db = [1.0, "x"]\n', r"data.gain_db\[1\]: expected a number, got 'x'"),
        (MINIMAL + "gain_db = [2, 1]\n", "data.gain_db: expected"),
        (MINIMAL + "weights = [1.0, 1.0]\n", "data.weights: expected 1 positive numbers"),
        (MINIMAL + '[run]\ndevice = "tpu"\n', "run.device: expected one of 'auto', 'cpu', 'cuda'"),
        (MINIMAL + "[losses]\nbalance = 1\n", "losses.balance: expected true or false, got 1"),
        (MINIMAL + "[losses]\nmel_bins = [3]\n", "losses.mel_bins: expected 6 numbers"),
        (
            MINIMAL + "[losses]\ncomplex_windows = [100]\n",
            "losses.complex_windows: expected powers",
        ),
        (MINIMAL + "[discriminator]\ngenerator_from_step = 3\n", "or later, got 3"),
        ('steps = "many"\n[data]\ntrain = ["x"]\n', "steps: expected a whole number, got 'many'"),
        ("steps = \n", "expected TOML"),
        ("data = 3\nsteps = 1\n", "data: expected a table, got 3"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, text))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.batch", "expected table.key=value"),
        ("data.batch=many", "data.batch: expected a whole number, got 'many'"),
        ("steps.more=1", "steps is not a table"),
    ],
)
def test_mistaken_changes_are_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, MINIMAL), [change])


def test_a_missing_file_names_those_that_ship() -> None:
    with pytest.raises(ConfigError, match=r"nowhere: expected a TOML file, or one of .*speech"):
        load_config("nowhere")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_every_number_is_finite(value: str) -> None:
    def numbers(table: Any, prefix: str = "") -> Iterator[str]:
        for item in fields(table):
            inner = getattr(table, item.name)
            if is_dataclass(inner):
                yield from numbers(inner, f"{prefix}{item.name}.")
            elif isinstance(inner, float):
                yield prefix + item.name

    name = shipped_names()[0]
    keys = list(numbers(load_config(name)))
    assert len(keys) > 20
    for key in keys:
        with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
            load_config(name, [f"{key}={value}"])
