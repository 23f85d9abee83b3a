"""A whole training run: steps, figures, checkpoints, validation and the exported weights."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Final

import torch
from hopcodec.errors import ConfigError, TrainingError, WeightsError
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._names import SPECS
from hopcodec.torch.nn import TrainableCodec
from hopcodec.training import _checkpoint as checkpoint
from hopcodec.training._batches import Batches
from hopcodec.training._captured import Figures
from hopcodec.training._config import Config
from hopcodec.training._config_file import to_table, to_toml
from hopcodec.training._corpus import Corpus, default_cache, open_corpus
from hopcodec.training._curves import Curves, draw_curves
from hopcodec.training._progress import Display
from hopcodec.training._stopping import StopRequest, stop_requests
from hopcodec.training._trainer import Trainer
from hopcodec.training._validate import check_bandwidths, validate, validation_files
from hopcodec.weights import Dtype
from hopcodec.weights._raw import Tensors
from hopcodec.weights._resolve import resolve

_DTYPES: Final[dict[str, Dtype]] = {"fp32": "float32", "fp16": "float16"}


class Run:
    """A training run and its folder.

    The folder holds `config.toml`, `curves.csv` and `.png`, `checkpoints/`, `model.safetensors`
    (the averaged weights, readable by `hopcodec.load`), and `validation/` if there is audio for it.

    Parameters
    ----------
    config
        The run.
    out
        Its folder, which is created if it does not exist.
    display
        Reports progress.
    resume
        Go on from the folder's last checkpoint. Without it the folder must not hold one.

    Raises
    ------
    ConfigError, TrainingError, AudioFileError
        The run cannot start. Nothing was trained.
    """

    def __init__(self, config: Config, out: Path, display: Display, *, resume: bool) -> None:
        self.config = config
        self.out = out
        self.display = display
        self._checkpoints = out / "checkpoints"
        device = find_device(config.run.device)
        if config.run.graphs and device.type != "cuda":
            raise TrainingError(f"run.graphs: expected a CUDA device, got {device.type!r}")
        spec = find_spec(config)
        check_bandwidths(config.validation, spec.bandwidths)
        self._held_out = validation_files(config.validation)
        present = checkpoint.found(self._checkpoints)
        if present and not resume:
            raise TrainingError(f"{out}: holds a run already; --resume goes on with it")
        if resume and not present:
            raise TrainingError(f"{out}: expected checkpoints to resume from, found none")
        state = checkpoint.load(present[-1]) if resume else None
        if config.run.threads:
            torch.set_num_threads(config.run.threads)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32
            torch.backends.cudnn.benchmark = True
        torch.manual_seed(config.seed)
        model = TrainableCodec(spec)
        if config.model.start and state is None:
            model.take(_start(config.model.start, spec))
        model.to(device)
        self.trainer = Trainer(config, model, self._batches(spec, device), device)
        if state is not None:
            self._restore(state)
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.toml").write_text(to_toml(config), encoding="utf-8")
        self._curves = Curves(out / "curves.csv", self.trainer.steps_done)
        self._validation = Curves(out / "validation.csv", self.trainer.steps_done)
        self._saved = self.trainer.steps_done if state is not None else -1

    def _batches(self, spec: CodecSpec, device: torch.device) -> Batches:
        data = self.config.data
        cache = Path(data.cache) if data.cache else default_cache()
        corpora: list[Corpus] = []
        for source in data.train:
            with self.display.files(source) as report:
                corpora.append(open_corpus(source, spec.sample_rate, cache, report))
        hours = [len(corpus) / spec.sample_rate / 3600 for corpus in corpora]
        for corpus, amount in zip(corpora, hours, strict=True):
            self.display.line(f"{corpus.source}: {amount:.2f} h, {len(corpus.ends)} files")
        samples = data.segment_hops * spec.hop_samples
        return Batches(corpora, data, samples, spec.sample_rate, self.config.seed, device)

    def _restore(self, state: dict[str, Any]) -> None:
        before, now = _flat(state["config"]), _flat(to_table(self.config))
        if before.get("model.name") != now["model.name"]:
            raise TrainingError(
                f"model.name: the checkpoint holds {before.get('model.name')!r}, "
                f"the configuration says {now['model.name']!r}"
            )
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                self.display.line(f"changed: {key} was {before.get(key)!r}, is {now.get(key)!r}")
        try:
            self.trainer.load_state_dict(state["step"], state)
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(f"the checkpoint does not fit this run: {error}") from error
        self.display.line(f"resumed after step {state['step']}")

    def train(self) -> Path:
        """Train up to the last step; return the exported weights file.

        Ctrl-C and SIGTERM let the step end, save a checkpoint, and then raise as usual.
        """
        total, done = self.config.steps, self.trainer.steps_done
        if done >= total:
            self.display.line(
                f"nothing to train: {done} steps are done already, of {total}; "
                "the weights are exported as they are"
            )
        with stop_requests() as stop, self.display.steps(done, total):
            self._loop(total, stop)
        self.save()
        if stop.signal is not None:
            self.display.line(f"stopped after step {self.trainer.steps_done}; --resume goes on")
        stop.raise_if_asked()
        return self.export()

    def _loop(self, total: int, stop: StopRequest) -> None:
        settings = self.config.run
        means = _Means()
        began = saved = time.monotonic()
        while self.trainer.steps_done < total and stop.signal is None:
            means.add(self.trainer.step())
            done = self.trainer.steps_done
            self.display.step(done)
            if done % settings.log_every == 0 or done == total:
                means.add(self.trainer.codebook_figures(), steps=0)
                row = means.take()  # waits for the device, so read the clock after it
                self._log(row | {"seconds_per_step": (time.monotonic() - began) / means.steps})
                means, began = _Means(), time.monotonic()
            if done % self.config.validation.every == 0 or done == total:
                self._validate()
            if time.monotonic() - saved > 60 * settings.checkpoint_minutes:
                self.save()
                saved = time.monotonic()

    def _log(self, figures: dict[str, float]) -> None:
        row = {"step": float(self.trainer.steps_done), **figures}
        for name, value in row.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"step {self.trainer.steps_done}: expected finite figures, got {name} = {value}"
                    "; resume from the last checkpoint with a lower optimizer.lr"
                )
        self._curves.add(row)
        self.display.figures(row)

    def _validate(self) -> None:
        """Write figures, audio and pictures of the averaged model; keep the best checkpoint."""
        draw_curves(self._curves.path, self.out / "curves.png")
        step = self.trainer.steps_done
        if not self._held_out or not self.trainer.has_codebooks:
            return
        pictures = self.out / "validation" / f"step-{step:08d}"
        findings = validate(self.export(), self.config.validation, self._held_out, pictures)
        for note in findings.notes:
            self.display.line(f"validation: {note}")
        best = min((row["distance"] for row in self._validation.rows), default=math.inf)
        row = {"step": float(step), "distance": findings.distance, **findings.means}
        self._validation.add(row)
        draw_curves(self._validation.path, self.out / "validation.png")
        self.display.validation(row)
        if findings.distance < best:
            self.save(best=True)

    def save(self, *, best: bool = False) -> None:
        """Write a checkpoint of this step, unless there is one."""
        step = self.trainer.steps_done
        if step != self._saved or best:
            state = {"config": to_table(self.config), **self.trainer.state_dict()}
            checkpoint.save(self._checkpoints, step, state, best=best)
            self._saved = step

    def export(self) -> Path:
        """Write the averaged weights as `model.safetensors`."""
        path = self.out / "model.safetensors"
        metadata = {"steps": str(self.trainer.steps_done)}
        self.trainer.average.model.export(
            path, dtype=_DTYPES[self.config.run.export_dtype], metadata=metadata
        )
        return path


class _Means:
    """Means of figures over the steps that have them."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: Figures = {}
        self._counts: dict[str, int] = {}

    def add(self, figures: Figures, *, steps: int = 1) -> None:
        self.steps += steps
        for name, figure in figures.items():
            self._sums[name] = self._sums[name] + figure if name in self._sums else figure
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        values = torch.stack([value.float() for value in self._sums.values()]).tolist()
        return {
            name: value / self._counts[name] for name, value in zip(self._sums, values, strict=True)
        }


