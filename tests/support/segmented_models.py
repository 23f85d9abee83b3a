"""EnCodec 48 kHz at full size and at a small one, and stereo sound for them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
from speech_codebooks import drawn_codebooks

from hopcodec import Codec
from hopcodec.audio import shipped_speech
from hopcodec.codec._segment_streams import loudness
from hopcodec.specs._encodec import encodec, encodec_48khz
from hopcodec.specs._language import CodecSpec, Segments
from hopcodec.weights._seeded import seeded_weights

Array = npt.NDArray[np.float32]


def stereo(samples: int, seed: int = 0) -> Array:
    """Speech at 48 kHz, the right channel quieter, later and a little noisy."""
    speech = shipped_speech(48000, 1, (samples + 4000) / 48000)[0]
    noise = np.random.default_rng(seed).standard_normal(samples).astype(np.float32)
    left = speech[3000 : 3000 + samples]
    right = np.float32(0.6) * speech[2900 : 2900 + samples] + np.float32(0.002) * noise
    return np.ascontiguousarray(np.stack([left, right]), dtype=np.float32)


def one_segment_codec(spec: CodecSpec, weights: dict[str, Array], isa: str = "") -> Codec:
    """The codec that runs on each normalised segment."""
    return Codec(replace(spec, segments=None), weights, isa=isa)


def segment_latents(spec: CodecSpec, weights: dict[str, Array], segment: Array) -> Array:
    """Latents `(dim, frames)` of a segment that was divided by its loudness already."""
    assert spec.segments is not None
    frames = -(-spec.segments.samples // spec.hop_samples)
    encoder = one_segment_codec(spec, weights).encoder(max_frames_per_push=frames)
    return encoder.latents(segment, last=True)


def with_codebooks(spec: CodecSpec, seconds: float) -> dict[str, Array]:
    """Seeded weights, codebooks drawn from the latents of speech."""
    assert spec.segments is not None
    weights = seeded_weights(spec)
    audio = stereo(round(seconds * 48000))
    pieces = [
        np.ascontiguousarray(audio[:, at : at + spec.segments.samples])
        for at in range(0, audio.shape[1] - spec.segments.samples, spec.segments.samples)
    ]
    latents = [segment_latents(spec, weights, piece / loudness(piece)) for piece in pieces]
    return {**weights, **drawn_codebooks(spec, np.concatenate(latents, axis=1))}


@cache
def full_48khz_weights() -> dict[str, Array]:
    return with_codebooks(encodec_48khz(), 8.5)


@cache
def full_48khz(isa: str = "", threads: int = 1) -> Codec:
    return Codec(encodec_48khz(), full_48khz_weights(), isa=isa, threads=threads)


@cache
def tiny_48khz_spec() -> CodecSpec:
    """EnCodec 48 kHz but for its size: 4 filters, 4 books of 64, segments of 3200 samples."""
    return encodec(
        "tiny_48khz",
        sample_rate=48000,
        bandwidths=(0.9, 1.8, 3.6),
        codebooks=4,
        channels=2,
        codebook_size=64,
        filters=4,
        latent=16,
        causal=False,
        group_norm=True,
        segments=Segments(samples=3200, stride=3168, normalise=True),
    )


@cache
def tiny_48khz_weights() -> dict[str, Array]:
    return with_codebooks(tiny_48khz_spec(), 4.0)


@cache
def tiny_48khz(isa: str = "", threads: int = 1) -> Codec:
    return Codec(tiny_48khz_spec(), tiny_48khz_weights(), isa=isa, threads=threads)
