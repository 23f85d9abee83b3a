"""`evaluate`: peers cost what they say, failures are listed, means are means."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from evaluation_packages import needs
from shared_models import FIXTURES, read_fixture

from hopcodec import Codec
from hopcodec.evaluation import CHEAP, METRICS, Unavailable, estimate, evaluate
from hopcodec.evaluation._alignment import lag_ms
from hopcodec.evaluation._clips import find_clips
from hopcodec.evaluation._lyra import FRAME_BITS, LyraGraphs
from hopcodec.evaluation._optional import require
from hopcodec.evaluation._opus import Opus
from hopcodec.evaluation._signals import Pair, Signal

SPEECH = FIXTURES / "fixture_en_f.flac"


@pytest.fixture(scope="module")
def clip() -> Signal:
    return Signal(read_fixture(SPEECH.name)[0], 24000)


# Peers


@pytest.mark.parametrize("kbps", [6.0, 12.0])
@pytest.mark.parametrize("rate", [16000, 24000, 44100])
def test_opus_sends_the_bytes_it_promises_and_comes_back_in_time(
    kbps: float, rate: int, clip: Signal
) -> None:
    needs("av")
    signal = Signal(clip.at(rate), rate)
    decoded = Opus(kbps).run(signal)
    bytes_per_frame = int(kbps * 1000 * 0.02 / 8)
    assert decoded.bits % (8 * bytes_per_frame) == 0
    # 20 ms frames cover the clip and the encoder's look-ahead, no more.
    assert 0 <= decoded.bits // (8 * bytes_per_frame) - signal.seconds / 0.02 <= 2
    lag = lag_ms(Pair(signal, decoded.signal))
    assert lag is not None
    assert abs(lag) < 0.5


def test_opus_is_better_at_twice_the_rate() -> None:
    needs("av", "pesq", "pystoi")
    report = evaluate(None, SPEECH, peers=["opus"])
    for metric in CHEAP:
        six, twelve = (report.mean(metric, f"Opus {kbps}") for kbps in (6, 12))
        assert (twelve > six) == METRICS[metric].higher_is_better
    assert [round(s.kbps, 1) for s in report.summaries()] == pytest.approx([6, 12], rel=0.02)


def test_lyra_wants_its_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"found no soundstream_encoder\.tflite"):
        LyraGraphs(tmp_path)
    with pytest.raises(ValueError, match="expected the folder of its TFLite files, got none"):
        evaluate(None, SPEECH, peers=["lyra"])
    for name in ("soundstream_encoder", "quantizer", "lyragan"):
        (tmp_path / f"{name}.tflite").write_bytes(b"no graph")
    needs("ai_edge_litert")
    report = evaluate(None, SPEECH, metrics=["mel"], peers=["uncoded", "lyra"], lyra=tmp_path)
    assert [row.system for row in report.rows] == ["uncoded"]
    assert "a graph cannot be loaded" in report.unavailable["Lyra V2 6"]


def test_lyra_at_its_three_bitrates() -> None:
    needs("ai_edge_litert", "pesq", "pystoi")
    folder = os.environ.get("HOPCODEC_LYRA")
    if folder is None:
        pytest.skip("Lyra's files do not ship: HOPCODEC_LYRA=DIR names them")
    report = evaluate(None, SPEECH, peers=["lyra"], lyra=folder)
    found = report.summaries()
    assert [s.kbps for s in found] == pytest.approx(list(FRAME_BITS), rel=0.02)
    assert [s.lag_ms for s in found] == pytest.approx([0.0] * 3, abs=0.2)
    estoi = [s.scores["estoi"].mean for s in found]
    assert 0.6 < estoi[0] < estoi[1] < estoi[2] < 1.0


# The run


def test_a_codec_at_its_bitrates(tiny: Codec) -> None:
    report = evaluate(tiny, SPEECH, metrics=["si_snr", "mel"], peers=["uncoded"])
    labels = [f"tiny_24khz {kbps:g}" for kbps in tiny.bandwidths]
    assert [s.label for s in report.systems] == ["uncoded", *labels]
    for kbps, summary in zip(tiny.bandwidths, report.summaries()[1:], strict=True):
        assert summary.kbps == pytest.approx(kbps, rel=0.01)
    assert report.mean("mel", "uncoded") == 0.0
    assert report.mean("mel", labels[0]) > 0.0
    assert report.failures == []
    with pytest.raises(ValueError, match="got 'mel' and 'Opus 6'"):
        report.mean("mel", "Opus 6")


def test_the_decoded_audio_is_what_is_scored(tiny: Codec) -> None:
    from hopcodec.audio import si_snr

    audio = read_fixture(SPEECH.name)
    decoded = tiny.decode(tiny.encode(audio, bandwidth=3.6), samples=audio.shape[1])
    report = evaluate(tiny, [SPEECH], bandwidths=[3.6], metrics=["si_snr"])
    assert report.mean("si_snr") == pytest.approx(si_snr(audio, np.clip(decoded, -1, 1)))


def test_processes_find_what_one_finds(tiny: Codec) -> None:
    one, two = (
        evaluate(tiny, FIXTURES, bandwidths=[0.9], metrics=["si_snr", "mel"], jobs=jobs).rows
        for jobs in (1, 2)
    )
    assert [row.file for row in two] == [row.file for row in one]
    assert len(one) == 3
    for a, b in zip(one, two, strict=True):
        assert b.scores == pytest.approx(a.scores, rel=1e-9)  # sums differ by numbers of threads


def test_a_missing_package_is_named_and_the_rest_goes_on(
    tiny: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pesq", "visqol", "ai_edge_litert", "av", "faster_whisper", "jiwer"):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    report = evaluate(
        tiny,
        SPEECH,
        bandwidths=[0.9],
        metrics=["pesq", "visqol", "mel", "wer"],
        peers=["opus"],
    )
    cure = "is not installed: pip install 'hopcodec[eval]'"
    assert report.unavailable == {
        "pesq": f"pesq {cure}",
        "visqol": f"ai-edge-litert {cure}",
        "wer": f"jiwer {cure}",
        "Opus 6": f"av {cure}",
        "Opus 12": f"av {cure}",
    }
    assert report.mean("mel") > 0 if len(report.systems) == 1 else report.rows[0].scores["mel"] > 0
    assert "unavailable" in report.as_dict()
    with pytest.raises(Unavailable, match="no-such-package is not installed"):
        require("no_such_package")


def test_a_bad_file_is_listed_and_the_rest_goes_on(tiny: Codec, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", read_fixture(SPEECH.name)[0, :24000], 24000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(24000), 24000)
    (tmp_path / "b.wav").write_text("not audio")
    soundfile.write(tmp_path / "c.wav", np.full(24000, 0.1), 24000)
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\xff")
    report = evaluate(tiny, tmp_path, bandwidths=[0.9], metrics=["si_snr", "mel"])
    assert [Path(row.file).name for row in report.rows] == ["a.wav", "silent.wav"]
    failed = {Path(f.file).name: f for f in report.failures}
    assert "not a readable audio file" in failed["b.wav"].error
    assert failed["c.wav"].error == "c.txt: expected a transcript in UTF-8"
    assert (failed["silent.wav"].metric, failed["silent.wav"].system) == (
        "si_snr",
        "tiny_24khz 0.9",
    )
    assert report.summaries()[0].scores["si_snr"].clips == 1
    assert report.summaries()[0].scores["mel"].clips == 2


def test_clips_of_folders(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/1.wav", "b/3.wav", "b/4.wav", "a/deep/1.flac", "1.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, np.zeros(10), 24000)
    (tmp_path / "b" / "2.txt").write_text("\ufeffWords, said.", encoding="utf-8")
    clips = find_clips(tmp_path)
    assert {clip.folder for clip in clips} == {"a/deep", "b", tmp_path.name}
    assert [c.path.name for c in clips if c.folder == "b"] == ["1.wav", "2.wav", "3.wav", "4.wav"]
    assert [c.transcript() for c in clips if c.folder == "b"] == [None, "Words, said.", None, None]
    spread = [c.path.name for c in find_clips(tmp_path, limit=2) if c.folder == "b"]
    assert spread == ["1.wav", "3.wav"]
    assert [c.folder for c in find_clips([tmp_path / "b" / "1.wav"])] == ["b"]


def test_what_cannot_be_asked_for(tiny: Codec, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"metrics: expected some of pesq, .*, got 'loudness'"):
        evaluate(tiny, SPEECH, metrics=["loudness"])
    with pytest.raises(ValueError, match="peers: expected some of uncoded, opus, lyra, got 'mp3'"):
        evaluate(tiny, SPEECH, peers=["mp3"])
    with pytest.raises(ValueError, match=r"expected one of .* kbps, got 7"):
        evaluate(tiny, SPEECH, bandwidths=[7.0])
    with pytest.raises(ValueError, match="jobs: expected at least 1"):
        evaluate(tiny, SPEECH, jobs=0)
    with pytest.raises(ValueError, match="limit: expected 1 or more"):
        evaluate(tiny, SPEECH, limit=0)
    with pytest.raises(ValueError, match="no audio files"):
        evaluate(tiny, tmp_path)
    with pytest.raises(ValueError, match="expected a codec or peers, got neither"):
        evaluate(None, SPEECH)


# Means


def test_the_interval_holds_the_mean_and_shrinks() -> None:
    values = np.random.default_rng(1).normal(3.0, 1.0, 400)
    widths = []
    for count in (25, 400):
        found = estimate(list(values[:count]))
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.mean < found.high
        widths.append(found.high - found.low)
        # The normal approximation, which the bootstrap approaches.
        normal = 2 * 1.96 * values[:count].std() / math.sqrt(count)
        assert widths[-1] == pytest.approx(normal, rel=0.15)
    assert widths[1] < widths[0] / 3
    assert estimate(list(values)) == estimate(list(values))


def test_means_that_have_no_interval() -> None:
    assert estimate([2.0]).low is None
    assert estimate([2.0, math.inf]).mean == math.inf
    assert estimate([2.0, math.inf]).high is None
    for values, weights in (([], None), ([1.0], [0.0]), ([1.0, 2.0], [1.0])):
        with pytest.raises(ValueError, match="positive weights of equal number"):
            estimate(values, weights)


def test_word_errors_are_weighed_by_words() -> None:
    """10 errors in 10 words and none in 90 are 10 %, not 50 %."""
    assert estimate([100.0, 0.0], [10.0, 90.0]).mean == pytest.approx(10.0)
