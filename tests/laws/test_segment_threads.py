"""A stream of segments belongs to one thread at a time, as the compiled sessions do."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from segmented_models import tiny_48khz

from hopcodec import Codes, StreamError
from hopcodec.codec._codes import join_codes

SAMPLES = 3200  # of a segment of the tiny codec


def noise(samples: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((2, samples))).astype(np.float32)


def test_one_thread_at_a_time() -> None:
    """A second thread is refused while the first is inside, and the first is not disturbed."""
    codec = tiny_48khz()
    audio = noise(2 * SAMPLES)
    whole = codec.encode(audio, 1.8)
    encoder, decoder = codec.encoder(1.8), codec.decoder()
    for stream, calls in (
        (
            encoder,
            [
                lambda: encoder.push(audio),
                encoder.flush,
                encoder.reset,
                encoder.snapshot,
                lambda: encoder.restore(codec.encoder().snapshot()),
            ],
        ),
        (
            decoder,
            [
                lambda: decoder.push(whole),
                decoder.flush,
                decoder.reset,
                decoder.snapshot,
                lambda: decoder.restore(codec.decoder().snapshot()),
            ],
        ),
    ):
        with stream._alone:  # as if another thread were computing
            for call in calls:
                with pytest.raises(StreamError, match="in use by another thread"):
                    call()
    assert join_codes((encoder.push(audio), encoder.flush())) == whole
    heard = np.concatenate([decoder.push(whole), decoder.flush()], axis=1)
    np.testing.assert_array_equal(heard, codec.decode(whole))


def test_two_threads_in_one_encoder() -> None:
    """A thread that comes while another pushes is refused; the push is not disturbed."""
    codec = tiny_48khz()
    audio = noise(3 * SAMPLES)
    encoder = codec.encoder(1.8)
    inside, go_on, given = threading.Event(), threading.Event(), []
    encode = encoder._encode

    def held(*args: Any) -> Codes:
        inside.set()
        assert go_on.wait(60)
        return encode(*args)

    encoder._encode = held
    first = threading.Thread(target=lambda: given.append(encoder.push(audio)))
    first.start()
    try:
        assert inside.wait(60)
        with pytest.raises(StreamError, match="in use by another thread: expected one thread"):
            encoder.push(audio)
    finally:
        go_on.set()
        first.join()
    assert join_codes((*given, encoder.flush())) == codec.encode(audio, 1.8)
