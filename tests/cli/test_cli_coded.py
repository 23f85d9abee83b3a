"""Commands and the files of codes they read and write: `.hop`, `.ecdc` and `.dac`, any codec."""

from __future__ import annotations

import functools
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile  # type: ignore[import-untyped]
from typer.testing import CliRunner

import hopcodec
from hopcodec.audio import read_audio
from hopcodec.cli._app import app
from hopcodec.files import (
    HopHeader,
    HopReader,
    HopWriter,
    read_dac,
    read_ecdc,
    read_hop,
    write_dac,
    write_ecdc,
    write_hop,
)
from hopcodec.files.dac._audio import decode_dac
from hopcodec.specs._dac import dac
from hopcodec.weights import save_weights, seeded_weights

SPEECH = Path(__file__).parents[1] / "fixtures" / "fixture_en_f.flac"
Audio = npt.NDArray[np.float32]
load_once = functools.cache(hopcodec.load)


@pytest.fixture(scope="session")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DAC of the strides of the 16 kHz model, a few channels wide, as a weights file."""
    spec = dac(
        "narrow_dac",
        sample_rate=16000,
        encoder_dim=4,
        encoder_rates=(2, 4, 5, 8),
        decoder_dim=32,
        decoder_rates=(8, 5, 4, 2),
        n_codebooks=4,
        codebook_size=256,
    )
    path = tmp_path_factory.mktemp("models") / "narrow.safetensors"
    save_weights(path, spec, seeded_weights(spec))
    return path


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hopcodec, "load", load_once)
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.rglob("*.part"))


def run(*args: str | Path, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout, result.stderr


def run_json(*args: str | Path) -> dict[str, Any]:
    fields = json.loads(run(*args, "--json")[0])
    assert isinstance(fields, dict)
    return fields


def error_line(*args: str | Path) -> str:
    out, err = run(*args, code=1)
    lines = [line for line in err.splitlines() if not line.startswith("note:")]
    assert out == ""
    assert len(lines) == 1, err
    return lines[0].removeprefix("error: ")


def pcm(path: str) -> npt.NDArray[np.int16]:
    samples: npt.NDArray[np.int16] = soundfile.read(path, dtype="int16", always_2d=True)[0].T
    return samples


def as_pcm(audio: Audio, rate: int, limit: float) -> npt.NDArray[np.int16]:
    soundfile.write("expected.wav", np.clip(audio, -limit, limit).T, rate, subtype="PCM_16")
    return pcm("expected.wav")


def stereo(rate: int, seconds: float) -> Audio:
    t = np.arange(round(rate * seconds)) / rate
    wave = np.stack([np.sin(2 * np.pi * f * t * (1 + t)) for f in (170, 310)])
    return (0.3 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


# .hop


def test_a_codec_without_a_name_anywhere(narrow: Path) -> None:
    """Of a file alone: encode, info, decode, at its own rate and to the sample."""
    fields = run_json("encode", SPEECH, "a.hop", "-m", narrow)
    codec = load_once(
        str(narrow), device="cpu", threads=1, precision="fp32", seeded=False, full_hop=True
    )
    audio, _ = read_audio(SPEECH, 16000, 1)
    header, codes, samples = read_hop("a.hop")
    assert (header.model, header.weights, samples) == (
        "narrow_dac",
        codec.fingerprint,
        audio.shape[1],
    )
    np.testing.assert_array_equal(codes, codec.encode(audio))
    assert (fields["format"], fields["codebooks"], fields["channels"]) == ("hop", 4, 1)
    assert fields["frames"] == codes.shape[1]
    assert fields["bytes"] == Path("a.hop").stat().st_size
    found = run_json("info", "a.hop")
    assert (found["kind"], found["model"], found["frames"]) == ("hop", "narrow_dac", codes.shape[1])

    assert "was made with narrow_dac: name its weights file with --model" in error_line(
        "decode", "a.hop", "a.wav"
    )
    assert "but hopcodec_24khz is loaded" in error_line(
        "decode", "a.hop", "a.wav", "-m", "hopcodec_24khz"
    )
    fields = run_json("decode", "a.hop", "a.wav", "-m", narrow)
    assert fields["audio_samples"] == audio.shape[1]
    expected = codec.decode(codes, samples=audio.shape[1])
    np.testing.assert_array_equal(pcm("a.wav"), as_pcm(expected, 16000, 0.99))


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 4991])
def test_every_length_comes_back(narrow: Path, samples: int) -> None:
    """Of a model that gives 8 samples less than whole hops, too."""
    soundfile.write("in.wav", stereo(16000, 1.0)[0, :samples], 16000)
    run("encode", "in.wav", "a.hop", "-m", narrow)
    run("decode", "a.hop", "a.wav", "-m", narrow)
    run("roundtrip", "in.wav", "b.wav", "-m", narrow)
    assert pcm("a.wav").shape == (1, samples)
    np.testing.assert_array_equal(pcm("a.wav"), pcm("b.wav"))


def test_the_file_says_what_decodes_it() -> None:
    run("encode", SPEECH, "a.hop", "-b", "3")
    run("encode", SPEECH, "a.ecdc", "-b", "3")
    np.testing.assert_array_equal(read_hop("a.hop")[1], read_ecdc("a.ecdc")[1])
    run("decode", "a.hop", "a.wav")
    run("decode", "a.ecdc", "b.wav")
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()
    Path("a.hop").rename("named.otherwise")
    run("decode", "named.otherwise", "c.wav")
    assert Path("c.wav").read_bytes() == Path("b.wav").read_bytes()


def test_an_output_that_is_not_named(narrow: Path) -> None:
    Path("in.wav").write_bytes(b"")
    soundfile.write("in.wav", stereo(16000, 0.2)[0], 16000)
    assert run_json("encode", "in.wav")["output"] == "in.ecdc"
    assert read_ecdc("in.ecdc")[0].model == "hopcodec_24khz"
    assert run_json("encode", "in.wav", "-m", narrow)["output"] == "in.hop"
    assert read_hop("in.hop")[0].model == "narrow_dac"
    assert "already exists" in error_line("encode", "in.wav")


def test_a_damaged_file_and_what_is_left_of_it() -> None:
    run("encode", SPEECH, "a.hop")
    data = Path("a.hop").read_bytes()
    whole = read_hop("a.hop")[1]
    Path("cut.hop").write_bytes(data[:-30])
    assert "cut.hop: truncated: the file ends within block 1" in error_line(
        "decode", "cut.hop", "a.wav"
    )
    assert "cut.hop: truncated" in error_line("info", "cut.hop")
    assert not Path("a.wav").exists()
    _, err = run("decode", "cut.hop", "a.wav", "--partial")
    assert "decoded what comes before" in err
    codec = load_once(None, device="cpu", threads=1, precision="fp32", seeded=False, full_hop=True)
    expected = codec.decode(np.ascontiguousarray(whole[:, :128]))
    np.testing.assert_array_equal(pcm("a.wav"), as_pcm(expected, 24000, 0.99))
    Path("less.hop").write_bytes(data[:100])
    assert "no whole block" in error_line("decode", "less.hop", "b.wav", "--partial")
    flipped = bytearray(data)
    flipped[300] ^= 1
    Path("flipped.hop").write_bytes(flipped)
    assert "block 0: expected checksum" in error_line("decode", "flipped.hop", "b.wav")


def test_codes_of_other_weights_are_refused(narrow: Path, tmp_path: Path) -> None:
    codec = load_once(
        str(narrow), device="cpu", threads=1, precision="fp32", seeded=False, full_hop=True
    )
    save_weights(tmp_path / "other.safetensors", codec.spec, seeded_weights(codec.spec, seed=2))
    write_hop("a.hop", codec.encode(stereo(16000, 0.1)[:1].copy()), codec, 1600)
    assert "was made with other weights of narrow_dac" in error_line(
        "decode", "a.hop", "a.wav", "-m", tmp_path / "other.safetensors"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate": 8000}, "sample_rate: expected 16000"),
        ({"channels": 2}, "channels: expected 1"),
        ({"hop_samples": 1}, "hop_samples: expected 320"),
        ({"bits_per_code": 16}, "bits_per_code: expected 8"),
        ({"codebooks": 20}, "codebooks: expected at most 4"),
    ],
)
def test_files_of_another_geometry_are_refused(
    narrow: Path, changes: dict[str, int], message: str
) -> None:
    """Whose name and weights are right: they would sound, at a wrong speed or length."""
    codec = load_once(
        str(narrow), device="cpu", threads=1, precision="fp32", seeded=False, full_hop=True
    )
    header = replace(HopHeader.of(codec, 4), **changes)  # type: ignore[arg-type]
    with HopWriter("a.hop", header) as writer:
        writer.push(np.zeros((header.codebooks, 10), np.uint16))
        writer.finish(10 * header.hop_samples)
    assert f"a.hop: {message}" in error_line("decode", "a.hop", "a.wav", "-m", narrow)
    assert not Path("a.wav").exists()


# .dac


def test_dac_files_keep_rate_channels_and_length(narrow: Path) -> None:
    audio = stereo(44100, 1.237)
    soundfile.write("in.wav", audio.T, 44100, subtype="FLOAT")
    fields = run_json("encode", "in.wav", "a.dac", "-m", narrow)
    content = read_dac("a.dac")
    assert (content.channels, content.codebooks) == (2, 4)
    assert (content.sample_rate, content.original_length) == (44100, audio.shape[1])
    assert (fields["channels"], fields["frames"]) == (2, content.frames)
    found = run_json("info", "a.dac")
    assert (found["kind"], found["channels"], found["padded_chunks"]) == ("dac", 2, True)
    _, err = run("decode", "a.dac", "a.wav", "-m", narrow)
    assert "note" not in err
    codec = load_once(
        str(narrow), device="cpu", threads=1, precision="fp32", seeded=False, full_hop=False
    )
    expected = np.concatenate(list(decode_dac(codec, content)), axis=1)
    assert soundfile.info("a.wav").samplerate == 44100
    np.testing.assert_array_equal(pcm("a.wav"), as_pcm(expected, 44100, 1.0))
    assert pcm("a.wav").shape == audio.shape


def test_a_dac_file_in_chunks(narrow: Path) -> None:
    """As the original command writes of more than its window; overlapping codes, no padding."""
    codec = load_once(
        str(narrow), device="cpu", threads=1, precision="fp32", seeded=False, full_hop=False
    )
    run("encode", SPEECH, "a.dac", "-m", narrow)
    whole = read_dac("a.dac")
    chunked = type(whole)(whole.codes, whole.input_db, 8000, 16000, 60, padding=False)
    write_dac("b.dac", chunked)
    run("decode", "b.dac", "b.wav", "-m", narrow)
    expected = np.concatenate(list(decode_dac(codec, chunked)), axis=1)
    np.testing.assert_array_equal(pcm("b.wav"), as_pcm(expected, 16000, 1.0))


def test_formats_that_do_not_fit(narrow: Path, tiny: hopcodec.Codec) -> None:
    assert "a.ecdc: .ecdc files hold codes of encodec_24khz" in error_line(
        "encode", SPEECH, "a.ecdc", "-m", narrow
    )
    assert "of a DAC, not of hopcodec_24khz: write a.hop" in error_line("encode", SPEECH, "a.dac")
    assert "expected a name ending in .hop, .ecdc, .dac" in run("encode", SPEECH, "a.mp3", code=2)[
        1
    ].replace("\n", " ").replace("│ ", "").replace(" │", "")
    Path("x.bin").write_bytes(b"nothing")
    assert "expected a .hop, .ecdc or .dac file" in error_line("decode", "x.bin", "a.wav")
    Path("x.dac").write_bytes(b"nothing")
    assert "x.dac: not a .dac file" in error_line("decode", "x.dac", "a.wav", "-m", narrow)
    run("encode", SPEECH, "a.dac", "-m", narrow)
    assert ".dac files hold codes of a DAC" in error_line(
        "decode", "a.dac", "a.wav", "-m", "hopcodec_24khz"
    )
    write_ecdc("t.ecdc", tiny.encode(np.zeros((1, 320), np.float32))[:1], model="encodec_24khz",
               audio_length=320)  # fmt: skip
    assert "but hopcodec_24khz is loaded (--model encodec_24khz)" in error_line(
        "decode", "t.ecdc", "a.wav", "-m", "hopcodec_24khz"
    )


# Every command


@pytest.mark.slow
def test_every_other_command_takes_a_dac(narrow: Path) -> None:
    assert run_json("info", narrow)["latency_samples"] > 320
    fields = run_json("bench", "-m", narrow, "--seconds", "1.5")
    assert (fields["model"], fields["hop_ms"]) == ("narrow_dac", 20.0)
    fields = run_json("demo", "--fast", "-m", narrow, "-o", "demo")
    assert fields["streamed_equals_whole_file"] is True
    fields = run_json("loopback", "-m", narrow, "-i", SPEECH, "-o", "heard.wav")
    assert fields["model"] == "narrow_dac"
    assert soundfile.info("heard.wav").samplerate == 16000
    fields = run_json(
        "eval", SPEECH, "-m", narrow, "--metrics", "si_snr,mel", "--peers", "none", "-b", "1.6"
    )
    assert fields["model"] == "narrow_dac"
    assert run_json("roundtrip", SPEECH, "a.wav", "-m", narrow, "-b", "0.8")["frames"] == 121


@pytest.mark.slow
def test_a_published_dac_by_name_with_noise_for_weights() -> None:
    soundfile.write("in.wav", stereo(44100, 0.3).T, 44100)
    _, err = run("encode", "in.wav", "a.hop", "-m", "dac_44khz", "--seeded")
    assert "seeded noise" in err
    with HopReader("a.hop") as reader:
        assert (reader.header.model, reader.header.codebooks) == ("dac_44khz", 9)
    run("encode", "in.wav", "a.dac", "-m", "dac_44khz", "--seeded")
    run("decode", "a.hop", "a.wav", "--seeded")
    _, err = run("decode", "a.dac", "b.wav", "--seeded")
    assert "taken for dac_44khz" in err
    assert pcm("a.wav").shape == (1, 13230)
    assert pcm("b.wav").shape == (2, 13230)
    load_once.cache_clear()  # some hundred megabytes


def test_a_recogniser_that_is_not_there_fails_the_evaluation() -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    pytest.importorskip("jiwer", reason="jiwer is not installed")
    _, err = run(
        "eval", SPEECH, "--metrics", "wer", "--peers", "none", "-b", "6", "--whisper", "nodir",
        code=1,
    )  # fmt: skip
    assert "error: --whisper nodir: Whisper model 'nodir' cannot be loaded" in err


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["hop", "dac"])
def test_long_files_cost_no_more_memory_than_short_ones(narrow: Path, suffix: str) -> None:
    """30 s more are 1.9 MB more as float32; only codes, 12 KB of them, may lie in memory."""
    args = ("-m", narrow, "-b", "0.4", "--force")
    second = stereo(16000, 1.0)[0]
    peaks_mb: dict[str, list[float]] = {"encode": [], "decode": []}
    for seconds in (1, 20, 50):
        soundfile.write("in.wav", np.tile(second, seconds), 16000)
        for command, files in (
            ("encode", ["in.wav", f"a.{suffix}", *args]),
            ("decode", [f"a.{suffix}", "out.wav", "-m", narrow, "--force"]),
        ):
            tracemalloc.start()
            try:
                run(command, *files)
                peaks_mb[command].append(tracemalloc.get_traced_memory()[1] / 1e6)
            finally:
                tracemalloc.stop()
        assert soundfile.info("out.wav").frames == 16000 * seconds
    for _, short, long in peaks_mb.values():
        assert long - short < 1, peaks_mb
