"""Import PortAudio, and give advice where it or a device is missing.

Only the disposable processes of this folder import sounddevice. A library that hangs in one of its
calls, as JACK's does when its server dies, then does not harm the user's process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from hopcodec.errors import DeviceError

# Rates that a host may run at. PortAudio has no list, so each is asked for.
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


JACK: Final = "JACK Audio Connection Kit"


def default_device(sounddevice: Any, kind: str) -> int | None:
    """Return the number of the default input or output; None for PortAudio's own choice.

    JACK's, where its server runs: PortAudio chooses ALSA first, whose plugin for JACK is irregular.
    """
    for host in sounddevice.query_hostapis():
        found = {each: host[f"default_{each}_device"] for each in ("input", "output")}
        if host["name"] == JACK and min(found.values()) >= 0:
            return int(found[kind])
    return None


def hint_no_device() -> str:
    """Return advice for this platform where no device is listed."""
    return _NO_DEVICE.get(sys.platform, "is a sound card connected?")


def import_sounddevice() -> Any:
    """Import the sounddevice module and initialise PortAudio.

    Raises
    ------
    DeviceError
        sounddevice or PortAudio is not installed. The message says how to get it.
    """
    # A client must not start a server that the user did not ask for.
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
    """Hide the messages that ALSA and JACK print while they look for devices."""
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
