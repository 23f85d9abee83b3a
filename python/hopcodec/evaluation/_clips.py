"""The speech to judge on: audio files in folders, and what is said in them.

`a.wav` with a file `a.txt` beside it (UTF-8) is a clip with a transcript.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hopcodec.audio import audio_files
from hopcodec.evaluation._signals import Signal

_MOST_TRANSCRIPT_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Clip:
    """An audio file. `folder` is where it lies, relative to the folder that was asked for."""

    path: Path
    folder: str

    def read(self, rate_hz: int) -> Signal:
        """The audio as one channel; raises `AudioFileError`."""
        from hopcodec.audio import read_audio

        audio, _ = read_audio(self.path, rate_hz, 1)
        return Signal(audio[0], rate_hz)

    def transcript(self) -> str | None:
        """The text beside the file, or None if there is none."""
        path = self.path.with_suffix(".txt")
        if not path.is_file():
            return None
        if path.stat().st_size > _MOST_TRANSCRIPT_BYTES:
            raise ValueError(f"{path.name}: expected a transcript, got {path.stat().st_size} bytes")
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{path.name}: expected a transcript in UTF-8") from None


def find_clips(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], limit: int | None = None
) -> list[Clip]:
    """Clips of a folder and those below it, or of the files given, in order of names.

    `limit` keeps so many of each folder, evenly spread over it, so that a short run hears the
    same variety.

    Raises
    ------
    ValueError
        No clip, or a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected 1 or more clips per folder, got {limit}")
    if isinstance(files, (str, os.PathLike)) and Path(files).is_dir():
        root = Path(files)
        clips = [Clip(p, _folder(p.parent.relative_to(root), root)) for p in audio_files(root)]
    else:
        given = [files] if isinstance(files, (str, os.PathLike)) else files
        clips = [Clip(Path(p), Path(p).resolve().parent.name) for p in given]
    if not clips:
        raise ValueError(
            f"{files}: no audio files in this folder"
            if isinstance(files, (str, os.PathLike))
            else "files: expected at least one, got none"
        )
    folders: dict[str, list[Clip]] = {}
    for clip in clips:
        folders.setdefault(clip.folder, []).append(clip)
    return [clip for group in folders.values() for clip in _spread(group, limit)]


def _folder(below: Path, root: Path) -> str:
    return root.resolve().name if below == Path() else below.as_posix()


def _spread(clips: list[Clip], limit: int | None) -> list[Clip]:
    if limit is None or len(clips) <= limit:
        return clips
    return [clips[i * len(clips) // limit] for i in range(limit)]
