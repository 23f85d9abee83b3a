"""Read, write and compare audio files.

`soundfile` and `soxr` are imported when a file is first opened.
"""

from __future__ import annotations

from hopcodec.audio._read import FileInfo, audio_files, audio_info, iter_audio, read_audio
from hopcodec.audio._shipped import shipped_speech
from hopcodec.audio._si_snr import SiSnrMeter, si_snr
from hopcodec.audio._write import WavWriter, write_audio, write_wav
from hopcodec.errors import AudioFileError

__all__ = [
    "AudioFileError",
    "FileInfo",
    "SiSnrMeter",
    "WavWriter",
    "audio_files",
    "audio_info",
    "iter_audio",
    "read_audio",
    "shipped_speech",
    "si_snr",
    "write_audio",
    "write_wav",
]