def find_device(name: str) -> torch.device:
    """Return the torch device that a configuration names."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("run.device: expected a CUDA device that torch can use, found none")
    return torch.device(name)


def _start(source: str, spec: CodecSpec) -> Tensors:
    try:
        found, weights = resolve(source)
    except (WeightsError, OSError) as error:
        raise TrainingError(f"model.start: {error}") from error
    if found.tensors() != spec.tensors() or found.hop_samples != spec.hop_samples:
        raise TrainingError(
            f"model.start: expected a codec of the shape of {spec.name!r}, got {found.name!r}"
        )
    return weights


def find_spec(config: Config) -> CodecSpec:
    """Return the codec's spec; raise ConfigError if it cannot be trained as configured."""
    if config.model.name not in SPECS:
        names = ", ".join(SPECS)
        raise ConfigError(f"model.name: expected one of {names}, got {config.model.name!r}")
    spec = SPECS[config.model.name]()
    if spec.channels != 1 or spec.segments is not None:
        how = "whole segments" if spec.segments is not None else "hop by hop"
        raise ConfigError(
            f"model.name: expected a mono codec that runs hop by hop, got {spec.name}: "
            f"{spec.channels} channel(s), {how}"
        )
    most = spec.quantizer.codebooks
    if max(config.quantizer.books) > most:
        raise ConfigError(
            f"quantizer.books: expected 1 to {most}, the codebooks of {spec.name}, "
            f"got {config.quantizer.books}"
        )
    return spec


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
