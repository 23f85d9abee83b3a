"""Read any audio file as float32 `(channels, samples)` at the codec's rate.

Channels are averaged before resampling, as in the original tool. Files are read in blocks and
resampled as a stream, so a long file takes no more memory. soxr's stream gives the same samples as
its one-shot call.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hopcodec.audio._layout import layout
from hopcodec.audio._overlay import Overlay
from hopcodec.audio._resample import Resampler
from hopcodec.errors import AudioFileError, IncompleteAudioWarning
from hopcodec.typing import Audio

if TYPE_CHECKING:
    import soundfile  # type: ignore[import-untyped]


# Suffixes of audio files when a folder is searched.
_SUFFIXES: Final = (
    *(".wav", ".wave", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".caf"),
    *(".flac", ".ogg", ".oga", ".opus", ".mp3"),
)
_BLOCK_SAMPLES: Final = 1 << 16  # of a file at once, or of the result if those are more
# libsndfile gives the largest number it can hold for an unknown length.
_UNKNOWN_SAMPLES: Final = 1 << 62


@dataclass(frozen=True)
class FileInfo:
    """Length and format of an audio file, before any conversion.

    `samples` is per channel at the file's own `sample_rate`. It is 0 if the file does not say.
    `incomplete` says in words what the file lacks or what of it is not read; "" if it is whole.
    """

    path: Path
    format: str
    subtype: str
    sample_rate: int
    channels: int
    samples: int
    incomplete: str = ""

    @property
    def seconds(self) -> float:
        """Length of the audio, 0.0 if the file does not say."""
        return self.samples / self.sample_rate


def audio_files(folder: str | os.PathLike[str]) -> list[Path]:
    """List audio files in a folder and those below it, by suffix, in order of names.

    Linked folders are searched as well, each folder once. The `._` files of macOS are no audio.
    A folder that cannot be searched is said in an `IncompleteAudioWarning`.
    """
    found: list[Path] = []
    seen: set[str] = set()

    def refused(error: OSError) -> None:
        text = f"{error.filename}: is not searched: {error.strerror}"
        warnings.warn(text, IncompleteAudioWarning, stacklevel=4)

    for at, folders, names in os.walk(folder, onerror=refused, followlinks=True):
        if os.path.realpath(at) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(at))
        # A folder is found under its own name, not under that of a link to it.
        folders.sort(key=lambda name: (os.path.islink(os.path.join(at, name)), name))
        paths = [Path(at, name) for name in names if not name.startswith("._")]
        found += [p for p in paths if p.suffix.lower() in _SUFFIXES and p.is_file()]
    return sorted(found)


def audio_info(path: str | os.PathLike[str]) -> FileInfo:
    """Read an audio file's header. Raises `AudioFileError` if it is missing or not audio."""
    with _open(path) as (_, info):
        return info


