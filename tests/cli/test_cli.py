"""The command line: what it writes, what it says, and how it fails."""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from rich.console import Console
from typer.testing import CliRunner

import hopcodec
from hopcodec.audio import read_audio, si_snr
from hopcodec.cli._app import app
from hopcodec.cli._demo_panel import Panel
from hopcodec.cli._demo_run import run_demo
from hopcodec.evaluation._speed import hop_times
from hopcodec.files import read_ecdc, write_ecdc
from hopcodec.specs._lapped import hopcodec_24khz
from hopcodec.weights import save_weights, seeded_weights

FIXTURES = Path(__file__).parents[1] / "fixtures"
SPEECH = FIXTURES / "fixture_en_f.flac"
Audio = npt.NDArray[np.float32]


load_once = functools.cache(hopcodec.load)


@pytest.fixture(scope="module")
def codec() -> Any:
    return load_once(None, threads=1)


@pytest.fixture(autouse=True)
def _one_codec_for_all_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes longer than most of what is tested here."""
    monkeypatch.setattr(hopcodec, "load", load_once)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs in an empty folder, and no command may leave a temporary file there."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.rglob("*.part"))


def run(*args: str | Path, code: int = 0) -> tuple[str, str]:
    """Run a command in this process; its stdout and stderr."""
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


def run_json(*args: str | Path) -> dict[str, Any]:
    out, _ = run(*args, "--json")
    fields = json.loads(out)  # fails unless stdout is this one object
    assert isinstance(fields, dict)
    return fields


def spawn(*args: str | Path) -> subprocess.Popen[str]:
    """Run the command as a user does, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "hopcodec.cli", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )


def error_line(*args: str | Path) -> str:
    """The one line of a command that fails with exit code 1."""
    out, err = run(*args, code=1)
    assert out == ""
    lines = [line for line in err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


def pcm(path: Path | str) -> npt.NDArray[np.int16]:
    samples: npt.NDArray[np.int16] = soundfile.read(path, dtype="int16", always_2d=True)[0].T
    return samples


def as_pcm(audio: Audio) -> npt.NDArray[np.int16]:
    soundfile.write("expected.wav", np.clip(audio, -0.99, 0.99).T, 24000, subtype="PCM_16")
    return pcm("expected.wav")


def speech_like(rate: int, channels: int, seconds: float) -> Audio:
    """Harmonics with a moving envelope."""
    t = np.arange(round(rate * seconds)) / rate
    voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    wave = 0.2 * np.asarray(voice) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    return np.repeat(wave.astype(np.float32)[None], channels, axis=0)


# encode, decode


@pytest.mark.parametrize("bandwidth", [1.5, 3.0, 6.0])
def test_encode_writes_the_codes_of_the_whole_file(codec: Any, bandwidth: float) -> None:
    fields = run_json("encode", SPEECH, "a.ecdc", "-b", str(bandwidth))
    audio, _ = read_audio(SPEECH, 24000, 1)
    header, codes = read_ecdc("a.ecdc")
    assert (header.model, header.audio_length) == (codec.name, audio.shape[1])
    np.testing.assert_array_equal(codes, codec.encode(audio, bandwidth=bandwidth))
    assert fields["command"] == "encode"
    assert fields["codebooks"] == codes.shape[0] == codec.codebooks_for(bandwidth)
    assert fields["frames"] == codes.shape[1]
    assert fields["bytes"] == os.path.getsize("a.ecdc")
    assert fields["bitrate_kbps"] == pytest.approx(bandwidth, rel=0.2)
    assert fields["times_real_time"] > 0


def test_decode_writes_what_the_codec_decodes(codec: Any) -> None:
    audio, _ = read_audio(SPEECH, 24000, 1)
    codes = codec.encode(audio, bandwidth=6.0)
    write_ecdc("a.ecdc", codes, model=codec.name, audio_length=audio.shape[1])
    fields = run_json("decode", "a.ecdc", "a.wav")
    info = soundfile.info("a.wav")
    assert (info.subtype, info.samplerate, info.channels) == ("PCM_16", 24000, 1)
    expected = codec.decode(codes, samples=audio.shape[1])
    np.testing.assert_array_equal(pcm("a.wav"), as_pcm(expected))
    assert fields["audio_samples"] == audio.shape[1]
    assert fields["clipped_samples"] == np.count_nonzero(np.abs(expected) > 0.99)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 6)])
