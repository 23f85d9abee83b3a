"""Record a live session: the microphone's and the speaker's signal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hopcodec import _core
from hopcodec.errors import DeviceError

if TYPE_CHECKING:
    import soundfile  # type: ignore[import-untyped]

_FRAMES = 1 << 15  # samples taken at a time


class Recorder:
    """Write a port's monitor rings to `heard.wav` and `captured.wav` in a folder.

    The files are 32-bit float and hold the exact samples. After a device came back at another rate,
    the recording continues in `heard-2.wav` and so on. One thread at a time may call it.

    Raises
    ------
    DeviceError
        The folder or a file cannot be written, or the folder holds a recording already.
    """

    def __init__(self, port: _core.live.Port, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeviceError(f"{folder}: cannot record there: {error.strerror}") from None
        for name in ("heard", "captured"):
            if found := sorted(folder.glob(f"{name}*.wav")):
                raise DeviceError(f"{found[0]}: exists already; record in another folder")
        self._port, self._folder = port, folder
        self._files: dict[str, soundfile.SoundFile] = {}
        self._parts: dict[str, int] = {}
        self._rates = {"captured": 0, "heard": 0}
        self.paths: list[Path] = []
        self.failure = ""  # the reason why recording ended early

    def poll(self) -> None:
        """Write the samples since the last call.

        A full disk ends the recording (`failure` gives the reason), never the session.
        """
        if self._port.state in ("open", "running"):
            link = self._port.link()
            self._rates = {"captured": link["input_rate"], "heard": link["output_rate"]}
        for name, drain in (("captured", self._port.captured), ("heard", self._port.heard)):
            while (audio := drain(_FRAMES)).shape[1]:
                self._write(name, audio)

    def _write(self, name: str, audio: npt.NDArray[np.float32]) -> None:
        if self.failure:
            return  # the ring must be emptied all the same
        try:
            file = self._file(name, audio.shape[0])
            before = file.frames
            file.write(audio.T)
            if file.frames - before != audio.shape[1]:
                raise OSError("the disk is full")
        except (RuntimeError, OSError, AssertionError, DeviceError) as error:
            self.failure = f"the recording ended early: {error}"

    def _file(self, name: str, channels: int) -> soundfile.SoundFile:
        import soundfile

        rate_hz = self._rates[name]
        if name in self._files and self._files[name].samplerate == rate_hz:
            return self._files[name]
        if name in self._files:
            self._files.pop(name).close()
        part = self._parts[name] = self._parts.get(name, 0) + 1
        path = self._folder / (f"{name}.wav" if part == 1 else f"{name}-{part}.wav")
        try:
            file = soundfile.SoundFile(path, "w", rate_hz, channels, "FLOAT", format="WAV")
        except soundfile.LibsndfileError as error:
            raise DeviceError(f"{path}: cannot be written: {error.error_string}") from None
        self.paths.append(path)
        self._files[name] = file
        return file

    def close(self) -> None:
        """Write the remaining samples and finish the files."""
        self.poll()
        for file in self._files.values():
            try:
                file.close()
            except (RuntimeError, OSError) as error:  # LibsndfileError is a RuntimeError
                self.failure = self.failure or f"the recording ended early: {error}"
        self._files.clear()
