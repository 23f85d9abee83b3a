"""A source of audio, decoded and resampled once into one memory-mapped file of 16-bit samples.

Every later run maps the file and reads only the samples it draws. An index beside it holds the end
of each clip and the power of every block, so silence is recognised without reading samples.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hopcodec._atomic import replacing
from hopcodec.audio import audio_files, audio_info, iter_audio
from hopcodec.errors import AudioFileError, TrainingError

Samples = npt.NDArray[np.int16]

FULL_SCALE: Final = 32768.0
BLOCK_SAMPLES: Final = 1024  # in a block of the index
_VERSION: Final = 1  # of the cache's layout


@dataclass(frozen=True)
class Corpus:
    """One source, mono at one rate.

    `ends` are the clips' ends in `samples`. `energy` is the sum of the squares (full scale 1) of
    all samples before each block of `BLOCK_SAMPLES`.
    """

    source: str
    samples: Samples
    ends: npt.NDArray[np.int64]
    energy: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.samples)


def source_files(source: str) -> list[Path]:
    """List the audio files of a folder, a file, or a glob pattern of either, in order of names."""
    found: set[Path] = set()
    for match in map(Path, glob.glob(source, recursive=True)):
        found |= set(audio_files(match)) if match.is_dir() else {match}
    if not found:
        raise TrainingError(f"{source}: expected a folder, file or pattern with audio, found none")
    return sorted(found)


def default_cache() -> Path:
    """Return the folder `hopcodec/audio` in the user's cache folder (XDG)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "hopcodec" / "audio"


def open_corpus(
    source: str,
    sample_rate: int,
    cache: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Corpus:
    """Map a source's samples; make the cache files first if its files are new or changed.

    Parameters
    ----------
    source
        As `source_files` takes it.
    sample_rate
        In Hz. Channels are averaged, and files of another rate are resampled (soxr, VHQ).
    cache
        Folder for two files, named by a hash of rate, names, sizes and times of the audio files.
    report
        Called with the number of files done and of all files while they are read.

    Raises
    ------
    TrainingError
        The source holds no audio, or the cache cannot be written.
    AudioFileError
        Files cannot be read; the message names them.
    """
    files = source_files(source)
    stem = cache / _fingerprint(files, sample_rate)
    pcm, index = stem.with_suffix(".pcm16"), stem.with_suffix(".npz")
    if not index.exists():  # it is written last
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _build(files, sample_rate, pcm, index, report)
        except OSError as error:
            raise TrainingError(f"{cache}: cannot be written: {error}") from error
    with np.load(index) as table:
        ends, energy = table["ends"], table["energy"]
    # Copy on write because torch has no read-only tensors. Nothing writes to it.
    samples = np.memmap(pcm, np.int16, "c")
    if len(samples) != ends[-1]:
        raise TrainingError(f"{pcm}: expected {ends[-1]} samples, got {len(samples)}; delete it")
    return Corpus(source, samples, ends, energy)


def _fingerprint(files: list[Path], sample_rate: int) -> str:
    facts = [[str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns] for p in files]
    text = json.dumps([_VERSION, BLOCK_SAMPLES, sample_rate, facts])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _build(
    files: list[Path],
    sample_rate: int,
    pcm: Path,
    index: Path,
    report: Callable[[int, int], None],
) -> None:
    _check_readable(files)
    lengths = []
    with replacing(pcm) as partial, partial.open("wb") as target:
        for done, path in enumerate(files):
            report(done, len(files))
            written = 0
            for block in iter_audio(path, sample_rate, 1):
                rounded = np.rint(block[0] * np.float32(FULL_SCALE))
                target.write(rounded.clip(-32768, 32767).astype(np.int16).tobytes())
                written += block.shape[1]
            lengths.append(written)
        report(len(files), len(files))
    ends = np.cumsum(np.asarray(lengths, np.int64))
    energy = _energy(np.memmap(pcm, np.int16, "r"))
    with replacing(index) as partial, partial.open("wb") as target:
        np.savez(target, ends=ends, energy=energy)


def _check_readable(files: list[Path]) -> None:
    """Name all files that are no audio at once, before any is read."""
    wrong = []
    for path in files:
        try:
            audio_info(path)
        except AudioFileError as error:
            wrong.append(str(error))
    if wrong:
        rest = f" ... and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise AudioFileError(
            f"{len(wrong)} of {len(files)} files cannot be read: {'; '.join(wrong[:10])}{rest}"
        )


def _energy(samples: Samples) -> npt.NDArray[np.float64]:
    """Sum the squares before each block, and in all: one more than there are blocks."""
    blocks = -(-len(samples) // BLOCK_SAMPLES)
    power = np.zeros(blocks + 1)
    step = 4096 * BLOCK_SAMPLES
    for first in range(0, len(samples), step):
        part = samples[first : first + step].astype(np.float32) / np.float32(FULL_SCALE)
        squares = np.add.reduceat(part * part, np.arange(0, len(part), BLOCK_SAMPLES))
        begin = first // BLOCK_SAMPLES + 1
        power[begin : begin + len(squares)] = squares
    return np.cumsum(power)