def test_any_rate_and_channel_count(codec: Any, rate: int, channels: int) -> None:
    soundfile.write("in.wav", speech_like(rate, channels, 0.7).T, rate, subtype="FLOAT")
    run("encode", "in.wav", "a.ecdc")
    audio, _ = read_audio("in.wav", 24000, 1)
    header, codes = read_ecdc("a.ecdc")
    assert header.audio_length == audio.shape[1]
    np.testing.assert_array_equal(codes, codec.encode(audio, bandwidth=6.0))


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 5121])
def test_short_files_and_odd_lengths(samples: int) -> None:
    soundfile.write("in.wav", speech_like(24000, 1, 1.0)[0, :samples], 24000)
    run("encode", "in.wav", "a.ecdc")
    run("decode", "a.ecdc", "a.wav")
    run("roundtrip", "in.wav", "b.wav")
    assert pcm("a.wav").shape == (1, samples)
    np.testing.assert_array_equal(pcm("a.wav"), pcm("b.wav"))


def test_rescale_keeps_the_shape_of_loud_output(codec: Any) -> None:
    audio = 4 * speech_like(24000, 1, 1.0)
    soundfile.write("in.wav", audio.T, 24000, subtype="FLOAT")
    run("roundtrip", "in.wav", "out.wav", "--rescale")
    decoded = codec.decode(codec.encode(audio, bandwidth=6.0), samples=audio.shape[1])
    gain = min(0.99 / float(np.abs(decoded).max()), 1.0)
    read = soundfile.read("out.wav", always_2d=True)[0].T
    np.testing.assert_allclose(read, decoded * gain, atol=1.01 / 32768)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["encode", "decode", "roundtrip"])
def test_long_files_cost_no_more_memory_than_short_ones(command: str) -> None:
    """25 s more are 2.4 MB more as float32; nowhere may a whole file lie in memory.

    The first run imports what the command needs. The long file runs twice, and the lower peak
    counts: a table of the interpreter's own may happen to grow during one of them.
    """
    suffix = "ecdc" if command == "encode" else "wav"
    peaks_mb = []
    for seconds in (2, 5, 30, 30):
        source = Path(f"{seconds}.wav")
        soundfile.write(source, np.tile(speech_like(48000, 2, 1.0).T, (seconds, 1)), 48000)
        if command == "decode":
            source = Path(f"{seconds}.ecdc")
            codes = np.zeros((2, 75 * seconds), np.uint16)
            write_ecdc(source, codes, model="hopcodec_24khz", audio_length=24000 * seconds)
        tracemalloc.start()
        try:
            args = ["-b", "1.5"] if command != "decode" else []
            run(command, source, f"out.{suffix}", "--force", *args)
            peaks_mb.append(tracemalloc.get_traced_memory()[1] / 1e6)
        finally:
            tracemalloc.stop()
    assert min(peaks_mb[2:]) - peaks_mb[1] < 1, peaks_mb


# roundtrip


