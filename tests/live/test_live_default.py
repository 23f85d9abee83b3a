"""Which device is the default, and which hosts are taken for irregular."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fake_sounddevice import JACK, FakeSoundDevice

from hopcodec import Codec, DeviceError
from hopcodec.live import Loopback
from hopcodec.live._device_link import DeviceLink
from hopcodec.live._device_settings import DeviceSettings
from hopcodec.live.device import _probe, _streams

ALSA_PLUGIN = ("jack", "ALSA", 32, 32)
SETTINGS = DeviceSettings(input=None, output=None, codec_rate_hz=24000, hop_samples=320, channels=1)


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_streams, "query_timing", lambda *names: None)


def opened(card: FakeSoundDevice, **changes: Any) -> dict[str, Any]:
    return _streams.open_streams(card, replace(SETTINGS, **changes), 1, 2).report


def test_jack_is_the_default_where_its_server_runs() -> None:
    card = FakeSoundDevice(ALSA_PLUGIN, ("system", JACK, 2, 2))
    report = opened(card)
    assert report["input_host"] == report["output_host"] == JACK
    found = [_probe._describe(card, i, card.query_devices(i, "input")) for i in (0, 1)]
    assert [each["default_input"] for each in found] == [False, True]
    assert [each["default_output"] for each in found] == [False, True]


@pytest.mark.parametrize(
    "devices", [(ALSA_PLUGIN,), (ALSA_PLUGIN, ("system", JACK, 0, 2))], ids=["none", "one way"]
)
def test_portaudio_chooses_where_jack_cannot_serve_both(
    devices: tuple[tuple[str, str, int, int], ...],
) -> None:
    card = FakeSoundDevice(*devices)
    report = opened(card)
    assert (report["input"], report["output"]) == ("jack", "jack")
    assert _probe._describe(card, 0, card.query_devices(0, "input"))["default_input"]


def test_a_device_that_is_named_keeps_the_host_of_the_other() -> None:
    card = FakeSoundDevice(ALSA_PLUGIN, ("system", JACK, 2, 2))
    assert opened(card, output="jack")["input_host"] == "ALSA"


def test_a_rate_that_jack_does_not_run_at() -> None:
    card = FakeSoundDevice(("system", JACK, 2, 2), rate_hz=48000)
    with pytest.raises(DeviceError, match="cannot choose the rate of a JACK server"):
        opened(card, rate_hz=44100)
    card = FakeSoundDevice(ALSA_PLUGIN, rate_hz=48000)
    with pytest.raises(DeviceError, match="in use elsewhere"):
        opened(card, rate_hz=44100)


@pytest.mark.parametrize(
    ("host", "name", "blocks"),
    [
        ("ALSA", "USB Audio: - (hw:1,0)", 0),
        ("ALSA", "pulse", 2),
        ("ALSA", "jack", 2),
        ("ALSA", "my own plugin", 2),
        (JACK, "system", 0),
        ("Core Audio", "Built-in Output", 0),
    ],
)
def test_plugins_of_alsa_get_a_longer_queue(tiny: Codec, host: str, name: str, blocks: int) -> None:
    link = Loopback(tiny, bandwidth=3.6)._link
    assert isinstance(link, DeviceLink)
    link._set(host=host, output=name)
    extra = link._extra_frames({"output_rate": 24000, "output_period": 320})
    assert extra == blocks * 320
