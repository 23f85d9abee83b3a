"""Frozen results of the original implementation: faithful where torch is absent, for ever.

The fixture is written by make_golden.py. Float32 rounding of the stored values costs 6e-8.
"""

from __future__ import annotations

import numpy as np
import pytest
from near_ties import excused_ties
from shared_models import FIXTURES, full_weights

from hopcodec import Codec
from hopcodec.specs._encodec import encodec_24khz


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    path = FIXTURES / "golden_encodec_24khz.npz"
    assert path.stat().st_size < 1_000_000
    with np.load(path) as stored:
        return dict(stored)


def test_latents(codec: Codec, golden: dict[str, np.ndarray]) -> None:
    ours = codec.encoder().latents(golden["audio"], last=True)
    scale = np.abs(golden["latents"]).max()
    assert np.abs(ours - golden["latents"]).max() <= 2e-6 * scale


def test_codes(codec: Codec, golden: dict[str, np.ndarray]) -> None:
    names = [f"{encodec_24khz().quantizer.codebook_name(q)}.embed" for q in range(32)]
    tables = np.stack([full_weights()[name] for name in names])
    latents = golden["latents"].astype(np.float64)
    for bandwidth, books in ((1.5, 2), (3.0, 4), (6.0, 8), (12.0, 16), (24.0, 32)):
        codes = codec.encode(golden["audio"], bandwidth)
        assert excused_ties(codes, golden["codes"][:books], latents, tables) <= 1


def test_audio(codec: Codec, golden: dict[str, np.ndarray]) -> None:
    error = codec.decode(golden["codes"]) - golden["sound"]
    snr = 10 * np.log10(np.square(golden["sound"]).sum() / np.square(error).sum())
    assert snr >= 100