@pytest.mark.parametrize("start", ["exact", "immediate"])
def test_roundtrip_is_the_stream(codec: Any, start: str) -> None:
    fields = run_json("roundtrip", SPEECH, "a.wav", "--start", start, "-b", "3")
    audio, _ = read_audio(SPEECH, 24000, 1)
    encoder, decoder = codec.encoder(bandwidth=3.0, start=start), codec.decoder(start=start)
    parts = [decoder.push(encoder.push(audio)), decoder.push(encoder.flush()), decoder.flush()]
    expected = np.concatenate(parts, axis=1)[:, : audio.shape[1]]
    np.testing.assert_array_equal(pcm("a.wav"), as_pcm(expected))
    assert fields["si_snr_db"] == pytest.approx(si_snr(audio, expected), abs=1e-3)
    assert fields["frames"] == -(-audio.shape[1] // 320)
    assert fields["bitrate_kbps"] == pytest.approx(3.0, rel=0.01)
    for direction in ("encode_hop", "decode_hop"):
        hop = fields[direction]
        assert 0 < hop["p50_ms"] <= hop["p99_ms"] <= hop["max_ms"]
        assert hop["deadline_ms"] == pytest.approx(40 / 3)


def test_roundtrip_prints_a_table() -> None:
    out, _ = run("roundtrip", SPEECH, "a.wav")
    for word in ("SI-SNR", "bitrate", "p50", "p99", "max", "x real time", "6.0"):
        assert word in out


def test_silence_has_no_ratio() -> None:
    soundfile.write("in.wav", np.zeros(2000, np.float32), 24000)
    assert run_json("roundtrip", "in.wav", "out.wav")["si_snr_db"] is None
    assert "undefined" in run("roundtrip", "in.wav", "out2.wav")[0]


def make_folder() -> None:
    Path("in/sub").mkdir(parents=True)
    for name, seconds in (("a.wav", 0.4), ("a.flac", 0.3), ("sub/b.ogg", 0.5)):
        soundfile.write(f"in/{name}", speech_like(24000, 1, seconds)[0], 24000)
    Path("in/notes.txt").write_text("not audio, not touched")


def test_a_folder_in_one_run() -> None:
    make_folder()
    out, _ = run("roundtrip", "in", "out")
    written = sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.wav"))
    assert written == ["a.flac.wav", "a.wav.wav", "sub/b.wav"]
    assert "all 3" in out
    assert "sub/b.ogg" in out
    fields = run_json("roundtrip", "in", "in/out")
    assert [Path(file["input"]).name for file in fields["files"]] == ["a.flac", "a.wav", "b.ogg"]
    assert fields["failed"] == []
    # A second run does not take the first one's outputs for inputs.
    assert len(run_json("roundtrip", "in", "in/out", "--force")["files"]) == 3


def test_one_bad_file_does_not_stop_the_others() -> None:
    make_folder()
    Path("in/c.wav").write_text("not audio")
    out, err = run("roundtrip", "in", "out", "--json", code=1)
    fields = json.loads(out)
    assert len(fields["files"]) == 3
    assert [item["input"] for item in fields["failed"]] == [str(Path("in/c.wav"))]
    assert "not a readable audio file" in fields["failed"][0]["error"]
    assert "error: 1 of 4 files failed" in err


def test_codes_of_other_weights_are_refused(tmp_path: Path) -> None:
    """Two models of one name: a file knows which of them made it."""
    spec = hopcodec_24khz()
    save_weights(tmp_path / "other.safetensors", spec, seeded_weights(spec))
    run("encode", SPEECH, "other.ecdc", "-m", tmp_path / "other.safetensors")
    assert "other.ecdc: was made with other weights of" in error_line(
        "decode", "other.ecdc", "a.wav"
    )
    run("decode", "other.ecdc", "a.wav", "-m", tmp_path / "other.safetensors")


# info, bench, demo, version


def test_info_of_each_kind(codec: Any) -> None:
    fields = run_json("info")
    assert (fields["kind"], fields["model"]) == ("codec", codec.name)
    assert (fields["sample_rate_hz"], fields["hop_samples"]) == (24000, 320)
    assert fields["bandwidths_kbps"] == [0.75, 1.5, 3.0, 4.5, 6.0]
    fields = run_json("info", SPEECH)
    assert (fields["kind"], fields["format"]) == ("audio", "FLAC PCM_16")
    run("encode", SPEECH, "a.ecdc")
    fields = run_json("info", "a.ecdc")
    assert (fields["kind"], fields["codebooks"], fields["language_model"]) == ("ecdc", 8, False)
    assert "codebooks" in run("info", "a.ecdc")[0]


def test_info_says_that_a_file_needs_the_language_model() -> None:
    text = b'{"m": "encodec_24khz", "al": 32000, "nc": 8, "lm": true}'
    Path("lm.ecdc").write_bytes(b"ECDC\0" + len(text).to_bytes(4, "big") + text + b"xyz")
    assert run_json("info", "lm.ecdc")["language_model"] is True
    assert "lm.ecdc: the codes are entropy coded" in error_line("decode", "lm.ecdc", "a.wav")


def test_bench_reports_every_figure() -> None:
    fields = run_json("bench", "--seconds", "0.5", "--paced", "0.2", "--bandwidth", "1.5")
    for mode, hops in (("back_to_back", 37), ("paced", 15)):
        for direction in ("encode", "decode", "duplex"):
            times = fields[mode][direction]
            assert times["hops"] == hops
            values = [times[key] for key in ("p50_ms", "p99_ms", "p999_ms", "max_ms")]
            assert values[0] > 0
            assert values == sorted(values)
            assert times["times_real_time"] == pytest.approx(40 / 3 / times["mean_ms"])
    assert fields["file"]["audio_seconds"] == 0.5
    assert fields["machine"]["isa"]
    out, _ = run("bench", "--seconds", "0.5")
    assert "p99.9" in out
    assert "whole file" in out


@pytest.mark.slow
def test_demo_writes_sound_and_picture(codec: Any) -> None:
    fields = run_json("demo", "--fast", "--output-dir", "new/folder")
    assert fields["streamed_equals_whole_file"] is True
    assert fields["frames"] == 792
    assert fields["first_sound_ms"] > 0
    assert fields["hop"]["duplex"]["hops"] == 792
    assert fields["segment"] is fields["segments"] is None
    assert fields["seeded"] == codec.seeded
    assert soundfile.info(fields["wav"]).frames == round(fields["audio_seconds"] * 24000)
    assert Path(fields["png"]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "demo.wav: already exists" in error_line("demo", "--fast", "-o", "new/folder")
    out, _ = run("demo", "--fast", "-o", "new/folder", "--force")
    for word in ("SI-SNR", "p50", "p99", "max", "bitrate", "x real time", "bit for bit"):
        assert word in out


def test_the_demo_keeps_to_the_clock_and_shows_itself(codec: Any) -> None:
    audio = read_audio(SPEECH, 24000, 1)[0][:, :9000]
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    begin = time.perf_counter()
    with Panel(codec, 6.0, audio.shape[1], screen) as panel:
        run_ = run_demo(codec, audio, 6.0, panel, paced=True)
    assert time.perf_counter() - begin >= 28 * 320 / 24000  # the last hop's arrival, never early
    np.testing.assert_array_equal(run_.codes, codec.encode(audio, bandwidth=6.0))
    assert run_.decoded.shape == audio.shape
    assert run_.encode_ns.shape == run_.decode_ns.shape == (28,)  # of whole hops
    assert 0 <= run_.missed <= 28
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    for word in ("hop by hop", "dBFS", "/ 13.33 ms, max", "codes", "0.38 s"):
        assert word in shown


def test_summary_of_hop_times() -> None:
    times = hop_times([int(1e6 * ms) for ms in range(1, 1001)], deadline_ms=990.5)
    assert (times.hops, times.missed) == (1000, 10)
    assert (times.p50_ms, times.p99_ms, times.p999_ms, times.max_ms) == (501, 991, 1000, 1000)
    assert times.mean_ms == pytest.approx(500.5)
    assert times.times_real_time == pytest.approx(990.5 / 500.5)
    assert hop_times([5], 1.0, missed=7).missed == 7
    with pytest.raises(ValueError, match="at least one duration"):
        hop_times([], 1.0)


def test_a_pipe_is_named_as_what_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    assert "regular file" in error_line("encode", tmp_path / "pipe.wav", "out.ecdc")
    assert "pipe" in error_line("encode", "-", "out.ecdc")


def test_a_constant_file_does_not_spoil_the_total(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "constant.wav", np.full(1, 0.5), 24000)
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 2000), 24000)
    out, _ = run("roundtrip", folder, tmp_path / "out")
    total = next(line for line in out.splitlines() if "all 2" in line)
    assert "nan" not in total
    assert "nan" not in out.split("noise")[0]


