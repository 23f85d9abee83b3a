"""One hour through one stream: constant memory, constant pace of frames."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from hopcodec import Codec


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.slow
def test_one_hour_in_constant_memory(tiny: Codec) -> None:
    rng = np.random.default_rng(0)
    minute = (0.1 * rng.standard_normal((1, 60 * 24000))).astype(np.float32)
    encoder, decoder = tiny.encoder(0.9), tiny.decoder()
    frames = samples = 0
    after_first_minutes = 0
    for m in range(60):
        codes = encoder.push(minute)
        frames += codes.shape[1]
        samples += decoder.push(codes).shape[1]
        if m == 4:
            after_first_minutes = peak_kib()
    assert frames == 3600 * 75
    assert samples == 3600 * 24000
    # Fifty-five minutes of float32 audio would be 300 MB.
    assert peak_kib() - after_first_minutes < 4096
