"""`hopcodec.live.device._probe`: print PortAudio's devices as one JSON object.

`hopcodec.live._devices` starts it as a process, because enumeration can print, hang or crash.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from hopcodec.errors import DeviceError
from hopcodec.live.device._portaudio import RATES_HZ, default_device, import_sounddevice, silence


def _supported(sounddevice: Any, index: int, kind: str) -> list[int]:
    """List the rates that one direction of a device accepts for mono float32."""
    check = getattr(sounddevice, f"check_{kind}_settings")
    found = []
    for rate_hz in RATES_HZ:
        try:
            check(device=index, channels=1, dtype="float32", samplerate=rate_hz)
        except sounddevice.PortAudioError:
            continue
        found.append(rate_hz)
    return found


def _is_default(sounddevice: Any, index: int, kind: str) -> bool:
    preferred = default_device(sounddevice, kind)
    own = sounddevice.default.device[kind]
    return bool(index == (own if preferred is None else preferred))


def _describe(sounddevice: Any, index: int, info: dict[str, Any]) -> dict[str, Any]:
    host = sounddevice.query_hostapis(info["hostapi"])
    inputs, outputs = info["max_input_channels"], info["max_output_channels"]
    return {
        "index": index,
        "name": info["name"],
        "host_api": host["name"],
        "input_channels": inputs,
        "output_channels": outputs,
        "default_rate_hz": round(info["default_samplerate"]),
        "input_rates_hz": _supported(sounddevice, index, "input") if inputs else [],
        "output_rates_hz": _supported(sounddevice, index, "output") if outputs else [],
        "input_latency_ms": 1000.0 * info["default_low_input_latency"],
        "output_latency_ms": 1000.0 * info["default_low_output_latency"],
        "default_input": _is_default(sounddevice, index, "input"),
        "default_output": _is_default(sounddevice, index, "output"),
    }


def main() -> int:
    """Print the devices, or what is missing; return 0 in both cases."""
    try:
        sounddevice = import_sounddevice()
        with silence():
            answer: dict[str, Any] = {
                "portaudio": sounddevice.get_portaudio_version()[1],
                "host_apis": [host["name"] for host in sounddevice.query_hostapis()],
                "devices": [
                    _describe(sounddevice, index, info)
                    for index, info in enumerate(sounddevice.query_devices())
                ],
            }
    except DeviceError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