def test_seeded_weights_are_mentioned() -> None:
    args = ("bench", "--seconds", "0.1", "--model", "encodec_24khz", "--seeded")
    out, err = run(*args)
    assert "encodec_24khz" in out
    assert "seeded noise" in err
    assert "seeded noise" not in run("info")[1]
    refused = error_line("bench", "--model", SPEECH, "--seeded")
    assert "encodec_24khz" in refused
    assert "to be seeded, got" in refused


def test_version_and_help() -> None:
    assert run("--version")[0] == f"hopcodec {hopcodec.__version__}\n"
    out, _ = run("--help")
    for command in ("demo", "encode", "decode", "roundtrip", "info", "bench"):
        assert command in out


# Errors


def test_outputs_are_not_overwritten_unasked() -> None:
    Path("a.ecdc").write_text("precious")
    line = error_line("encode", SPEECH, "a.ecdc")
    assert line == "a.ecdc: already exists (--force overwrites it)"
    assert Path("a.ecdc").read_text() == "precious"
    run("encode", SPEECH, "a.ecdc", "--force")
    assert read_ecdc("a.ecdc")[0].codebooks == 8


def test_input_is_never_the_output() -> None:
    Path("a.wav").write_bytes(SPEECH.read_bytes())
    os.symlink("a.wav", "b.wav")
    for output in ("a.wav", "b.wav", "../" + Path.cwd().name + "/a.wav"):
        line = error_line("roundtrip", "a.wav", output, "--force")
        assert "input and output are the same file" in line
    Path("in").mkdir()
    assert "the same folder" in error_line("roundtrip", "in", "in/../in")
    assert Path("a.wav").read_bytes() == SPEECH.read_bytes()


