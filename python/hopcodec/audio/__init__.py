"""Audio files in and out, and how to compare them.

`soundfile` and `soxr` are imported when a file is first touched, not before.
"""

from __future__ import annotations

from hopcodec.audio.errors import AudioFileError
from hopcodec.audio.metrics import SiSnrMeter, si_snr
from hopcodec.audio.reading import FileInfo, audio_files, audio_info, iter_audio, read_audio
from hopcodec.audio.writing import WavWriter, write_wav

__all__ = [
    "AudioFileError",
    "FileInfo",
    "SiSnrMeter",
    "WavWriter",
    "audio_files",
    "audio_info",
    "iter_audio",
    "read_audio",
    "si_snr",
    "write_wav",
]
