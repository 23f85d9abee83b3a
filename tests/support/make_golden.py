"""Writes tests/fixtures/golden_encodec_24khz.npz from PyPI `encodec`: run by hand, with torch.

The codes are those of the original in float32, latents and audio those of the original in float64,
from seeded weights with codebooks from speech.
"""

from __future__ import annotations

import numpy as np
from reference_models import original_model
from shared_models import FIXTURES, full_weights, read_fixture

import torch
from hopcodec.specs._encodec import encodec_24khz

SAMPLES = 30_001  # 93 hops and a remainder


def main() -> None:
    spec = encodec_24khz()
    audio = np.ascontiguousarray(read_fixture("fixture_en_f.flac")[:, 12_000 : 12_000 + SAMPLES])
    model = original_model(spec, full_weights())
    model.set_target_bandwidth(24.0)
    with torch.inference_mode():
        ((codes, _),) = model.encode(torch.from_numpy(audio)[None])
        double = model.double()
        latents = double.encoder(torch.from_numpy(audio)[None].double())[0]
        sound = double.decoder(double.quantizer.decode(codes.transpose(0, 1)).double())[0]
    np.savez_compressed(
        FIXTURES / "golden_encodec_24khz.npz",
        audio=audio,
        codes=codes[0].numpy().astype(np.uint16),
        latents=latents.numpy().astype(np.float32),
        sound=sound.numpy().astype(np.float32),
    )


if __name__ == "__main__":
    main()
