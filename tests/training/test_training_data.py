"""Audio for training: cached once, drawn by seed and step alone."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import torch
from hopcodec.errors import AudioFileError, TrainingError
from hopcodec.training._batches import Batches
from hopcodec.training._config import Data
from hopcodec.training._corpus import BLOCK_SAMPLES, Corpus, open_corpus
from hopcodec.training._draws import Sampler

RATE = 24000
SEGMENT = 3200
CPU = torch.device("cpu")


def tone(hz: float, seconds: float, rate: int = RATE) -> npt.NDArray[np.float64]:
    return 0.4 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tones, the second at another rate in stereo, deeper down, and silence."""
    root = tmp_path / "audio"
    (root / "below").mkdir(parents=True)
    soundfile.write(root / "a.wav", tone(440, 1.0), RATE)
    soundfile.write(root / "below" / "b.flac", np.stack([tone(880, 0.5, 16000)] * 2, 1), 16000)
    soundfile.write(root / "c.wav", np.zeros(2 * RATE), RATE)
    (root / "notes.txt").write_text("not audio")
    return root


def corpora(folder: Path, *sources: str) -> list[Corpus]:
    cache = folder.parent / "cache"
    return [open_corpus(str(folder / s), RATE, cache) for s in sources or ("",)]


def batches(found: list[Corpus], data: Data, *, resident: bool = False, seed: int = 1) -> Batches:
    return Batches(found, data, SEGMENT, RATE, seed, CPU, resident=resident)


