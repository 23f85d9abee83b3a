"""What is encoded, and with which weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hopcodec.audio import shipped_speech
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.specs._language import CodecSpec
from peers import Audio, Codes, Materials, Weights, make_peer


def load_weights(spec: CodecSpec, source: Path | None) -> Weights:
    """Weights from a file or folder, or seeded ones: a hop costs the same whatever they are."""
    if source is None:
        from hopcodec.weights._seeded import seeded_weights

        return seeded_weights(spec, 1)
    from hopcodec import weights

    return weights.load_weights(source, spec)


def materials(bandwidth: float, source: Path | None, folder: Path) -> Materials:
    """The 24 kHz model at one of its bandwidths; `folder` is for the peers' files."""
    spec = encodec_24khz()
    if bandwidth not in spec.bandwidths:
        raise ValueError(f"bandwidth: expected one of {spec.bandwidths}, got {bandwidth}")
    codebooks = int(bandwidth * 1000 // (10 * spec.frame_rate))
    return Materials(spec, load_weights(spec, source), bandwidth, codebooks, folder)


def speech_hops(spec: CodecSpec, count: int) -> Audio:
    """The shipped recording from its third second on, in hops: (count, 1, hop_samples)."""
    skip = 3 * spec.frame_rate
    seconds = (skip + count) / spec.frame_rate
    audio = shipped_speech(spec.sample_rate, spec.channels, seconds)
    hops = audio.reshape(spec.channels, -1, spec.hop_samples).transpose(1, 0, 2)
    return np.ascontiguousarray(hops[round(skip) :])


def reference(m: Materials, hops: Audio) -> tuple[Codes, Audio]:
    """Codes (count, codebooks, 1) and audio (count, 1, hop_samples) of the torch module."""
    peer = make_peer("torch", m)
    codes = np.stack([peer.encode_hop(hop).copy() for hop in hops])
    audio = np.stack([peer.decode_hop(code).copy() for code in codes])
    return codes, audio
