"""The embedded default: EnCodec 24 kHz with seeded weights, until a trained model ships.

The convolutions are seeded noise. The codebooks are drawn from what the encoder makes of the
shipped speech clip, so that every codebook is in use, as in a trained model.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import numpy.typing as npt

from hopcodec import _core, ops
from hopcodec._build import build_layers
from hopcodec.models.spec import CodecSpec
from hopcodec.weights.seeded import seeded_weights

Array = npt.NDArray[np.float32]

CLIP = "demo_en_f.flac"
GAINS = (1.0, 0.4, 0.15)  # three loudnesses give three times the latents
# Entries are residuals drawn towards zero: an entry equal to a residual would leave nothing for
# the codebooks behind it.
SHRINK = np.float32(0.7)


def default_weights(spec: CodecSpec) -> dict[str, Array]:
    """Seeded weights for `spec`; the same bits on every machine."""
    weights = seeded_weights(spec)
    return {**weights, **speech_codebooks(spec, weights, clip())}


def clip() -> Array:
    """The shipped speech clip, float32 (1, samples) at 24 kHz."""
    import soundfile

    with resources.files("hopcodec").joinpath("assets", CLIP).open("rb") as file:
        samples, _ = soundfile.read(file, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T)


def speech_codebooks(spec: CodecSpec, weights: dict[str, Array], audio: Array) -> dict[str, Array]:
    """Codebooks drawn from the encoder's latents of `audio`, stage by stage of the residual."""
    rvq = spec.quantizer
    core = _core.Encoder(
        build_layers(spec.encoder, weights),
        _stand_in(rvq.codebook_size, rvq.dim),
        channels=spec.channels,
        hop_samples=spec.hop_samples,
        max_frames=16,
    )
    parts = []
    for gain in GAINS:
        core.reset()
        parts.append(core.latents(np.ascontiguousarray(audio * np.float32(gain)), True))
    residual = np.concatenate(parts, axis=1)
    frames = residual.shape[1]
    tables: dict[str, Array] = {}
    for q in range(rvq.codebooks):
        # A fixed stride through the frames that is coprime to their number, and moves with q.
        picks = (np.arange(rvq.codebook_size) * 7919 + 101 * q) % frames
        table = np.ascontiguousarray((residual[:, picks] * SHRINK).T)
        codes = ops.rvq_encode(residual, table[None])
        residual = residual - np.ascontiguousarray(table[codes[0]].T)
        tables[f"{rvq.name.format(q=q)}.embed"] = table
    return tables


def _stand_in(size: int, dim: int) -> _core.Quantizer:
    """An encoder wants a quantizer; only its latents are asked for here."""
    quantizer = _core.Quantizer()
    quantizer.add(np.zeros((size, dim), np.float32))
    return quantizer
