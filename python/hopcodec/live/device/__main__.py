"""`python -m hopcodec.live.device FD SETTINGS`: the process that holds the sound card.

It opens PortAudio with the C callback of `_core`, which moves samples between PortAudio's buffers
and the shared memory of FD, and then only keeps watch: no Python runs per block. It is disposable.
A host that dies inside a PortAudio call (JACK's close never returns once its server is gone) is
left behind by killing this process and starting another; codec and counters live in the parent.

One JSON line on stdout says what was opened; state and errors go through the shared memory. The
process leaves when its parent closes stdin, that is also when the parent is killed.
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
from hopcodec.live._settings import DeviceSettings
from hopcodec.live.device._portaudio import import_sounddevice, silence
from hopcodec.live.device._privileges import lock_memory, raise_priority
from hopcodec.live.device._streams import Opened, open_streams

_BEAT_S: Final = 0.02
_CLOSE_S: Final = 0.5  # longer than any host takes that will close at all


def _leave_with_parent() -> None:
    """Block until the parent closes our stdin, then go, whatever the other thread is stuck in."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    # The watching loop gets a moment to close the streams in order.
    time.sleep(2 * _CLOSE_S)
    os._exit(0)


def _close(sounddevice: Any, streams: list[Any]) -> None:
    """Close in order where the host allows it; JACK without its server would hang for ever."""
    deadline = threading.Timer(_CLOSE_S, os._exit, (0,))
    deadline.daemon = True
    deadline.start()
    for stream in streams:
        with contextlib.suppress(Exception):
            stream.abort()
            stream.close()
    # JACK's client lives until then; one that dies instead makes the others of its graph late.
    with contextlib.suppress(Exception):
        sounddevice._terminate()


def _watch(port: _core.Port, opened: Opened, parent: int) -> None:
    """Start the streams when told, then report that they live until told to stop."""
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
    """Open, report, watch; 0 after an orderly end, 1 when the device could not be opened or died.

    Errors are in `port.error` as well.
    """
    parent = os.getppid()
    port = _core.Port.attach(int(arguments[0]))
    settings = DeviceSettings(**json.loads(arguments[1]))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        priority = raise_priority()  # first: threads started from here on inherit it
        sounddevice = import_sounddevice()
        with silence():
            opened = open_streams(sounddevice, settings, _core.callback_address(), port.address)
        memory = lock_memory()  # last: what is mapped by now is what will be used
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
    # Without the interpreter's and PortAudio's own clean-up, either of which may hang.
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
