"""A source of audio, decoded and resampled once into one memory-mapped file of 16-bit samples.

Every later run maps the file and reads only what it draws, however large the corpus. Beside the
samples lies an index: where each clip ends, and the power of every block, so that silence can be
told from speech without reading it.
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

from hopcodec.audio import audio_files, iter_audio
from hopcodec.errors import TrainingError

Samples = npt.NDArray[np.int16]

FULL_SCALE: Final = 32768.0
BLOCK_SAMPLES: Final = 1024  # of the track of powers
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
    """The audio files of a folder, a file, or a glob pattern of either, in order of names."""
    found: set[Path] = set()
    for match in map(Path, glob.glob(source, recursive=True)):
        found |= set(audio_files(match)) if match.is_dir() else {match}
    if not found:
        raise TrainingError(f"{source}: expected a folder, file or pattern with audio, found none")
    return sorted(found)


def default_cache() -> Path:
    """The user's cache folder (XDG), `hopcodec/audio` in it."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "hopcodec" / "audio"


def open_corpus(
    source: str,
    sample_rate: int,
    cache: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Corpus:
    """Map a source's samples, making the cache files first if its files are new or changed.

    Parameters
    ----------
    source
        As `source_files` takes it.
    sample_rate
        Hz; files of another rate are resampled (soxr, VHQ), channels are averaged first.
    cache
        Folder; two files, named by a hash of rate, names, sizes and times of the audio files.
    report
        Called with files done and in all while they are read.

    Raises
    ------
    TrainingError
        The source holds no audio, or the cache cannot be written.
    AudioFileError
        A file cannot be read; the message names it.
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
    # Copy on write, as torch has no read-only tensors; nothing ever writes.
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
    partial = pcm.with_name(f"{pcm.name}.{os.getpid()}.partial")
    lengths = []
    try:
        with partial.open("wb") as target:
            for done, path in enumerate(files):
                report(done, len(files))
                written = 0
                for block in iter_audio(path, sample_rate, 1):
                    rounded = np.rint(block[0] * np.float32(FULL_SCALE))
                    target.write(rounded.clip(-32768, 32767).astype(np.int16).tobytes())
                    written += block.shape[1]
                lengths.append(written)
        report(len(files), len(files))
        partial.replace(pcm)
    finally:
        partial.unlink(missing_ok=True)
    ends = np.cumsum(np.asarray(lengths, np.int64))
    energy = _energy(np.memmap(pcm, np.int16, "r"))
    temporary = index.with_name(f"{index.name}.{os.getpid()}.partial.npz")
    np.savez(temporary, ends=ends, energy=energy)
    temporary.replace(index)


def _energy(samples: Samples) -> npt.NDArray[np.float64]:
    """Sum of squares before each block, and in all: one more than there are blocks."""
    blocks = -(-len(samples) // BLOCK_SAMPLES)
    power = np.zeros(blocks + 1)
    step = 4096 * BLOCK_SAMPLES
    for first in range(0, len(samples), step):
        part = samples[first : first + step].astype(np.float32) / np.float32(FULL_SCALE)
        squares = np.add.reduceat(part * part, np.arange(0, len(part), BLOCK_SAMPLES))
        begin = first // BLOCK_SAMPLES + 1
        power[begin : begin + len(squares)] = squares
    return np.cumsum(power)
