"""Write audio files, with the original tool's headroom."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO, ClassVar, Final

import numpy as np

from hopcodec.errors import AudioFileError
from hopcodec.typing import Audio

LIMIT: Final = 0.99  # loudest sample written, as the original `encodec`
_BLOCK_SAMPLES: Final = 1 << 16
_SPOOL_BYTES: Final = 1 << 24


def write_audio(path: str | os.PathLike[str], audio: Audio, sample_rate: int) -> None:
    """Write float32 `(channels, samples)` to a file of the kind that its name says.

    `.wav` and `.flac` hold 16-bit samples, `.ogg` Vorbis and `.opus` Opus. Samples beyond +-0.99
    are clamped.

    Raises
    ------
    TypeError
        Audio that is not float32.
    ValueError
        Audio of another shape, or NaN and infinity in it.
    AudioFileError
        The name has another ending, the file cannot be written, or its kind does not have this
        sample rate or number of channels (Opus: 8, 12, 16, 24 or 48 kHz).

    Examples
    --------
    >>> write_audio("decoded.flac", audio, 24000)  # doctest: +SKIP
    """
    kind = _WRITERS.get(Path(path).suffix.lower())
    if kind is None:
        raise AudioFileError(f"{path}: expected a name ending in {', '.join(_WRITERS)}")
    _check_float32(audio)
    if audio.ndim != 2:
        raise ValueError(f"audio: expected (channels, samples), got {audio.shape}")
    with kind(path, sample_rate, audio.shape[0]) as writer:
        writer.write(audio)


def write_wav(
    path: str | os.PathLike[str], audio: Audio, sample_rate: int, *, rescale: bool = False
) -> None:
    """Write float32 `(channels, samples)` as a 16-bit WAV file.

    Samples beyond +-0.99 are clamped; with `rescale`, a signal louder than that is turned down
    as a whole instead. Raises as `WavWriter`.
    """
    with WavWriter(path, sample_rate, audio.shape[0], rescale=rescale) as writer:
        writer.write(audio)


class WavWriter:
    """A 16-bit WAV file written piece by piece, no sample beyond +-`limit`. A context manager.

    With `rescale`, the gain is known only at the end: samples wait in a spool (on disk beyond
    16 MB), so memory stays bounded either way.

    Raises
    ------
    TypeError
        Audio that is not float32.
    ValueError
        Audio of another shape, or NaN and infinity in it.
    AudioFileError
        The file cannot be written.
    """

    _format: ClassVar[tuple[str, str]] = ("WAV", "PCM_16")

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        channels: int,
        *,
        rescale: bool = False,
        limit: float = LIMIT,
    ) -> None:
        import soundfile  # type: ignore[import-untyped]

        self._path, self._channels, self._closed, self._limit = path, channels, False, limit
        self.samples = 0
        self.clipped = 0  # sample values that were clamped
        self.peak = 0.0
        self._spool: IO[bytes] | None = None
        try:
            open(path, "wb").close()  # libsndfile would not say why it cannot
            container, coding = self._format
            # As bytes: a name need not be UTF-8.
            self._file = soundfile.SoundFile(
                os.fsencode(path), "w", sample_rate, channels, coding, format=container
            )
        except OSError as error:
            raise AudioFileError(f"{path}: cannot be written: {error.strerror}") from None
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{path}: cannot be written: {error.error_string}") from None
        if rescale:
            self._spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - see close()

    def write(self, audio: Audio) -> None:
        """Append float32 `(channels, samples)`."""
        _check_float32(audio)
        if audio.ndim != 2 or audio.shape[0] != self._channels:
            raise ValueError(f"audio: expected ({self._channels}, samples), got {audio.shape}")
        if audio.size == 0:
            return
        peak = float(np.abs(audio).max())
        if not np.isfinite(peak):
            channel, at = (int(i) for i in np.argwhere(~np.isfinite(audio))[0])
            raise ValueError(
                f"audio: expected finite samples, got {audio[channel, at]} at sample "
                f"{self.samples + at} of channel {channel}"
            )
        self.peak = max(self.peak, peak)
        self.samples += audio.shape[1]
        if self._spool is not None:
            self._spool.write(np.ascontiguousarray(audio.T).tobytes())
        else:
            self._put(audio.T)

    def close(self) -> None:
        """Finish the file. Without it (or after an error) the file is not complete."""
        if self._closed:
            return
        if self._spool is not None:
            gain = np.float32(min(self._limit / self.peak, 1.0) if self.peak else 1.0)
            self._spool.seek(0)
            block_bytes = _BLOCK_SAMPLES * 4 * self._channels
            while data := self._spool.read(block_bytes):
                block = np.frombuffer(data, dtype=np.float32).reshape(-1, self._channels)
                self._put(block * gain)
        self._release()

    def _put(self, block: Audio) -> None:
        """Write `(samples, channels)`, clamped."""
        import soundfile

        self.clipped += int(np.count_nonzero(np.abs(block) > self._limit + 1e-6))
        try:
            self._file.write(np.clip(block, -self._limit, self._limit))
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{self._path}: cannot be written: {error.error_string}") from None

    def _release(self) -> None:
        self._closed = True
        self._file.close()
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            self._release()


def _check_float32(audio: object) -> None:
    if not isinstance(audio, np.ndarray) or audio.dtype != np.float32:
        got = audio.dtype if isinstance(audio, np.ndarray) else type(audio).__name__
        raise TypeError(f"audio: expected float32, got {got}")


class _FlacWriter(WavWriter):
    _format = ("FLAC", "PCM_16")


class _VorbisWriter(WavWriter):
    _format = ("OGG", "VORBIS")


class _OpusWriter(WavWriter):
    _format = ("OGG", "OPUS")


_WRITERS: Final[dict[str, type[WavWriter]]] = {
    ".wav": WavWriter,
    ".flac": _FlacWriter,
    ".ogg": _VorbisWriter,
    ".opus": _OpusWriter,
}
