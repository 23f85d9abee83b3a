"""A stand-in for the module sounddevice: it opens nothing and keeps what it was asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

JACK = "JACK Audio Connection Kit"


class PortAudioError(Exception):
    """As in sounddevice."""


class FakeSoundDevice:
    """Devices are `(name, host, inputs, outputs)`; the first of a kind is the default."""

    PortAudioError = PortAudioError

    def __init__(self, *devices: tuple[str, str, int, int], rate_hz: int = 24000) -> None:
        self._devices, self._rate_hz = devices, rate_hz
        self._hosts = list(dict.fromkeys(host for _, host, _, _ in devices))
        self._ffi = SimpleNamespace(cast=lambda kind, address: address)
        self.opened: list[dict[str, Any]] = []
        first = {kind: self._first(kind, None) for kind in ("input", "output")}
        self.default = SimpleNamespace(device=first)

    def _first(self, kind: str, host: str | None) -> int:
        at = 2 if kind == "input" else 3
        fits = (
            index
            for index, device in enumerate(self._devices)
            if device[at] and host in (None, device[1])
        )
        return next(fits, -1)

    def query_devices(self, wanted: int | str | None, kind: str) -> dict[str, Any]:
        if wanted is None:
            wanted = self._first(kind, None)
        elif isinstance(wanted, str):
            wanted = next(i for i, device in enumerate(self._devices) if wanted in device[0])
        name, host, inputs, outputs = self._devices[wanted]
        return {
            "index": wanted,
            "name": name,
            "hostapi": self._hosts.index(host),
            "max_input_channels": inputs,
            "max_output_channels": outputs,
            "default_samplerate": self._rate_hz,
            "default_low_input_latency": 0.01,
            "default_low_output_latency": 0.01,
        }

    def query_hostapis(self, index: int | None = None) -> Any:
        hosts = tuple(
            {
                "name": host,
                "default_input_device": self._first("input", host),
                "default_output_device": self._first("output", host),
            }
            for host in self._hosts
        )
        return hosts if index is None else hosts[index]

    def check_input_settings(self, device: int, *, samplerate: int, **others: object) -> None:
        if samplerate != self._rate_hz:
            raise PortAudioError("Invalid sample rate")

    check_output_settings = check_input_settings

    def _StreamBase(self, kind: str, **asked: Any) -> Any:
        self.opened.append({"kind": kind, **asked})
        latency = (0.01, 0.01) if kind == "duplex" else 0.01
        return SimpleNamespace(latency=latency)
