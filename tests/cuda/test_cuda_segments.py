"""EnCodec 48 kHz on the GPU against the CPU: group norms, segment by segment.

Skipped without a GPU, as `test_cuda.py` is.
"""

from __future__ import annotations

import numpy as np
import pytest
from segmented_models import (
    one_segment_codec,
    stereo,
    tiny_48khz,
    tiny_48khz_spec,
    tiny_48khz_weights,
)

from hopcodec import Codec, Codes, StreamError
from hopcodec.codec._codes import join_codes


@pytest.fixture(scope="module")
def on_gpu(gpu: None) -> Codec:
    return Codec(tiny_48khz_spec(), tiny_48khz_weights(), device="cuda")


def same(codes: Codes, expected: Codes) -> None:
    assert len(codes) == len(expected)
    for mine, other in zip(codes, expected, strict=True):
        np.testing.assert_array_equal(mine.codes, other.codes)
        assert mine.scale == other.scale


@pytest.mark.parametrize("samples", [1, 3200, 3 * 3168 + 700])
def test_whole_signals_equal_the_cpu(on_gpu: Codec, samples: int) -> None:
    audio = stereo(samples)
    codes = tiny_48khz().encode(audio, 1.8)
    same(on_gpu.encode(audio, 1.8), codes)
    np.testing.assert_array_equal(on_gpu.decode(codes), tiny_48khz().decode(codes))


def test_streams_equal_the_cpu(on_gpu: Codec) -> None:
    audio = stereo(8000)
    codes = tiny_48khz().encode(audio, 0.9)
    encoder = on_gpu.encoder(0.9)
    parts = [
        encoder.push(np.ascontiguousarray(audio[:, at : at + 1500])) for at in range(0, 8000, 1500)
    ]
    same(join_codes((*parts, encoder.flush())), codes)


def test_a_segment_moves_between_devices(gpu: None) -> None:
    """A stream of the inner codec, in the middle of its segment; too long a one is refused."""
    spec, weights = tiny_48khz_spec(), tiny_48khz_weights()
    cpu = one_segment_codec(spec, weights)
    device = Codec(cpu.spec, weights, device="cuda")
    audio = stereo(10 * spec.hop_samples)
    codes = cpu.encoder(max_frames_per_push=10)
    expected = np.concatenate([codes.push(audio), codes.flush()], axis=1)
    first, second = (c.encoder(max_frames_per_push=10) for c in (cpu, device))
    first.push(np.ascontiguousarray(audio[:, :1000]))
    second.restore(first.snapshot())
    second.push(np.ascontiguousarray(audio[:, 1000:]))
    with pytest.raises(StreamError):
        second.push(np.ascontiguousarray(audio[:, :1]))
    np.testing.assert_array_equal(second.flush(), expected)
    decoder, other = (c.decoder(max_frames_per_push=10) for c in (device, cpu))
    other.push(expected)
    sound = other.flush()
    decoder.push(np.ascontiguousarray(expected[:, :4]))
    blob = decoder.snapshot()
    decoder.reset()
    decoder.restore(blob)
    decoder.push(np.ascontiguousarray(expected[:, 4:]))
    np.testing.assert_array_equal(decoder.flush(), sound)
