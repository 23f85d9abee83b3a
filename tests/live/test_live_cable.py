"""`bench --live`: measured beside computed, over a cable that is a JACK client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from live_servers import jack_server, pulse_server, virtual_card
from typer.testing import CliRunner

from hopcodec import Codec, DeviceError
from hopcodec.cli._app import app
from hopcodec.live._cable import measure_over_cable

pytestmark = pytest.mark.live

CARD = "virtualcard"


def test_what_is_measured_is_what_was_computed(tiny: Codec, tmp_path: Path) -> None:
    with jack_server(24000, 320), virtual_card(None, tmp_path):
        result = measure_over_cable(tiny, input=CARD, output=CARD, bandwidth=3.6, seconds=5.0)
    assert result.through_codec
    assert result.device.p50_ms == pytest.approx(1000 * 320 / 24000)
    assert result.engine.p50_ms == pytest.approx(1000 * 320 / 24000)
    assert result.measured_ms == pytest.approx(result.computed_ms, abs=0.1)


@pytest.mark.slow
def test_another_rate_is_measured_bypassed(tiny: Codec, tmp_path: Path) -> None:
    with jack_server(48000, 256), virtual_card(None, tmp_path):
        result = measure_over_cable(tiny, input=CARD, output=CARD, bandwidth=3.6, seconds=5.0)
    assert not result.through_codec
    assert result.device.p50_ms == pytest.approx(1000 * 256 / 48000)
    assert result.measured_ms == pytest.approx(result.computed_ms, abs=0.5)


@pytest.mark.slow
def test_the_command_prints_both(tmp_path: Path) -> None:
    with jack_server(24000, 320), virtual_card(None, tmp_path):
        base = ["bench", "--live", "--input", CARD, "--output", CARD, "--seconds", "4"]
        table = CliRunner().invoke(app, base, env={"COLUMNS": "80"})
        fields = json.loads(CliRunner().invoke(app, [*base, "--json"]).stdout)
    assert table.exit_code == 0, table.output
    assert "in all" in table.stdout
    assert "30.00 |   30.00" in table.stdout  # two periods, and 80 samples of look-ahead
    assert fields["measured_ms"] == pytest.approx(30.0, abs=0.01)


@pytest.mark.slow
def test_without_a_cable_it_says_so(tiny: Codec) -> None:
    with jack_server(24000, 320), pytest.raises(DeviceError, match=r"with a cable|got silence"):
        measure_over_cable(tiny, bandwidth=3.6, seconds=4.0)  # the dummy hears nothing


@pytest.mark.slow
def test_pulseaudio_with_the_speaker_as_its_microphone(tiny: Codec) -> None:
    import subprocess

    with pulse_server():
        subprocess.run(["pactl", "set-default-source", "vspk.monitor"], check=True)
        result = measure_over_cable(
            tiny, input="pulse", output="pulse", bandwidth=3.6, seconds=8.0, latency_ms=60.0
        )
    assert 20.0 < result.measured_ms < 500.0
    assert result.device.windows > 5
