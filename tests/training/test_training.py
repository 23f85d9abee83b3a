"""Training: a run learns, resumes bit for bit, and gives a file that the runtime reads."""

from __future__ import annotations

import signal
import zipfile
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console
from shared_models import FIXTURES, read_fixture
from small_training import run, small_spec

import hopcodec
import torch
from hopcodec.errors import ConfigError, TrainingError
from hopcodec.specs import _names as registry
from hopcodec.specs._dac import dac
from hopcodec.training import _checkpoint as checkpoint
from hopcodec.training._config import (
    Config,
    ModelConfig,
    QuantizerConfig,
    ValidationConfig,
)
from hopcodec.training._curves import read_curves
from hopcodec.training._progress import Display
from hopcodec.training._run import Run


def states(made: Run) -> dict[str, Any]:
    return made.trainer.state_dict()


def assert_same(a: Any, b: Any, where: str = "") -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop_at", "balance"),
    [
        (2, False),
        pytest.param(8, False, marks=pytest.mark.slow),
        pytest.param(4, True, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_is_the_same_bit_for_bit(
    config: Config, whole: tuple[Run, Path], tmp_path: Path, stop_at: int, balance: bool
) -> None:
    """Stopped in each phase: before the quantizer, before the discriminator, after."""
    config = replace(config, losses=replace(config.losses, balance=balance))
    config = replace(config, optimizer=replace(config.optimizer, decay="constant"))
    expected, folder = whole
    if balance:
        folder = tmp_path / "whole"
        expected, _ = run(config, folder)
    run(replace(config, steps=stop_at), tmp_path / "parts")
    parts, heard = run(config, tmp_path / "parts", resume=True)
    assert f"resumed after step {stop_at}" in heard
    assert f"changed: steps was {stop_at}, is 12" in heard
    assert_same(states(expected), states(parts))
    files = [made / "model.safetensors" for made in (folder, tmp_path / "parts")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_seeds_matter_and_runs_repeat(config: Config, tmp_path: Path) -> None:
    config = replace(config, steps=5)
    first, _ = run(config, tmp_path / "a")
    again, _ = run(config, tmp_path / "b")
    other, _ = run(replace(config, seed=2), tmp_path / "c")
    assert_same(states(first), states(again))
    with pytest.raises(AssertionError):
        assert_same(states(first), states(other))


@pytest.mark.slow
def test_a_run_learns_and_uses_its_codebooks(config: Config, tmp_path: Path) -> None:
    config = replace(
        config,
        steps=80,
        data=replace(config.data, batch=4),
        quantizer=QuantizerConfig(from_step=30, kmeans_batches=16, books=(1, 2)),
        discriminator=replace(config.discriminator, from_step=60, generator_from_step=65),
        run=replace(config.run, log_every=10),
    )
    made, heard = run(config, tmp_path / "run")
    rows = read_curves(tmp_path / "run" / "curves.csv")
    assert [row["step"] for row in rows] == list(range(10, 81, 10))
    assert rows[-1]["mel"] < 0.8 * rows[0]["mel"]
    assert "snr_1" not in rows[2]
    stages = [rows[-1][f"snr_{stage}"] for stage in range(1, 5)]
    assert stages == sorted(stages)
    assert stages[0] > 0
    assert all(rows[-1][f"perplexity_{stage}"] > 16 for stage in range(1, 5))
    assert "perplexity_1" not in rows[2]
    assert rows[-1]["discriminator"] < 2.01
    assert "feature" in rows[-1]
    assert "SNR by book" in heard
    codec = hopcodec.load(tmp_path / "run" / "model.safetensors")
    codes = codec.encode(read_fixture("fixture_en_f.flac"), bandwidth=1.8)
    # A collapsed codebook has one or two entries in use.
    used = [len(np.unique(book)) for book in codes]
    assert min(used) >= 16, used
    assert made.trainer.steps_done == 80


@pytest.mark.slow
def test_what_is_exported_is_what_was_trained(config: Config, tmp_path: Path) -> None:
    made, _ = run(replace(config, steps=6), tmp_path / "run")
    codec = hopcodec.load(tmp_path / "run" / "model.safetensors")
    assert codec.spec == small_spec()
    audio = read_fixture("fixture_en_f.flac")[:, : 50 * 320]
    encoder, decoder = codec.encoder(bandwidth=1.8), codec.decoder()
    codes = [
        encoder.push(np.ascontiguousarray(audio[:, i : i + 777])) for i in range(0, 16000, 777)
    ]
    streamed = [decoder.push(part) for part in (*codes, encoder.flush())]
    ours = np.concatenate([*streamed, decoder.flush()], axis=1)
    model = made.trainer.average.model
    with torch.no_grad():
        theirs, quantized = model(torch.from_numpy(audio)[None])
    agreeing = np.concatenate([*codes], axis=1)
    np.testing.assert_array_equal(agreeing, quantized.codes[0].numpy()[:, : agreeing.shape[1]])
    np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-4)


@pytest.mark.slow
def test_validation_hears_the_runtime(config: Config, tmp_path: Path) -> None:
    config = replace(
        config,
        steps=8,
        validation=ValidationConfig(
            (str(FIXTURES),), files=2, bandwidths=(1.8,), every=4, pictures=1
        ),
    )
    made, heard = run(config, tmp_path / "run")
    rows = read_curves(tmp_path / "run" / "validation.csv")
    assert [row["step"] for row in rows] == [4, 8]
    assert rows[0]["distance"] == rows[0]["mel@1.8"] > 0
    assert "validation after step 8: mel" in heard
    folder = tmp_path / "run" / "validation" / "step-00000008"
    names = sorted(path.name for path in folder.iterdir())
    assert [name.split("_")[-1] for name in names if name.endswith("flac")] == [
        "1.8kbps.flac",
        "original.flac",
    ]
    (picture,) = folder.glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    coded, rate = soundfile.read(next(folder.glob("*1.8kbps.flac")))
    original, _ = soundfile.read(next(folder.glob("*original.flac")))
    assert rate == 24000
    assert len(coded) == len(original)
    best = min(rows, key=lambda row: row["distance"])
    kept = checkpoint.load(tmp_path / "run" / "checkpoints" / checkpoint.BEST)
    assert kept["step"] == best["step"]
    assert made.trainer.steps_done == 8


@pytest.mark.slow
def test_a_run_without_discriminators(config: Config, tmp_path: Path) -> None:
    alone = replace(config.discriminator, stft_windows=(), periods=())
    run(replace(config, discriminator=alone, steps=3), tmp_path / "run")
    assert (tmp_path / "run/model.safetensors").exists()


@pytest.mark.slow
def test_a_dac_trains_too(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codebooks that learn by gradient, begun from the data in the middle of a run."""
    spec = dac(
        "small_dac",
        sample_rate=24000,
        encoder_dim=4,
        encoder_rates=(2, 4, 4),
        latent_dim=16,
        decoder_dim=32,
        decoder_rates=(4, 4, 2),
        n_codebooks=4,
        codebook_size=64,
        codebook_dim=4,
    )
    monkeypatch.setitem(registry.SPECS, "small_dac", lambda: spec)
    data = replace(config.data, segment_hops=160)
    optimizer = replace(config.optimizer, decay="constant")
    config = replace(config, model=ModelConfig("small_dac"), data=data, optimizer=optimizer)
    made, _ = run(config, tmp_path / "run")
    rows = read_curves(tmp_path / "run" / "curves.csv")
    assert all(rows[-1][f"perplexity_{stage}"] > 1 for stage in range(1, 5))
    run(replace(config, steps=8), tmp_path / "parts")
    parts, _ = run(config, tmp_path / "parts", resume=True)
    assert_same(states(made), states(parts))
    codec = hopcodec.load(tmp_path / "run" / "model.safetensors")
    codes = codec.encode(read_fixture("fixture_en_f.flac"))
    assert codes.shape[0] == 4
    average = made.trainer.average.model
    audio = torch.from_numpy(read_fixture("fixture_en_f.flac"))[None, :, : 32 * 100]
    with torch.no_grad():
        expected = average.quantizer(average.encoder(audio)).codes[0].numpy()
    own = codec.encode(np.ascontiguousarray(audio[0].numpy()))
    assert (own == expected).mean() > 0.99


@pytest.mark.slow
def test_a_dac_that_gives_less_than_it_takes_trains_too(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An odd stride, as at 16 and 24 kHz: the last samples of a batch have nothing to answer."""
    spec = dac(
        "odd_dac",
        sample_rate=24000,
        encoder_dim=4,
        encoder_rates=(2, 5, 4),
        latent_dim=16,
        decoder_dim=32,
        decoder_rates=(4, 5, 2),
        n_codebooks=4,
        codebook_size=64,
        codebook_dim=4,
    )
    monkeypatch.setitem(registry.SPECS, "odd_dac", lambda: spec)
    (tmp_path / "heard").mkdir()
    clip = read_fixture("fixture_en_f.flac")[0, : 40 * 300]  # whole hops: not one sample to spare
    soundfile.write(tmp_path / "heard" / "clip.wav", clip, 24000)
    validation = ValidationConfig(
        (str(tmp_path / "heard"),), files=1, bandwidths=(spec.bandwidths[1],), every=8, pictures=1
    )
    data = replace(config.data, segment_hops=160)
    made, heard = run(
        replace(config, model=ModelConfig("odd_dac"), data=data, steps=8, validation=validation),
        tmp_path / "run",
    )
    model, audio = made.trainer.model, made.trainer.batches.batch(0)
    assert model(audio)[0].shape[-1] < audio.shape[-1] == 160 * 40
    assert "validation after step 8: mel" in heard
    assert list((tmp_path / "run" / "validation" / "step-00000008").glob("*.png"))


@pytest.mark.slow
def test_checkpoints_keep_two(config: Config, tmp_path: Path) -> None:
    config = replace(config, steps=5, run=replace(config.run, checkpoint_minutes=0.0))
    run(config, tmp_path / "run")
    found = checkpoint.found(tmp_path / "run" / "checkpoints")
    assert [path.name for path in found] == ["step-00000004.pt", "step-00000005.pt"]
    assert not list((tmp_path / "run" / "checkpoints").glob("*.part"))


def test_refusals(config: Config, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="expected checkpoints to resume from, found none"):
        run(config, out, resume=True)
    run(replace(config, steps=1), out)
    with pytest.raises(TrainingError, match="holds a run already; --resume goes on with it"):
        run(config, out)
    with pytest.raises(TrainingError, match=r"model\.name: the checkpoint holds 'small_24khz'"):
        run(replace(config, model=ModelConfig("hopcodec_24khz")), out, resume=True)
    more = replace(config.discriminator, stft_channels=8)
    with pytest.raises(TrainingError, match="the checkpoint does not fit this run"):
        run(replace(config, discriminator=more), out, resume=True)
    (last,) = checkpoint.found(out / "checkpoints")
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="malformed checkpoint"):
        run(config, out, resume=True)
    # Torch would read the second record in place of the first, which is checked.
    torch.save({"version": checkpoint.VERSION}, last)
    with zipfile.ZipFile(last, "a") as archive:
        archive.writestr(f"{last.stem}/DATA.PKL", b"")
    with pytest.raises(TrainingError, match=r"expected what torch\.save writes into one folder"):
        run(config, out, resume=True)
    torch.save({"version": checkpoint.VERSION, "x": torch.zeros(1).expand(1 << 40)}, last)
    with pytest.raises(TrainingError, match=r"tensor x: shape .* its storage holds 4"):
        run(config, out, resume=True)
    with pytest.raises(ConfigError, match=r"model\.name: expected one of hopcodec_24khz"):
        run(replace(config, model=ModelConfig("mp3")), tmp_path / "new")
    segments = r"expected a mono codec that runs hop by hop, got encodec_48khz: 2 channel\(s\)"
    with pytest.raises(ConfigError, match=segments):
        run(replace(config, model=ModelConfig("encodec_48khz")), tmp_path / "new")
    many = replace(config.quantizer, books=(1, 5))
    with pytest.raises(ConfigError, match=r"quantizer\.books: expected 1 to 4"):
        run(replace(config, quantizer=many), tmp_path / "new")
    odd = ValidationConfig((str(FIXTURES),), bandwidths=(7.0,))
    with pytest.raises(ConfigError, match=r"expected some of 0\.9, 1\.8, got 7"):
        run(replace(config, validation=odd), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_nothing_left_to_train_is_said(config: Config, tmp_path: Path) -> None:
    """The weights are exported as they are, for however few steps were asked."""
    _, heard = run(replace(config, steps=3), tmp_path / "run")
    assert "nothing to train" not in heard
    exported = tmp_path / "run" / "model.safetensors"
    before = exported.read_bytes()
    for steps in (3, 2):
        exported.unlink()
        made, heard = run(replace(config, steps=steps), tmp_path / "run", resume=True)
        assert f"nothing to train: 3 steps are done already, of {steps}" in heard
        assert made.trainer.steps_done == 3
        assert exported.read_bytes() == before


def test_a_run_that_diverges_says_so(config: Config, tmp_path: Path) -> None:
    mad = replace(config.optimizer, lr=1e30, clip=1e30)
    with pytest.raises(TrainingError, match=r"expected finite figures, got .* = (nan|inf)"):
        run(replace(config, optimizer=mad), tmp_path / "run")
    assert not checkpoint.found(tmp_path / "run" / "checkpoints")


@pytest.mark.slow
def test_an_interrupt_saves_and_resumes(
    config: Config, whole: tuple[Run, Path], tmp_path: Path
) -> None:
    config = replace(config, optimizer=replace(config.optimizer, decay="constant"))
    made = Run(config, tmp_path / "parts", Display(Console(file=StringIO())), resume=False)
    step = made.trainer.step

    def interrupted() -> Any:
        if made.trainer.steps_done == 6:
            signal.raise_signal(signal.SIGINT)
        return step()

    made.trainer.step = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        made.train()
    assert [p.name for p in checkpoint.found(tmp_path / "parts/checkpoints")] == [
        "step-00000007.pt"
    ]
    parts, _ = run(config, tmp_path / "parts", resume=True)
    assert_same(states(whole[0]), states(parts))
