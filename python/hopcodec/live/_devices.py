"""The audio devices of this machine, and the formats each supports."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from hopcodec.errors import DeviceError
from hopcodec.live import _device_process
from hopcodec.live.device._portaudio import hint_no_device

_TIMEOUT_S: Final = 20.0  # a real card is opened once per rate


@dataclass(frozen=True)
class AudioDevice:
    """One device of one host API, as PortAudio sees it.

    `*_rates_hz` are the rates that the device accepts for mono float32. A device that another
    program uses may accept none. `*_latency_ms` is what the driver says, which is only a hint.
    """

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    default_rate_hz: int
    input_rates_hz: tuple[int, ...]
    output_rates_hz: tuple[int, ...]
    input_latency_ms: float
    output_latency_ms: float
    default_input: bool
    default_output: bool


@dataclass(frozen=True)
class AudioSystem:
    """PortAudio's version, the host APIs it was built with, and every device."""

    portaudio: str
    host_apis: tuple[str, ...]
    devices: tuple[AudioDevice, ...]

    @property
    def inputs(self) -> tuple[AudioDevice, ...]:
        """Devices that can record."""
        return tuple(device for device in self.devices if device.input_channels)

    @property
    def outputs(self) -> tuple[AudioDevice, ...]:
        """Devices that can play."""
        return tuple(device for device in self.devices if device.output_channels)

    @property
    def hint(self) -> str | None:
        """Advice where no device can record or play; None where there are both."""
        missing = [
            kind for kind, found in (("input", self.inputs), ("output", self.outputs)) if not found
        ]
        if not missing:
            return None
        return f"no {' and no '.join(missing)} device found: {hint_no_device()}"


def query_devices() -> AudioSystem:
    """Ask PortAudio, in a process of its own, for the devices connected now.

    Raises
    ------
    DeviceError
        sounddevice or PortAudio is missing, or a sound server hangs. The message gives advice.
    """
    try:
        with _device_process.start_errors():
            done = subprocess.run(
                _device_process.command("device._probe"),
                env=_device_process.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
            )
    except subprocess.TimeoutExpired:
        raise DeviceError(
            f"PortAudio gave no answer in {_TIMEOUT_S:.0f} s: a sound server hangs; restart it"
        ) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise DeviceError(
            f"PortAudio failed while looking for devices (exit code {done.returncode}): {last[0]}"
        ) from None
    if "error" in answer:
        raise DeviceError(answer["error"])
    return AudioSystem(
        portaudio=answer["portaudio"],
        host_apis=tuple(answer["host_apis"]),
        devices=tuple(_device(fields) for fields in answer["devices"]),
    )


def _device(fields: dict[str, Any]) -> AudioDevice:
    rates = {name: tuple(fields[name]) for name in ("input_rates_hz", "output_rates_hz")}
    return AudioDevice(**{**fields, **rates})
