"""Validation by what ships: the exported file, in the runtime, at every bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import hopcodec
from hopcodec.audio import read_audio
from hopcodec.codec._codec import Codec
from hopcodec.errors import ConfigError
from hopcodec.evaluation import evaluate
from hopcodec.training._config import Validation
from hopcodec.training._corpus import source_files
from hopcodec.training._validation_figure import draw_spectrograms

Audio = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Findings:
    """`means` maps "metric@kbps" to a mean over all files; `notes` is what could not be had."""

    means: dict[str, float]
    notes: list[str]

    @property
    def distance(self) -> float:
        """Mel distance over all bandwidths, dB: the best checkpoint has the lowest."""
        found = [value for name, value in self.means.items() if name.startswith("mel@")]
        return sum(found) / len(found)


def validation_files(config: Validation) -> list[Path]:
    """At most `files` of each folder, spread evenly over it; TrainingError for one without any."""
    chosen = []
    for folder in config.folders:
        found = source_files(folder)
        count = min(config.files, len(found))
        chosen += [found[k * len(found) // count] for k in range(count)]
    return chosen


def check_bandwidths(config: Validation, offered: Sequence[float]) -> tuple[float, ...]:
    """The bandwidths to validate at; ConfigError for one that the codec does not offer."""
    for kbps in config.bandwidths:
        if kbps not in offered:
            names = ", ".join(f"{value:g}" for value in offered)
            raise ConfigError(f"validation.bandwidths: expected some of {names}, got {kbps:g}")
    return config.bandwidths or tuple(offered)


def validate(weights: Path, config: Validation, files: Sequence[Path], out: Path) -> Findings:
    """Code `files` with the model in `weights` and judge them; write audio and pictures to `out`.

    Metrics whose packages are not installed are named in the notes.
    """
    codec = hopcodec.load(weights, full_hop=True)  # as the commands: as long as it went in
    bandwidths = check_bandwidths(config, codec.bandwidths)
    report = evaluate(codec, files, bandwidths=bandwidths)
    means = {}
    for info, summary in zip(report.systems, report.summaries(), strict=True):
        for metric, estimate in summary.scores.items():
            means[f"{metric}@{info.nominal_kbps:g}"] = estimate.mean
    notes = [f"{name}: {reason}" for name, reason in report.unavailable.items()]
    notes += [f"{f.file} {f.system or ''} {f.metric or ''}: {f.error}" for f in report.failures]
    for k in range(min(config.pictures, len(files))):
        _show(codec, files[k * len(files) // config.pictures], bandwidths, out)
    return Findings(means, notes)


def _show(codec: Codec, path: Path, bandwidths: Sequence[float], out: Path) -> None:
    """The original and what each bandwidth makes of it, as FLAC and in one picture."""
    import soundfile  # type: ignore[import-untyped]

    out.mkdir(parents=True, exist_ok=True)
    audio, _ = read_audio(path, codec.sample_rate, codec.channels)
    versions: dict[str, Audio] = {"original": audio}
    for kbps in sorted(bandwidths, reverse=True):
        codes = codec.encode(audio, bandwidth=kbps)
        versions[f"{kbps:g} kbps"] = codec.decode(codes, samples=audio.shape[1])
    stem = f"{path.parent.name}_{path.stem}"
    for name, version in versions.items():
        target = out / f"{stem}_{name.replace(' ', '')}.flac"
        soundfile.write(target, version.T.clip(-1, 1), codec.sample_rate, "PCM_16")
    draw_spectrograms(out / f"{stem}.png", versions, codec.sample_rate, path.name)
