"""Which channels of a device are heard, and which play."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import typer
from fake_sounddevice import FakeSoundDevice
from live_sim import open_port, set_pass_through
from typer.testing import CliRunner

from hopcodec import Codec, DeviceError, _core
from hopcodec.cli._app import app
from hopcodec.cli._devices import chosen_channels
from hopcodec.live import Loopback
from hopcodec.live._device_link import DeviceLink
from hopcodec.live._device_settings import DeviceSettings
from hopcodec.live.device._streams import Opened, open_streams

SETTINGS = DeviceSettings(input=None, output=None, codec_rate_hz=24000, hop_samples=320, channels=1)


def opened(sounddevice: FakeSoundDevice, **changes: Any) -> Opened:
    return open_streams(sounddevice, replace(SETTINGS, **changes), 1, 2)


def heard(channels: int, device: tuple[int, int], **link: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the codec is given of a device's channels 1, 2, ..., and what these play of a codec's
    channels 10, 20, ...; one value per channel, without an engine's latency.
    """
    port = _core.live.Port(channels=channels, monitor=True)
    inputs, outputs = device
    open_port(port, input_channels=inputs, output_channels=outputs, **link)
    engine = _core.live.Engine(port, lock_memory=False)
    set_pass_through(engine)
    engine.start(**port.link(), thread=False)
    block = np.tile(np.arange(1, inputs + 1, dtype=np.float32), (320, 1))
    port.callback(block, 320, 10**12)
    engine.step(10**12)
    played = port.callback(block, 320, 10**12 + 320 * 10**9 // 24000)
    engine.stop()
    return port.captured(1)[:, 0], played[-1]


@pytest.mark.parametrize(
    ("device", "link", "captured", "played"),
    [
        # One channel of the codec is chosen, and plays on several.
        ((1, 2), {}, [1], [1, 1]),
        ((3, 2), {"first_input_channel": 1}, [2], [2, 2]),
        ((1, 4), {"output_sources": [-1, 0, -1, 0]}, [1], [0, 1, 0, 1]),
        # Two keep their order.
        ((2, 2), {}, [1, 2], [1, 2]),
        ((2, 4), {}, [1, 2], [1, 2, 2, 2]),
        ((1, 1), {}, [1, 1], [1]),
        ((4, 3), {"first_input_channel": 2, "output_sources": [1, -1, 0]}, [3, 4], [4, 0, 3]),
    ],
)
def test_channels_are_mapped(
    device: tuple[int, int], link: dict[str, Any], captured: list[int], played: list[int]
) -> None:
    took, gave = heard(len(captured), device, **link)
    np.testing.assert_array_equal(took, captured)
    np.testing.assert_array_equal(gave, played)


@pytest.mark.parametrize(("outputs", "opens"), [(1, 1), (2, 2), (32, 2)])
def test_a_mono_codec_plays_in_both_ears(outputs: int, opens: int) -> None:
    sounddevice = FakeSoundDevice(("card", "ALSA", 2, outputs))
    link = opened(sounddevice).link
    assert sounddevice.opened[0]["channels"] == (1, opens)
    assert (link["first_input_channel"], link["output_sources"]) == (0, [])


def test_channels_are_opened_up_to_the_last_that_is_used() -> None:
    sounddevice = FakeSoundDevice(("card", "ALSA", 8, 8))
    link = opened(sounddevice, input_channel=3, output_channels=[2, 4]).link
    assert sounddevice.opened[0]["channels"] == (3, 4)
    assert (link["first_input_channel"], link["output_sources"]) == (2, [-1, 0, -1, 0])
    link = opened(sounddevice, channels=2, input_channel=2, output_channels=[3, 1]).link
    assert sounddevice.opened[1]["channels"] == (3, 3)
    assert link["output_sources"] == [1, -1, 0]


def test_channels_that_a_device_lacks_are_refused() -> None:
    sounddevice = FakeSoundDevice(("card", "ALSA", 2, 2))
    with pytest.raises(DeviceError, match="input_channel: expected 1 to 2, the channels of 'card'"):
        opened(sounddevice, input_channel=3)
    with pytest.raises(DeviceError, match=r"output_channels: expected 1 to 2.*got 4"):
        opened(sounddevice, output_channels=[1, 4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_channel": 0}, "input_channel: expected 1 to 64, got 0"),
        ({"input_channel": "left"}, "input_channel: expected a whole number, got 'left'"),
        ({"output_channels": 2}, "output_channels: expected a list of 1 to 64 items, got 2"),
        ({"output_channels": [1, 1]}, "output_channels: expected each channel once"),
        ({"output_channels": [0]}, "output_channels: expected 1 to 64, got 0"),
        ({"output_channels": []}, "output_channels: expected a list of 1 to 64 items"),
    ],
)
def test_channels_that_no_device_has_are_refused(
    tiny: Codec, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Loopback(tiny, bandwidth=3.6, **arguments)


@pytest.mark.parametrize("name", ["input_channel", "output_channels"])
def test_an_array_has_no_channels_of_a_device(tiny: Codec, name: str) -> None:
    value = {"input_channel": 1, "output_channels": [1]}[name]
    with pytest.raises(ValueError, match=f"{name}: expected None beside an array"):
        Loopback(tiny, input=np.zeros((1, 320), np.float32), bandwidth=3.6, **{name: value})


def test_the_core_refuses_maps_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="output_sources: expected one of each of the 2"):
        heard(1, (1, 2), output_sources=[0])
    with pytest.raises(ValueError, match="output_sources: expected -1"):
        heard(1, (1, 1), output_sources=[-2])
    with pytest.raises(ValueError, match="first_input_channel: expected 0 to 0, got 1"):
        heard(1, (1, 2), first_input_channel=1)


@pytest.mark.parametrize("command", [["loopback"], ["bench", "--live"]])
def test_the_commands_pass_channels_on(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[DeviceSettings] = []

    def refuse(self: DeviceLink) -> None:
        given.append(self._settings)
        raise DeviceError("no device in this test")

    monkeypatch.setattr(DeviceLink, "_open", refuse)
    chosen = ["--input-channel", "2", "--output-channels", "3, 1"]
    result = CliRunner().invoke(app, [*command, *chosen])
    assert result.exit_code == 1
    assert (given[0].input_channel, given[0].output_channels) == (2, (3, 1))


@pytest.mark.parametrize("text", ["left", "1,,2", "-1", ""])
def test_channels_that_are_no_numbers_are_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected numbers from 1, with commas"):
        chosen_channels(text)