def test_a_failed_run_leaves_the_old_output_alone() -> None:
    audio = speech_like(24000, 1, 3.0)
    audio[0, 60_000] = np.nan
    soundfile.write("in.wav", audio.T, 24000, subtype="FLOAT")
    Path("a.ecdc").write_text("precious")
    line = error_line("encode", "in.wav", "a.ecdc", "-f")
    assert line == "in.wav: expected finite samples, got nan at sample 60000 of channel 0"
    assert Path("a.ecdc").read_text() == "precious"
    assert "sample 60000" in error_line("roundtrip", "in.wav", "out.wav")
    assert not Path("out.wav").exists()


def test_errors_in_one_line() -> None:
    Path("text.wav").write_text("not audio")
    Path("text.ecdc").write_text("not a container")
    run("encode", SPEECH, "whole.ecdc")
    Path("cut.ecdc").write_bytes(Path("whole.ecdc").read_bytes()[:-1])
    Path("empty").mkdir()
    assert error_line("encode", "none.wav", "a.ecdc") == "none.wav: no such file"
    assert error_line("decode", "none.ecdc", "a.wav") == "none.ecdc: no such file"
    assert "text.wav: not a readable audio" in error_line("encode", "text.wav", "a.ecdc")
    assert "text.ecdc: not an .ecdc file" in error_line("decode", "text.ecdc", "a.wav")
    assert "cut.ecdc: truncated: expected" in error_line("decode", "cut.ecdc", "a.wav")
    assert "cut.ecdc: truncated: expected" in error_line("info", "cut.ecdc")
    assert "the folder no does not exist" in error_line("encode", SPEECH, "no/a.ecdc")
    assert "empty: no audio files" in error_line("roundtrip", "empty", "out")
    assert "none.safetensors" in error_line("info", "none.safetensors")
    assert "none.safetensors" in error_line("encode", SPEECH, "a.ecdc", "-m", "none.safetensors")
    assert "expected a folder" in error_line("demo", "--fast", "-o", "text.wav")


def test_samples_beyond_all_sense_are_refused() -> None:
    audio = speech_like(24000, 1, 0.5)
    audio[0, 100] = 1e6
    soundfile.write("in.wav", audio.T, 24000, subtype="FLOAT")
    assert error_line("encode", "in.wav", "a.ecdc").startswith("in.wav: ")
    assert error_line("roundtrip", "in.wav", "a.wav").startswith("in.wav: ")


def test_usage_errors_exit_with_2() -> None:
    for args in (
        ["encode"],
        ["encode", str(SPEECH), "a.wav"],
        ["encode", str(SPEECH), "a.ecdc", "-b", "5"],
        ["encode", str(SPEECH), "a.ecdc", "--threads", "0"],
        ["decode", "a.ecdc", "a.mp3"],
        ["roundtrip", str(SPEECH), "a.wav", "--start", "soon"],
        ["bench", "--seconds", "0"],
        ["nothing"],
    ):
        out, err = run(*args, code=2)
        assert out == ""
        assert err


def test_an_unexpected_exception_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("deep\ninside")

    monkeypatch.setattr(hopcodec, "load", broken)
    assert "unexpected RuntimeError: deep inside" in error_line("info")
    monkeypatch.setenv("HOPCODEC_DEBUG", "1")
    result = CliRunner().invoke(app, ["info"])
    assert isinstance(result.exception, RuntimeError)


# As a process


def test_as_a_process() -> None:
    process = spawn("encode", SPEECH, "a.ecdc", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["bytes"] == os.path.getsize("a.ecdc")
    process = spawn("decode", "none.ecdc", "a.wav")
    assert process.communicate(timeout=60) == ("", "error: none.ecdc: no such file\n")
    assert process.returncode == 1
    process = spawn("encode")
    assert "Missing argument" in process.communicate(timeout=60)[1]
    assert process.returncode == 2


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["ctrl-c", "terminate", "hang-up"],
)
def test_interrupted_nothing_half_written_stays(sent: signal.Signals, code: int) -> None:
    with soundfile.SoundFile("long.wav", "w", 24000, 1, "PCM_16") as file:
        clip = read_audio(SPEECH, 24000, 1)[0].T
        for _ in range(300):  # 12 minutes
            file.write(clip)
    process = spawn("roundtrip", "long.wav", "out.wav")
    try:
        deadline = time.monotonic() + 60
        while not list(Path().glob("*.part")):  # until it is writing
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in err
    assert sorted(path.name for path in Path().iterdir()) == ["long.wav"]


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys, hopcodec, hopcodec.cli._app\n"
        "heavy = ('soundfile', 'soxr', 'matplotlib', 'huggingface_hub', 'torch', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
