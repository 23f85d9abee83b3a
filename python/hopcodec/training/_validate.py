"""Validation of the exported file, in the runtime, at every bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hopcodec.audio import read_audio
from hopcodec.codec import Codec, load
from hopcodec.errors import ConfigError
from hopcodec.evaluation import evaluate
from hopcodec.training._config import ValidationConfig
from hopcodec.training._corpus import source_files
from hopcodec.training._validation_figure import draw_spectrograms
from hopcodec.typing import Audio


@dataclass(frozen=True)
class Findings:
    """`means` maps "metric@kbps" to a mean over all files. `notes` says what is missing."""

    means: dict[str, float]
    notes: list[str]

    @property
    def distance(self) -> float:
        """Mel distance over all bandwidths, dB: the best checkpoint has the lowest."""
        found = [value for name, value in self.means.items() if name.startswith("mel@")]
        return sum(found) / len(found)


def validation_files(config: ValidationConfig) -> list[Path]:
    """List at most `files` of each folder, spread evenly; TrainingError if it has none."""
    chosen = []
    for folder in config.folders:
        found = source_files(folder)
        count = min(config.files, len(found))
        chosen += [found[k * len(found) // count] for k in range(count)]
    return chosen


def check_bandwidths(config: ValidationConfig, offered: Sequence[float]) -> tuple[float, ...]:
    """Return the bandwidths to validate at; ConfigError for one that the codec lacks."""
    for kbps in config.bandwidths:
        if kbps not in offered:
            names = ", ".join(f"{value:g}" for value in offered)
            raise ConfigError(f"validation.bandwidths: expected some of {names}, got {kbps:g}")
    return config.bandwidths or tuple(offered)


def validate(weights: Path, config: ValidationConfig, files: Sequence[Path], out: Path) -> Findings:
    """Code `files` with the model in `weights` and judge them.

    Parameters
    ----------
    weights
        An exported file.
    config
        Bandwidths, and the number of files whose audio and pictures are written.
    files
        Audio files.
    out
        Folder for audio and pictures.

    Returns
    -------
    Findings
        Its notes name the metrics whose packages are not installed.
    """
    codec = load(weights, full_hop=True)  # as long as the original
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
    """Write the original and its decoded versions as FLAC and in one picture."""
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
