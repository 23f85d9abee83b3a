"""A virtual sound card: a JACK client, run as `live_card.py FOLDER` until stdin says "stop".

Plays FOLDER/mic.npy round and round from its port `mic`, and records that and what arrives at its
port `speaker`, sample for sample on one clock, into FOLDER/recorded.npy, `(2, samples)`. Without
such a file it is a cable: what arrives at the speaker is what the microphone hears.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from ctypes.util import find_library
from pathlib import Path

import jack
import numpy as np

MINUTES = 3.0


class Range(ctypes.Structure):
    _fields_ = (("min", ctypes.c_uint32), ("max", ctypes.c_uint32))


def declare_latency(client: jack.Client, microphone: jack.Port, speaker: jack.Port) -> object:
    """Tell JACK, which asks again whenever its graph changes; jack-client has no call for it.

    The card is both ends of the chain: JACK breaks that circle with one period of delay. What is
    returned must live as long as the client.
    """
    library = ctypes.CDLL(find_library("jack"))
    pointers = [
        ctypes.c_void_p(int(jack._ffi.cast("uintptr_t", each._ptr)))
        for each in (client, microphone, speaker)
    ]

    @ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)
    def answer(mode: int, _: int | None) -> None:
        frames = client.blocksize if mode == 1 else 0
        port = pointers[2] if mode == 1 else pointers[1]
        library.jack_port_set_latency_range(port, mode, ctypes.byref(Range(frames, frames)))

    library.jack_set_latency_callback(pointers[0], answer, None)
    return answer


def main(folder: Path) -> None:
    cable = not (folder / "mic.npy").exists()
    mic = np.zeros(1) if cable else np.load(folder / "mic.npy").reshape(-1)
    client = jack.Client("virtualcard", no_start_server=True)
    microphone = client.outports.register("mic", is_terminal=True)
    speaker = client.inports.register("speaker", is_terminal=True)
    room = round(MINUTES * 60 * client.samplerate)
    looped = np.resize(mic, room).astype(np.float32)
    recorded = np.zeros((2, room), np.float32)
    done: list[int] = [0]
    xruns: list[int] = []

    @client.set_process_callback
    def process(frames: int) -> None:
        first, last = done[0], done[0] + frames
        if cable:
            microphone.get_array()[:] = speaker.get_array()
            return
        if last > room:
            microphone.get_array()[:] = 0.0
            return
        microphone.get_array()[:] = looped[first:last]
        recorded[0, first:last] = looped[first:last]
        recorded[1, first:last] = speaker.get_array()
        done[0] = last

    @client.set_xrun_callback
    def xrun(_: float) -> None:
        xruns.append(done[0])

    kept = declare_latency(client, microphone, speaker)
    gc.disable()  # a collection inside the callback would be an xrun of ours
    with client:
        print("ready", flush=True)
        sys.stdin.readline()
    np.save(folder / "recorded.npy", recorded[:, : done[0]])
    del kept
    print(json.dumps({"xruns": xruns}))


main(Path(sys.argv[1]))
