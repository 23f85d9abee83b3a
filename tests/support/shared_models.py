"""Models and signals that many tests share, each built once per process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from speech_codebooks import speech_codebooks

from hopcodec import Codec
from hopcodec.audio import shipped_speech
from hopcodec.specs._encodec import causal_encodec, encodec_24khz
from hopcodec.specs._language import CodecSpec
from hopcodec.weights._seeded import seeded_weights

Array = npt.NDArray[np.float32]
FIXTURES = Path(__file__).parents[1] / "fixtures"


def read_fixture(name: str) -> Array:
    samples, rate = soundfile.read(FIXTURES / name, dtype="float32", always_2d=True)
    assert rate == 24000
    return np.ascontiguousarray(samples.T)


@cache
def full_weights() -> dict[str, Array]:
    spec = encodec_24khz()
    weights = seeded_weights(spec)
    return {**weights, **speech_codebooks(spec, weights, shipped_speech(24000, 1))}


@cache
def tiny_spec() -> CodecSpec:
    """EnCodec 24 kHz in every respect but its width: 4 filters, 8 books of 64 entries."""
    return causal_encodec(
        "tiny_24khz",
        sample_rate=24000,
        bandwidths=(0.45, 0.9, 1.8, 3.6),
        codebooks=8,
        codebook_size=64,
        filters=4,
        latent=16,
    )


@cache
def tiny_weights() -> dict[str, Array]:
    spec = tiny_spec()
    weights = seeded_weights(spec)
    return {**weights, **speech_codebooks(spec, weights, read_fixture("fixture_en_f.flac"))}


@cache
def tiny_codec(isa: str = "", threads: int = 1) -> Codec:
    return Codec(tiny_spec(), tiny_weights(), isa=isa, threads=threads)


@cache
def full_codec(isa: str = "", threads: int = 1) -> Codec:
    return Codec(encodec_24khz(), full_weights(), isa=isa, threads=threads)
