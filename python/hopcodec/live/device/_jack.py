"""What PortAudio does not tell of a JACK server: its period, and its devices' latencies.

Asked through a client of its own. These calls may print, and hang if the server does: they are for
a process that can be thrown away.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from typing import Any, Final

_NO_START_SERVER: Final = 1
_IS_INPUT, _IS_OUTPUT = 1, 2
_CAPTURE, _PLAYBACK = 0, 1
_AUDIO: Final = b"32 bit float mono audio"


class _Range(ctypes.Structure):
    _fields_ = [("min", ctypes.c_uint32), ("max", ctypes.c_uint32)]


@dataclass(frozen=True)
class JackTiming:
    """In frames: one period, from a microphone to its port, from a port to its speaker."""

    period: int
    capture: int
    playback: int


def query_timing(source: str, sink: str) -> JackTiming | None:
    """Of the server that is running, for the devices (clients) of these names; None without one."""
    with _client() as (jack, client):
        if client is None:
            return None
        return JackTiming(
            period=int(jack.jack_get_buffer_size(client)),
            capture=_latency(jack, client, source, _IS_OUTPUT, _CAPTURE),
            playback=_latency(jack, client, sink, _IS_INPUT, _PLAYBACK),
        )


@contextlib.contextmanager
def _client() -> Iterator[tuple[Any, ctypes.c_void_p | None]]:
    name = find_library("jack")
    if name is None:
        yield None, None
        return
    jack = ctypes.CDLL(name)
    for function in ("jack_client_open", "jack_port_by_name"):
        getattr(jack, function).restype = ctypes.c_void_p
    jack.jack_get_buffer_size.restype = ctypes.c_uint32
    jack.jack_get_ports.restype = ctypes.POINTER(ctypes.c_char_p)
    opened = jack.jack_client_open(b"hopcodec-asks", _NO_START_SERVER, None)
    client = ctypes.c_void_p(opened) if opened else None
    try:
        yield jack, client
    finally:
        if client is not None:
            jack.jack_client_close(client)


def _latency(jack: Any, client: ctypes.c_void_p, device: str, flags: int, mode: int) -> int:
    """The longest of a device's ports; 0 where it declares none."""
    pattern = f"^{re.escape(device)}:".encode()
    names = jack.jack_get_ports(client, pattern, _AUDIO, ctypes.c_ulong(flags))
    longest, at = 0, 0
    while names and names[at] is not None:
        port = ctypes.c_void_p(jack.jack_port_by_name(client, names[at]))
        declared = _Range()
        jack.jack_port_get_latency_range(port, mode, ctypes.byref(declared))
        longest = max(longest, int(declared.max))
        at += 1
    if names:
        jack.jack_free(names)
    return longest
