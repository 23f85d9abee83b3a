"""Codebooks for seeded weights, drawn from what the encoder makes of real speech.

A codec whose codes hardly vary would agree with any other: these codebooks are all in use, as in a
trained model.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hopcodec import _core, ops
from hopcodec.codec._build import build_layers
from hopcodec.specs._language import CodecSpec

Array = npt.NDArray[np.float32]

GAINS = (1.0, 0.4, 0.15)  # three loudnesses give three times the latents
AUDIBLE = 0.02  # hops whose peak is below are left out: pauses are all alike
# Each entry is a mean of a few residuals, like the centre of a cluster. Single residuals would fit
# their own frames perfectly and leave nothing for the codebooks behind; equal shares would make
# entries that lie symmetrically about a latent, and ties.
SHARES = (0.4, 0.3, 0.2, 0.1)
STRIDES = (7919, 104_729, 15_485_863, 32_452_843)  # primes: coprime to the number of frames


def speech_codebooks(spec: CodecSpec, weights: dict[str, Array], audio: Array) -> dict[str, Array]:
    """Codebooks drawn from the encoder's latents of `audio`, stage by stage of the residual."""
    rvq = spec.quantizer
    core = _core.sessions.Encoder(
        build_layers(spec.encoder, weights),
        _stand_in(rvq.codebook_size, rvq.dim),
        channels=spec.channels,
        hop_samples=spec.hop_samples,
        max_frames=16,
    )
    hops = audio[:, : audio.shape[1] // spec.hop_samples * spec.hop_samples]
    audible = np.abs(hops.reshape(-1, spec.hop_samples)).max(axis=1) > AUDIBLE
    parts = []
    for gain in GAINS:
        core.reset()
        parts.append(core.latents(np.ascontiguousarray(hops * np.float32(gain)), True)[:, audible])
    return drawn_codebooks(spec, np.concatenate(parts, axis=1))


def drawn_codebooks(spec: CodecSpec, latents: Array) -> dict[str, Array]:
    """Codebooks drawn from latents `(dim, frames)`."""
    rvq, residual = spec.quantizer, latents
    frames = residual.shape[1]
    tables: dict[str, Array] = {}
    for q in range(rvq.codebooks):
        entry = np.arange(rvq.codebook_size) + 101 * q
        table = np.zeros((rvq.codebook_size, rvq.dim), np.float32)
        for k, (share, stride) in enumerate(zip(SHARES, STRIDES, strict=True)):
            table += np.float32(share) * residual[:, (entry + k) * stride % frames].T
        codes = ops.rvq_encode(np.ascontiguousarray(residual), table[None])
        residual = residual - table[codes[0]].T
        tables[f"{rvq.codebook_name(q)}.embed"] = table
    return tables


def _stand_in(size: int, dim: int) -> _core.sessions.Quantizer:
    """An encoder wants a quantizer; only its latents are asked for here."""
    quantizer = _core.sessions.Quantizer()
    quantizer.add(np.zeros((size, dim), np.float32))
    return quantizer