def iter_audio(path: str | os.PathLike[str], sample_rate: int, channels: int) -> Iterator[Audio]:
    """Yield a file's audio block by block, float32 C-contiguous `(channels, samples)`.

    Blocks differ in length and are never empty. Memory is bounded for files of any length. All
    channels are averaged for `channels=1`. A mono file is repeated for more channels.

    Parameters
    ----------
    path
        Any file libsndfile reads (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, ...).
    sample_rate
        Rate wanted, in Hz. soxr (VHQ) resamples a file of another rate.
    channels
        Channels wanted: 1, the file's own number, or any number if the file is mono.

    Raises
    ------
    AudioFileError
        The file is missing, not audio, empty, damaged, holds NaN or infinity (the message names
        the first one), or its channels do not map to those wanted.

    Warns
    -----
    IncompleteAudioWarning
        The file is cut off, or holds joined streams of which libsndfile reads the first. What can
        be read was given.
    """
    import soundfile

    with _open(path) as (file, info):
        if channels not in (1, info.channels) and info.channels != 1:
            raise AudioFileError(f"{path}: expected 1 or {channels} channels, got {info.channels}")
        read = produced = 0
        resampler = Resampler(info.sample_rate, sample_rate, min(channels, info.channels))
        at_once = max(1, min(_BLOCK_SAMPLES, _BLOCK_SAMPLES * info.sample_rate // sample_rate))
        while True:
            try:
                block = file.read(at_once, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise AudioFileError(
                    f"{path}: cannot be read on at sample {read}: {_reason(error)}"
                ) from None
            if len(block) == 0:
                break
            _check_finite(path, block, read)
            read += len(block)
            if channels == 1 and info.channels > 1:
                block = block.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
            out = resampler.push(block)
            if len(out):
                produced += len(out)
                yield _shaped(out, channels)
        if read == 0:
            raise AudioFileError(f"{path}: holds no samples")
        lacks = info.incomplete
        if not lacks and read < info.samples:
            lacks = f"is cut off: its header promises {info.samples} samples, {read} are there"
        if lacks:
            warnings.warn(f"{path}: {lacks}", IncompleteAudioWarning, stacklevel=2)
        out = resampler.flush()
        if len(out):
            produced += len(out)
            yield _shaped(out, channels)
        if produced == 0:
            raise AudioFileError(
                f"{path}: {read} samples at {info.sample_rate} Hz are less than one "
                f"at {sample_rate} Hz"
            )


def read_audio(
    path: str | os.PathLike[str], sample_rate: int, channels: int
) -> tuple[Audio, FileInfo]:
    """Read a whole audio file. Parameters and errors are those of `iter_audio`.

    Returns
    -------
    audio
        float32 C-contiguous `(channels, samples)` at `sample_rate`.
    info
        Length and format of the file itself.

    Examples
    --------
    >>> audio, info = read_audio("speech.flac", 24000, 1)  # doctest: +SKIP
    """
    info = audio_info(path)
    blocks = list(iter_audio(path, sample_rate, channels))
    return np.ascontiguousarray(np.concatenate(blocks, axis=1)), info


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[tuple[soundfile.SoundFile, FileInfo]]:
    """Open a file and describe it."""
    import soundfile

    from hopcodec.audio._sequential import Sequential

    if not os.path.exists(path):
        raise AudioFileError(f"{path}: no such file")
    if os.path.isdir(path):
        raise AudioFileError(f"{path}: expected an audio file, got a folder")
    if not os.path.isfile(path):
        raise AudioFileError(f"{path}: expected a regular file; pipes cannot be read")
    if os.path.getsize(path) == 0:
        raise AudioFileError(f"{path}: expected an audio file, got an empty one")
    try:
        found = layout(path)
        # As bytes: a name need not be UTF-8.
        file = Sequential(Overlay(path, found.replaced) if found.replaced else os.fsencode(path))
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read: {error.strerror}") from None
    except soundfile.LibsndfileError as error:
        raise AudioFileError(
            f"{path}: not a readable audio file: {_reason(error)}; expected WAV, FLAC, Ogg, MP3, "
            "AIFF or another kind that libsndfile reads: convert others, such as M4A, first"
        ) from None
    except TypeError:  # soundfile expects a rate and channels for suffixes of headerless files
        raise AudioFileError(f"{path}: headerless (raw) audio cannot be read") from None
    samples = file.frames if 0 < file.frames < _UNKNOWN_SAMPLES else 0
    with file:
        yield (
            file,
            FileInfo(
                path=Path(path),
                format=file.format,
                subtype=file.subtype,
                sample_rate=file.samplerate,
                channels=file.channels,
                samples=samples,
                incomplete=found.incomplete,
            ),
        )


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).rstrip(".")


def _shaped(block: Audio, channels: int) -> Audio:
    """Turn `(samples, 1 or channels)` into contiguous `(channels, samples)`."""
    return np.ascontiguousarray(np.broadcast_to(block.T, (channels, len(block))))


def _check_finite(path: str | os.PathLike[str], block: Audio, first: int) -> None:
    bad = ~np.isfinite(block)
    if bad.any():
        row, channel = (int(i) for i in np.argwhere(bad)[0])
        raise AudioFileError(
            f"{path}: expected finite samples, got {block[row, channel]} at sample {first + row} "
            f"of channel {channel}"
        )
