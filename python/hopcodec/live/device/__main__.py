"""`hopcodec.live.device FD SETTINGS`: the process that holds the sound card.

It opens PortAudio with the C callback of `_core`, which moves samples between PortAudio's buffers
and the shared memory of FD. Then it only watches: no Python runs per block. The process is
disposable. When a host dies inside a PortAudio call (JACK's close never returns once its server is
gone), the parent kills this process and starts another. Codec and counters live in the parent.

One JSON line on stdout says what was opened. State and errors go through the shared memory. The
process exits when its parent closes stdin or dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from typing import Any, Final

from hopcodec import _core
from hopcodec.errors import DeviceError
from hopcodec.live._device_settings import DeviceSettings
from hopcodec.live.device._portaudio import import_sounddevice, silence
from hopcodec.live.device._privileges import lock_memory, raise_priority
from hopcodec.live.device._streams import Opened, open_streams

_BEAT_S: Final = 0.02
_CLOSE_S: Final = 0.5  # longer than any host takes to close


def _leave_with_parent() -> None:
    """Wait until the parent closes our stdin, then exit, even if another thread hangs."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    # The watching loop gets a moment to close the streams in order.
    time.sleep(2 * _CLOSE_S)
    os._exit(0)


def _close(sounddevice: Any, streams: list[Any]) -> None:
    """Close the streams where the host allows it. JACK without its server would hang."""
    deadline = threading.Timer(_CLOSE_S, os._exit, (0,))
    deadline.daemon = True
    deadline.start()
    for stream in streams:
        with contextlib.suppress(Exception):
            stream.abort()
            stream.close()
    # JACK's client lives until then. If it died instead, the others of its graph would be late.
    with contextlib.suppress(Exception):
        sounddevice._terminate()


def _watch(port: _core.live.Port, opened: Opened, parent: int) -> None:
    """Start the streams when told, then report that they run until told to stop."""
    while not port.going:
        if port.stopping or os.getppid() != parent:
            return
        port.beat()
        time.sleep(0.002)
    for stream in opened.streams:
        stream.start()
    port.run()
    while not port.stopping and os.getppid() == parent:
        port.beat()
        if not all(stream.active for stream in opened.streams):
            port.fail("the audio device stopped: unplugged, or its server has gone")
            return
        time.sleep(_BEAT_S)


def main(arguments: list[str]) -> int:
    """Open the device, report it, and watch it.

    Returns 0 after an orderly end, 1 if the device could not be opened or died. `port.error` says
    why.
    """
    parent = os.getppid()
    port = _core.live.Port.attach(int(arguments[0]))
    settings = DeviceSettings(**json.loads(arguments[1]))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        priority = raise_priority()  # first, because later threads inherit it
        sounddevice = import_sounddevice()
        with silence():
            opened = open_streams(
                sounddevice, settings, _core.live.callback_address(), port.address
            )
        memory = lock_memory()  # last, when everything that will be used is mapped
        print(json.dumps({**opened.report, "priority": priority, "memory": memory}), flush=True)
        port.open(**opened.link)
        _watch(port, opened, parent)
    except (DeviceError, ValueError) as error:
        port.fail(str(error)[:500])
    except Exception as error:  # PortAudioError, whose class is known only with the library
        port.fail(f"{type(error).__name__}: {error}"[:500])
    else:
        failed = port.state == "failed"
        _close(sounddevice, opened.streams)
        if not failed:
            port.closed()
        return int(failed)
    return 1


if __name__ == "__main__":
    # Skip the clean-up of the interpreter and of PortAudio, since either may hang.
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