def test_a_corpus_is_the_files_resampled(folder: Path) -> None:
    (corpus,) = corpora(folder)
    assert corpus.ends.tolist() == [RATE, RATE + RATE // 2, RATE + RATE // 2 + 2 * RATE]
    first = corpus.samples[:RATE] / 32768
    np.testing.assert_allclose(first, tone(440, 1.0), atol=4e-5)
    second = corpus.samples[RATE + 500 : RATE + 11500] / 32768
    np.testing.assert_allclose(second, tone(880, 0.5)[500:11500], atol=2e-3)
    squares = (corpus.samples[: 5 * BLOCK_SAMPLES].astype(np.float64) / 32768) ** 2
    assert corpus.energy[5] == pytest.approx(squares.sum(), rel=1e-5)
    assert len(corpus.energy) == -(-len(corpus) // BLOCK_SAMPLES) + 1


def test_the_cache_is_used_until_a_file_changes(folder: Path) -> None:
    corpora(folder)
    cache = folder.parent / "cache"
    made = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert sorted(path.suffix for path in made) == [".npz", ".pcm16"]
    corpora(folder)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == made
    time.sleep(0.01)
    soundfile.write(folder / "a.wav", tone(220, 1.0), RATE)
    (corpus,) = corpora(folder)
    np.testing.assert_allclose(corpus.samples[:RATE] / 32768, tone(220, 1.0), atol=4e-5)


def test_a_cut_cache_is_refused(folder: Path) -> None:
    corpora(folder)
    (pcm,) = (folder.parent / "cache").glob("*.pcm16")
    pcm.write_bytes(pcm.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"expected 84000 samples, got 500; delete it"):
        corpora(folder)


def test_a_bad_file_is_named_and_nothing_cached(folder: Path) -> None:
    (folder / "bad.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(AudioFileError, match=r"bad\.wav"):
        corpora(folder)
    assert list((folder.parent / "cache").iterdir()) == []
    with pytest.raises(TrainingError, match="found none"):
        open_corpus(str(folder / "nowhere"), RATE, folder.parent / "cache")


def everything() -> Data:
    return Data(
        train=("x",),
        batch=6,
        mix_probability=0.5,
        band_probability=0.5,
        noise_probability=0.5,
    )


def test_a_batch_depends_on_seed_and_step_alone(folder: Path) -> None:
    found = corpora(folder)
    one = batches(found, everything())
    expected = [one.batch(step) for step in range(8)]
    other = batches(found, everything())
    with ThreadPoolExecutor(4) as pool:
        backwards = list(pool.map(other.batch, reversed(range(8))))[::-1]
    for a, b in zip(expected, backwards, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(expected[0], expected[1])
    assert not torch.equal(expected[0], batches(found, everything(), seed=2).batch(0))
    assert expected[0].shape == (6, 1, SEGMENT)
    assert expected[0].dtype == torch.float32
    assert all(batch.abs().max() <= 0.991 for batch in expected)


def test_the_resident_corpus_gives_the_same_batches(folder: Path) -> None:
    found = corpora(folder, "a.wav", "below", "c.wav")
    data = replace(everything(), train=("a", "b", "c"))
    mapped, resident = batches(found, data), batches(found, data, resident=True)
    for step in range(10):
        torch.testing.assert_close(mapped.batch(step), resident.batch(step), rtol=0, atol=0)


def test_crops_stay_inside_a_clip(folder: Path) -> None:
    found = corpora(folder)
    sampler = Sampler(found, replace(everything(), silence_tries=1), SEGMENT, 3)
    begins = np.concatenate([[0], found[0].ends[:-1]])
    for step in range(50):
        draws = sampler.draw(step)
        clip = np.searchsorted(found[0].ends, draws.starts, "right")
        assert (draws.starts >= begins[clip]).all()
        assert (draws.ends <= found[0].ends[clip]).all()
        assert (draws.ends - draws.starts == SEGMENT).all()


def test_a_short_clip_is_followed_by_zeros(folder: Path) -> None:
    soundfile.write(folder / "short.wav", tone(440, 0.05), RATE)
    found = corpora(folder, "short.wav")
    data = Data(train=("x",), batch=2, mix_probability=0.0, gain_db=(0.0, 0.0))
    audio = batches(found, data).batch(0)
    length = int(0.05 * RATE)
    assert audio[:, 0, length:].abs().max() == 0
    np.testing.assert_allclose(audio[0, 0, :length].abs(), np.abs(tone(440, 0.05)), atol=1e-4)


def test_silence_is_avoided_but_not_excluded(folder: Path) -> None:
    found = corpora(folder)
    rows = {}
    for tries in (1, 3):
        data = Data(train=("x",), batch=16, silence_tries=tries)
        sampler = Sampler(found, data, SEGMENT, 1)
        starts = np.concatenate([sampler.draw(step).starts for step in range(60)])
        rows[tries] = float((starts >= found[0].ends[1]).mean())
    # Silence is 4/7 of the audio; three tries leave (4/7)^3 of it.
    assert rows[1] == pytest.approx(4 / 7, abs=0.05)
    assert rows[3] == pytest.approx((4 / 7) ** 3, abs=0.05)


def test_weights_balance_sources(folder: Path) -> None:
    found = corpora(folder, "a.wav", "below")
    for weights, expected in (((), 1 / 3), ((1.0, 3.0), 3 / 4)):
        data = Data(train=("a", "b"), weights=weights, batch=32)
        sampler = Sampler(found, data, SEGMENT, 1)
        share = np.mean([sampler.draw(step).corpora.mean() for step in range(40)])
        assert share == pytest.approx(expected, abs=0.03)


def test_augmentation_does_what_it_says(folder: Path) -> None:
    found = corpora(folder, "a.wav")
    plain = Data(train=("x",), batch=8, mix_probability=0.0, gain_db=(-6.0, -6.0))
    level = batches(found, plain).batch(0).square().mean(2).sqrt()
    torch.testing.assert_close(
        level, torch.full((8, 1), 0.4 / 2**0.5 * 10**-0.3), rtol=2e-2, atol=0
    )
    noisy = replace(plain, noise_probability=1.0, noise_snr_db=(20.0, 20.0))
    difference = batches(found, noisy).batch(0) - batches(found, plain).batch(0)
    torch.testing.assert_close(
        difference.square().mean(2).sqrt() / level, torch.full((8, 1), 0.1), rtol=0.1, atol=0
    )
    dull = replace(plain, band_probability=1.0, band_hz=(300.0, 300.0))
    # The tone lies above the cutoff; what a crop's edges spread below it stays.
    assert (batches(found, dull).batch(0).square().mean(2).sqrt() < 0.1 * level).all()
