"""The run that the tests of training share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from shared_models import FIXTURES
from small_training import repeatable, run

from hopcodec.training._config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    ModelConfig,
    OptimizerConfig,
    QuantizerConfig,
    RunConfig,
)
from hopcodec.training._run import Run


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with repeatable():
        yield


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """All phases within 12 steps, on the fixtures."""
    return Config(
        DataConfig(
            (str(FIXTURES),),
            cache=str(tmp_path_factory.mktemp("cache")),
            segment_hops=16,
            batch=2,
            mix_probability=0.3,
        ),
        steps=12,
        model=ModelConfig("small_24khz"),
        quantizer=QuantizerConfig(from_step=3, kmeans_batches=4, books=(1, 2)),
        discriminator=DiscriminatorConfig(
            from_step=5,
            generator_from_step=7,
            every=2,
            stft_windows=(128,),
            stft_channels=4,
            periods=(3,),
            period_channels=4,
        ),
        optimizer=OptimizerConfig(lr=1e-3, warmup_steps=2, ema=0.9),
        run=RunConfig(device="cpu", log_every=3, checkpoint_minutes=1000.0),
    )


@pytest.fixture(scope="session")
def whole(config: Config, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A whole run at a constant rate, and its folder. Tests only read them."""
    folder = tmp_path_factory.mktemp("whole")
    config = replace(config, optimizer=replace(config.optimizer, decay="constant"))
    with repeatable():
        made, _ = run(config, folder)
    return made, folder
