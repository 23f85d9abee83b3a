"""EnCodec 48 kHz against the published implementations, from the same weights in every layout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from near_ties import excused_ties
from reference_models import hf_model, original_model, save_layouts
from segmented_models import full_48khz, full_48khz_weights, segment_latents, stereo
from slow_ones import slow, slow_but_the_first

import hopcodec
import torch
from hopcodec.codec._codes import Codes, Segment
from hopcodec.codec._segment_streams import loudness
from hopcodec.specs._encodec import encodec_48khz

SPEC = encodec_48khz()
STRIDE, SAMPLES, HOP = 47_520, 48_000, 320
# Around a hop, around the stride, around a segment, two and ten segments.
LENGTHS = (1, 321, 47_521)
# Each kind of end that a segment can have, and ten seconds.
MORE_LENGTHS = (319, 7777, 47_519, 47_520, 47_999, 48_000, 48_001, 95_521, 475_207)
# Where the last segment but one, in whole hops, reaches beyond the last: the originals cannot
# decode what they encoded.
UNDECODABLE = (47_700,)
MORE_UNDECODABLE = (47_840, 95_300)


LATENT_TOLERANCE = 2e-6  # relative to the largest latent
SCALE_TOLERANCE = 1e-6  # relative: the originals add 48 000 squares in float32
AUDIO_SNR_DB = 100.0

Array = npt.NDArray[np.float32]
tally = {"compared": 0, "excused": 0}


@pytest.fixture(scope="module", autouse=True)
def report_ties() -> Iterator[None]:
    yield
    print(f"\nnear-ties excused: {tally['excused']} of {tally['compared']} frames")
    # More than with weight norm: sixteen stages leave a residual near the latents' own rounding.
    assert tally["excused"] <= 0.01 * tally["compared"], "this many near-ties point at a fault"


@cache
def original() -> Any:
    return original_model(SPEC, full_48khz_weights())


@cache
def original64() -> Any:
    return original_model(SPEC, full_48khz_weights()).double()


@cache
def transformers_model() -> Any:
    return hf_model(SPEC, full_48khz_weights())


@cache
def codebooks() -> Array:
    names = [SPEC.quantizer.codebook_name(q) for q in range(SPEC.quantizer.codebooks)]
    return np.stack([full_48khz_weights()[f"{name}.embed"] for name in names])


def latents64(segment: Array) -> npt.NDArray[np.float64]:
    """The float64 latents of a segment, normalised with our scale."""
    normalised = segment / loudness(segment)
    with torch.inference_mode():
        latents = original64().encoder(torch.from_numpy(normalised)[None].double())[0]
    return np.asarray(latents.numpy())


def snr_db(reference: npt.NDArray[np.float64], ours: Array) -> float:
    assert reference.shape == ours.shape
    error = np.square(reference - ours).sum()
    return float(10 * np.log10(np.square(reference).sum() / error))


def compare(
    codes: Codes,
    expected: list[tuple[npt.NDArray[Any], float]],
    latents: list[npt.NDArray[np.float64]],
) -> None:
    assert len(codes) == len(expected)
    for segment, (theirs, scale), wide in zip(codes, expected, latents, strict=True):
        np.testing.assert_allclose(segment.scale, scale, rtol=SCALE_TOLERANCE)
        tally["compared"] += segment.codes.shape[1]
        tally["excused"] += excused_ties(segment.codes, theirs, wide, codebooks())


def segments_of(audio: Array) -> list[Array]:
    starts = range(0, audio.shape[1], STRIDE)
    return [np.ascontiguousarray(audio[:, at : at + SAMPLES]) for at in starts]


def for_torch(codes: Codes, dtype: torch.dtype) -> list[tuple[Any, Any]]:
    return [
        (
            torch.from_numpy(s.codes.astype(np.int64))[None],
            torch.tensor([[float(s.scale)]], dtype=dtype),
        )
        for s in codes
    ]


@pytest.mark.parametrize(
    "length", [*LENGTHS, *UNDECODABLE, *slow(*MORE_LENGTHS, *MORE_UNDECODABLE)]
)
def test_codes_against_the_original(length: int) -> None:
    audio, model = stereo(length), original()
    latents = [latents64(segment) for segment in segments_of(audio)]
    for segment, wide in zip(segments_of(audio), latents, strict=True):
        ours = segment_latents(SPEC, full_48khz_weights(), segment / loudness(segment))
        assert ours.shape == wide.shape == (128, -(-segment.shape[1] // HOP))
        assert np.abs(ours - wide).max() <= LATENT_TOLERANCE * np.abs(wide).max()
    for bandwidth in SPEC.bandwidths if length < 100_000 else (24.0,):
        model.set_target_bandwidth(bandwidth)
        with torch.inference_mode():
            frames = model.encode(torch.from_numpy(audio)[None])
        expected = [(codes[0].numpy(), float(scale)) for codes, scale in frames]
        compare(full_48khz().encode(audio, bandwidth), expected, latents)


@pytest.mark.parametrize("length", [*LENGTHS, *slow(*MORE_LENGTHS)])
def test_audio_against_the_original(length: int) -> None:
    audio = stereo(length)
    codes = full_48khz().encode(audio, 12.0)
    with torch.inference_mode():
        decoded = original64().decode(for_torch(codes, torch.float64))[0].numpy()
    ours = full_48khz().decode(codes)
    assert decoded.shape == ours.shape
    assert snr_db(decoded, ours) >= AUDIO_SNR_DB
    np.testing.assert_array_equal(full_48khz().decode(codes, samples=length), ours[:, :length])


@pytest.mark.parametrize("length", [*UNDECODABLE, *slow(*MORE_UNDECODABLE)])
def test_lengths_that_the_originals_cannot_decode(length: int) -> None:
    """Both fail on shapes; what they mean is plain, and is written out here."""
    codes = full_48khz().encode(stereo(length), 12.0)
    with torch.inference_mode():
        frames = for_torch(codes, torch.float64)
        with pytest.raises(RuntimeError, match="size of tensor"):
            original64().decode(frames)
        pieces = [original64()._decode_frame(frame)[0].numpy() for frame in frames]
    total = max(k * STRIDE + piece.shape[1] for k, piece in enumerate(pieces))
    sums, weights = np.zeros((2, total)), np.zeros(total)
    width = pieces[0].shape[1]
    triangle = 0.5 - np.abs(np.linspace(0, 1, width + 2)[1:-1] - 0.5)
    for k, piece in enumerate(pieces):
        place = slice(k * STRIDE, k * STRIDE + piece.shape[1])
        sums[:, place] += triangle[: piece.shape[1]] * piece
        weights[place] += triangle[: piece.shape[1]]
    assert total >= length
    assert snr_db(sums / weights, full_48khz().decode(codes)) >= AUDIO_SNR_DB


@pytest.mark.parametrize("length", [1, 48_000, *slow(7777, 47_521, 100_003)])
def test_against_transformers(length: int) -> None:
    """Given the audio as it is: its feature extractor would fill it up to whole segments."""
    audio, model = stereo(length), transformers_model()
    latents = [latents64(segment) for segment in segments_of(audio)]
    with torch.inference_mode():
        encoded = model.encode(torch.from_numpy(audio)[None], bandwidth=12.0)
    codes = full_48khz().encode(audio, 12.0)
    frames = [segment.codes.shape[1] for segment in codes]
    expected = [
        (book[0, :, :n].numpy(), float(scale))
        for book, scale, n in zip(encoded.audio_codes, encoded.audio_scales, frames, strict=True)
    ]
    assert encoded.last_frame_pad_length == frames[0] - frames[-1]
    compare(codes, expected, latents)


def test_the_model_is_not_degenerate() -> None:
    """A codec whose codes hardly vary would agree with anything."""
    audio = stereo(475_207)
    codes = full_48khz().encode(audio, 24.0)
    used = [len(np.unique(np.concatenate([s.codes[q] for s in codes]))) for q in range(16)]
    assert min(used) > 100, used
    assert 0.3 < np.abs(full_48khz().decode(codes)).mean() / np.abs(audio).mean() < 3.0


@pytest.mark.parametrize("kind", ["silence", "opposed", "impulse", "loud", "one channel"])
def test_unusual_signals(kind: str) -> None:
    """Scales from 1e-8 on: silence, channels that cancel, a single sample, beyond full scale."""
    audio = np.zeros((2, 9000), np.float32)
    if kind == "opposed":
        audio[:] = stereo(9000)[:1] * np.array([[1.0], [-1.0]], np.float32)
    elif kind == "impulse":
        audio[0, 4321] = 1.0
    elif kind == "loud":
        audio[:] = 1000 * stereo(9000)
    elif kind == "one channel":
        audio[1] = stereo(9000)[0]
    codes = full_48khz().encode(audio, 6.0)
    original().set_target_bandwidth(6.0)
    with torch.inference_mode():
        ((theirs, scale),) = original().encode(torch.from_numpy(audio)[None])
    compare(codes, [(theirs[0].numpy(), float(scale))], [latents64(audio)])
    ours = full_48khz().decode(codes)
    with torch.inference_mode():
        decoded = original64().decode(for_torch(codes, torch.float64))[0].numpy()
    assert snr_db(decoded, ours) >= AUDIO_SNR_DB


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_layouts(tmp_path_factory.mktemp("layouts"), SPEC, full_48khz_weights())


LAYOUTS = 9


@pytest.mark.parametrize("index", slow_but_the_first(range(LAYOUTS)))
def test_every_published_layout(layouts: dict[str, Path], index: int) -> None:
    """No spec is given: what a file holds is found out from its names, shapes or config."""
    assert len(layouts) == LAYOUTS
    codec = hopcodec.load(layouts[sorted(layouts)[index]])
    assert isinstance(codec, hopcodec.Codec)
    assert (codec.name, codec.spec) == ("encodec_48khz", SPEC)
    # No weight norm, so nothing is folded: the very bits, whatever the layout.
    assert codec.fingerprint == full_48khz().fingerprint
    audio = stereo(20_000)
    assert codec.encode(audio, 24.0) == full_48khz().encode(audio, 24.0)


def test_the_near_tie_rule_catches_a_wrong_code() -> None:
    audio = stereo(7777)
    codes = full_48khz().encode(audio, 6.0)
    wrong = codes[0].codes.copy()
    wrong[3, 11] = (wrong[3, 11] + 1) % 1024
    changed = Codes([Segment(wrong, codes[0].scale)], 4)
    with pytest.raises(AssertionError, match="frame 11, codebook 3"):
        compare(changed, [(codes[0].codes, float(codes[0].scale))], [latents64(audio)])
