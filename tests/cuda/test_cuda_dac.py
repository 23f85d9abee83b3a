"""DAC on the GPU against the CPU: projected codebooks, Snake, look-ahead, whole hops.

Skipped without a GPU, as `test_cuda.py` is.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopcodec import Codec
from hopcodec.specs._dac import dac
from hopcodec.specs._language import CodecSpec
from hopcodec.weights._seeded import seeded_weights

Array = npt.NDArray[np.float32]

# Strides as published, 16 and 24 kHz sharing theirs; 1024 / 256 of the width.
SHAPES: dict[str, dict[str, Any]] = {
    "dac_24khz": {"encoder_rates": (2, 4, 5, 8), "decoder_rates": (8, 5, 4, 2), "n_codebooks": 4},
    "dac_44khz": {"n_codebooks": 9},
    "dac_44khz_16kbps": {"n_codebooks": 18, "latent_dim": 16},
}
NAMES = tuple(SHAPES)


@cache
def narrow(name: str) -> CodecSpec:
    return dac(
        name, sample_rate=44100, encoder_dim=2, decoder_dim=16, codebook_size=64, **SHAPES[name]
    )


@cache
def codec_on(device: str, name: str, **options: Any) -> Codec:
    spec = narrow(name)
    return Codec(spec, seeded_weights(spec), device=device, **options)


def noise(*shape: int, seed: int = 0) -> Array:
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def encoded(codec: Codec, audio: Array, most: int = 2, books: int | None = None) -> Any:
    """As `encode`, in steps of few frames: over a stand-in for the GPU, many take long."""
    encoder = codec.encoder(codebooks=books, max_frames_per_push=most)
    return np.concatenate([encoder.push(audio), encoder.flush()], axis=1)


def decoded(codec: Codec, codes: Any, most: int = 2) -> Array:
    decoder = codec.decoder(max_frames_per_push=most)
    return np.concatenate([decoder.push(codes), decoder.flush()], axis=1)


@pytest.mark.parametrize("full_hop", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_whole_signals_equal_the_cpu(gpu: None, name: str, full_hop: bool) -> None:
    """No samples, less than a hop, whole hops, and a last hop that must be filled."""
    cpu, device = (codec_on(d, name, full_hop=full_hop) for d in ("cpu", "cuda"))
    hop = cpu.hop_samples
    for samples in (0, 1, hop, 12 * hop + 7):
        audio = noise(1, samples, seed=samples)
        codes = cpu.encode(audio)
        np.testing.assert_array_equal(encoded(device, audio), codes)
        np.testing.assert_array_equal(decoded(device, codes), cpu.decode(codes))


@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_any_partition_gives_the_whole(gpu: None, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    device = codec_on("cuda", name)
    audio = noise(1, data.draw(st.integers(0, 6000)))
    whole = codec_on("cpu", name).encode(audio)
    most = data.draw(st.integers(1, 3))
    encoder = device.encoder(max_frames_per_push=most)
    decoder = device.decoder(max_frames_per_push=most)
    codes, sound, at = [], [], 0
    while at < audio.shape[1]:
        piece = data.draw(st.integers(1, 3000))
        codes.append(encoder.push(np.ascontiguousarray(audio[:, at : at + piece])))
        sound.append(decoder.push(codes[-1]))
        at += piece
    codes.append(encoder.flush())
    sound += [decoder.push(codes[-1]), decoder.flush()]
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), whole)
    np.testing.assert_array_equal(
        np.concatenate(sound, axis=1), codec_on("cpu", name).decode(whole)
    )


@pytest.mark.parametrize("frames", [2, 7])
def test_a_truncated_lookahead_is_the_cpus(gpu: None, frames: int) -> None:
    cpu, device = (codec_on(d, "dac_24khz", low_latency=frames) for d in ("cpu", "cuda"))
    audio = noise(1, 13 * 320 + 9)
    codes = cpu.encode(audio)
    sound = cpu.decode(codes)
    np.testing.assert_array_equal(encoded(device, audio), codes)
    np.testing.assert_array_equal(decoded(device, codes), sound)
    # From one device to the other, hop by hop.
    sides = [(codec.encoder(), codec.decoder()) for codec in (cpu, device)]
    for codec in (cpu, device):
        assert codec.encoder().lookahead_samples == cpu.encoder().lookahead_samples
    parts, heard = [], []
    for i, at in enumerate(range(0, audio.shape[1], 320)):
        encoder, decoder = sides[i % 2]
        parts.append(encoder.push(np.ascontiguousarray(audio[:, at : at + 320])))
        heard.append(decoder.push(parts[-1]))
        next_encoder, next_decoder = sides[(i + 1) % 2]
        next_encoder.restore(encoder.snapshot())
        next_decoder.restore(decoder.snapshot())
    encoder, decoder = sides[(i + 1) % 2]
    parts.append(encoder.flush())
    heard += [decoder.push(parts[-1]), decoder.flush()]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), codes)
    np.testing.assert_array_equal(np.concatenate(heard, axis=1), sound)


def test_any_number_of_codebooks(gpu: None) -> None:
    """What was prepared for, and what was not."""
    audio = noise(1, 5000)
    cpu, device = codec_on("cpu", "dac_44khz"), codec_on("cuda", "dac_44khz")
    for books in (1, 6):
        expected = cpu.encode(audio, codebooks=books)
        np.testing.assert_array_equal(encoded(device, audio, books=books), expected)
        np.testing.assert_array_equal(decoded(device, expected), cpu.decode(expected))


def test_streams_step_together(gpu: None) -> None:
    """Three streams of different ages; each must give what it gives alone on the CPU."""
    cpu, device = codec_on("cpu", "dac_24khz"), codec_on("cuda", "dac_24khz")
    hop, n = cpu.hop_samples, 3
    audio = noise(n, 1, 14 * hop)
    streams = device.streams(n)
    pairs = [(cpu.encoder(), cpu.decoder()) for _ in range(n)]
    for step in range(14):
        slots = np.arange(min(n, 1 + step // 3), dtype=np.int32)
        piece = np.ascontiguousarray(audio[slots, :, step * hop : (step + 1) * hop])
        codes, frames = streams.encode(piece, slots)
        for i, slot in enumerate(slots):
            one = np.ascontiguousarray(codes[i, :, : frames[i]])
            np.testing.assert_array_equal(one, pairs[slot][0].push(piece[i]))
            if frames[i] == 0:
                continue
            sound, samples = streams.decode(one[None], slots[i : i + 1])
            np.testing.assert_array_equal(sound[0, :, : samples[0]], pairs[slot][1].push(one))


def test_a_stream_moves_between_devices(gpu: None) -> None:
    cpu, device = codec_on("cpu", "dac_44khz"), codec_on("cuda", "dac_44khz")
    audio = noise(1, 11 * 512 + 100)
    whole = cpu.encode(audio)
    encoders = [codec.encoder(max_frames_per_push=2) for codec in (cpu, device)]
    decoders = [codec.decoder(max_frames_per_push=2) for codec in (cpu, device)]
    codes, sound = [], []
    for i, at in enumerate(range(0, audio.shape[1], 700)):
        here, there = i % 2, (i + 1) % 2
        codes.append(encoders[here].push(np.ascontiguousarray(audio[:, at : at + 700])))
        encoders[there].restore(encoders[here].snapshot())
        sound.append(decoders[here].push(codes[-1]))
        decoders[there].restore(decoders[here].snapshot())
    codes.append(encoders[there].flush())
    sound += [decoders[there].push(codes[-1]), decoders[there].flush()]
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), whole)
    np.testing.assert_array_equal(np.concatenate(sound, axis=1), cpu.decode(whole))


def test_live_hops_are_captured_graphs(gpu: None) -> None:
    encoder = codec_on("cuda", "dac_44khz").encoder(max_frames_per_push=1)
    for hop in range(12):
        encoder.push(noise(1, 512, seed=hop))
    assert (encoder._core.graph_steps, encoder._core.eager_steps) == (12, 0)  # type: ignore[union-attr]
