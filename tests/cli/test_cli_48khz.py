"""The commands with the stereo codec of segments."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from rich.console import Console
from segmented_models import stereo, tiny_48khz
from typer.testing import CliRunner

import hopcodec
from hopcodec.cli._app import app
from hopcodec.cli._demo_panel import Panel
from hopcodec.cli._demo_run import run_demo
from hopcodec.files import read_ecdc, read_hop
from hopcodec.specs._encodec import encodec
from hopcodec.specs._language import Segments
from hopcodec.weights import save_weights, seeded_weights

LENGTH = 100_123  # three segments


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 48 kHz model but for its width, under its name."""
    spec = encodec(
        "encodec_48khz",
        sample_rate=48000,
        bandwidths=(3.0, 6.0, 12.0, 24.0),
        codebooks=16,
        channels=2,
        filters=2,
        latent=8,
        causal=False,
        group_norm=True,
        segments=Segments(samples=48000, stride=47520, normalise=True),
    )
    path = tmp_path_factory.mktemp("models") / "narrow_48khz.safetensors"
    save_weights(path, spec, seeded_weights(spec))
    return path


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    soundfile.write("in.wav", stereo(LENGTH).T, 48000, subtype="FLOAT")
    return "in.wav"


def run(*args: str | Path, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


def run_json(*args: str | Path) -> dict[str, Any]:
    fields = json.loads(run(*args, "--json")[0])
    assert isinstance(fields, dict)
    return fields


def pcm(path: str) -> npt.NDArray[np.int16]:
    samples: npt.NDArray[np.int16] = soundfile.read(path, dtype="int16", always_2d=True)[0].T
    return samples


@pytest.mark.parametrize("suffix", [".ecdc", ".hop"])
def test_encode_info_decode(source: str, weights: Path, suffix: str) -> None:
    codec = hopcodec.load(weights)
    codes = codec.encode(stereo(LENGTH), 12.0)
    fields = run_json("encode", source, f"a{suffix}", "-m", weights, "-b", "12")
    assert (fields["codebooks"], fields["channels"]) == (8, 2)
    assert (fields["frames"], fields["audio_samples"]) == (codes.frames, LENGTH)
    if suffix == ".ecdc":
        header, written = read_ecdc("a.ecdc")
        assert (header.model, header.audio_length, header.weights) == ("encodec_48khz", LENGTH, "")
    else:
        _, written, samples = read_hop("a.hop")
        assert samples == LENGTH
    assert written == codes
    described = run_json("info", f"a{suffix}")
    assert (described["model"], described["frames"]) == ("encodec_48khz", codes.frames)
    fields = run_json("decode", f"a{suffix}", "b.wav", "-m", weights)
    assert (fields["audio_samples"], fields["channels"]) == (LENGTH, 2)
    heard = np.clip(codec.decode(codes, samples=LENGTH), -0.99, 0.99)
    soundfile.write("expected.wav", heard.T, 48000, subtype="PCM_16")
    np.testing.assert_array_equal(pcm("b.wav"), pcm("expected.wav"))


def test_roundtrip_and_info(source: str, weights: Path) -> None:
    fields = run_json("roundtrip", source, "out.wav", "-m", weights)
    assert (fields["audio_samples"], fields["frames"]) == (LENGTH, 150 + 150 + 16)
    assert pcm("out.wav").shape == (2, LENGTH)
    assert "segment" not in run("roundtrip", source, "again.wav", "-m", weights)[1]
    described = run_json("info", weights)
    assert (described["latency_samples"], described["channels"]) == (48000, 2)


@pytest.mark.slow
def test_the_demo_is_the_round_trip_of_its_clip(source: str, weights: Path) -> None:
    """10.56 s: ten whole segments, and one of 0.66 s behind them, which is not timed."""
    clip = Path(hopcodec.__file__).parent / "assets" / "demo_en_f.flac"
    expected = run_json("roundtrip", clip, "expected.wav", "-m", weights, "-b", "12")
    fields = run_json("demo", "--fast", "-m", weights, "-b", "12", "-o", "new/folder")
    assert pcm(fields["wav"]).shape == (2, 506_880)
    np.testing.assert_array_equal(pcm(fields["wav"]), pcm("expected.wav"))
    for same in ("frames", "bitrate_kbps", "audio_seconds"):
        assert fields[same] == expected[same]
    assert fields["si_snr_db"] == pytest.approx(expected["si_snr_db"], abs=1e-3)
    assert fields["streamed_equals_whole_file"] is True
    assert (fields["segments"], fields["first_sound_ms"]) == (11, 1000.0)
    assert fields["deadline_ms"] is fields["hop"] is None
    segment = fields["segment"]
    assert (segment["length_ms"], segment["interval_ms"]) == (1000.0, 990.0)
    for direction in ("encode", "decode", "duplex"):
        times = segment[direction]
        assert times["segments"] == 10
        assert 0 < times["p50_ms"] <= times["max_ms"]
        assert times["times_real_time"] == pytest.approx(990.0 / times["mean_ms"])
    assert Path(fields["png"]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    again = ("demo", "--fast", "-m", weights, "-o", "new/folder")
    assert "demo.wav: already exists" in run(*again, code=1)[1]
    out, _ = run(*again, "--force")
    assert "10 of 1 s, a new one every 0.99 s; 1 shorter, not timed" in out
    assert "encode per segment" in out
    assert "hop" not in out.partition("written")[0]


def test_the_demo_keeps_to_the_clock_and_shows_segments() -> None:
    """Segments of 66.7 ms, ten hops, a new one every 66 ms."""
    codec = tiny_48khz()
    audio = stereo(15_000)
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    begin = time.perf_counter()
    with Panel(codec, 3.6, audio.shape[1], screen) as panel:  # type: ignore[arg-type]
        made = run_demo(codec, audio, 3.6, panel, paced=True)  # type: ignore[arg-type]
    assert time.perf_counter() - begin >= 15_000 / 48000  # the last sample's arrival, never early
    assert made.codes == codec.encode(audio, 3.6)
    np.testing.assert_array_equal(made.decoded, codec.decode(made.codes, samples=15_000))
    assert made.encode_ns.shape == made.decode_ns.shape == (4,)
    assert (made.encode_ns > 0).all()
    assert (made.decode_ns > 0).all()
    assert (made.first_sound_samples, made.step.interval) == (3200, 3168)
    assert 0 <= made.missed <= 4
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    for word in ("segment by segment", "dBFS", "/ 66.00 ms, max", "codes", "/ 0.31 s"):
        assert word in shown


@pytest.mark.parametrize(
    "command",
    [("loopback", "--input", "in.wav", "--output", "o.wav"), ("bench", "--paced", "1")],
)
def test_what_goes_hop_by_hop_is_refused(
    source: str, weights: Path, command: tuple[str, ...]
) -> None:
    _, err = run(*command, "-m", weights, code=1)
    lines = [line for line in err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    assert "encodec_48khz codes whole segments" in lines[0]
