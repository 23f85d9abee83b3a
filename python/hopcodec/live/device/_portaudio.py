"""PortAudio, and a sentence that helps where it or a device is missing.

Only the disposable processes of this folder import sounddevice: a library that hangs in one of its
calls, as JACK's does when its server dies, then takes nothing of the user's process with it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from hopcodec.errors import DeviceError

# What a host may run at; asked for one by one, as PortAudio has no list.
RATES_HZ: Final = (8000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)

_NO_SOUNDDEVICE: Final = "live audio needs the package sounddevice: pip install sounddevice"
_NO_PORTAUDIO: Final = {
    "linux": "apt install libportaudio2 (Debian, Ubuntu) or dnf install portaudio (Fedora)",
    "darwin": "brew install portaudio, or reinstall sounddevice, whose wheel brings it",
    "win32": "reinstall sounddevice, whose wheel brings it: pip install --force sounddevice",
}
_NO_DEVICE: Final = {
    "linux": (
        "is a sound server running, and may this user use it? For PulseAudio and PipeWire install "
        "libasound2-plugins; for JACK start jackd first"
    ),
    "darwin": "allow the terminal in System Settings > Privacy & Security > Microphone",
    "win32": "allow desktop apps in Settings > Privacy & security > Microphone",
}


def hint_no_device() -> str:
    """What to look at on this platform when no device is listed."""
    return _NO_DEVICE.get(sys.platform, "is a sound card connected?")


def import_sounddevice() -> Any:
    """The sounddevice module, PortAudio initialised.

    Raises
    ------
    DeviceError
        sounddevice or PortAudio is not installed; the message says how to get it.
    """
    # A client must not start a server the user did not ask for; one not running is then absent.
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        with silence():
            import sounddevice  # type: ignore[import-untyped]
    except ImportError:
        raise DeviceError(_NO_SOUNDDEVICE) from None
    except OSError as error:
        cure = _NO_PORTAUDIO.get(sys.platform, "install PortAudio")
        raise DeviceError(f"PortAudio cannot be loaded ({error}): {cure}") from None
    return sounddevice


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what ALSA and JACK print while they look for devices off the terminal."""
    sys.stderr.flush()
    saved = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
