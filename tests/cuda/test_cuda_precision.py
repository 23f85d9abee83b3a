"""tf32 and bf16 on a GPU: how near they are to float32, and which laws still hold.

Without a GPU most of it is skipped, as in `test_cuda.py`; `tests/cpp/cuda_mma_test.cpp` and
`cuda_precision_test.cpp` have the kernels and sessions on any machine.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from shared_models import tiny_spec, tiny_weights

import hopcodec
from hopcodec import Codec, StreamError, _core
from hopcodec.weights._resolve import resolve

Array = npt.NDArray[np.float32]
TENSOR_CORES = ("tf32", "bf16")
# On speech, with the default model: codes that equal float32's, at least; and the audio of the same
# codes against float32's, in dB. Measured: 98 % and 71 dB; 83 to 88 % and 51 dB.
NEAREST_CODES = {"tf32": 0.95, "bf16": 0.75}
NEAREST_DB = {"tf32": 62.0, "bf16": 42.0}
KEPT_STATE = 0.6
SAMPLES = 12000 if _core.cuda.stand_in() else 24000


@cache
def default_on(device: str, precision: Any = "fp32") -> Codec:
    spec, weights = resolve(None)
    return Codec(spec, weights, device=device, precision=precision)


def encoded(codec: Codec, audio: Array) -> npt.NDArray[np.uint16]:
    """As `encode`, in steps of two frames: over a stand-in for the GPU, many take long."""
    encoder = codec.encoder(6.0, max_frames_per_push=2)
    return np.concatenate([encoder.push(audio), encoder.flush()], axis=1)


def decoded(codec: Codec, codes: npt.NDArray[np.uint16]) -> Array:
    decoder = codec.decoder(max_frames_per_push=2)
    return np.concatenate([decoder.push(codes), decoder.flush()], axis=1)


def snr_db(x: Array, exact: Array) -> float:
    error = np.square(x.astype(np.float64) - exact).sum()
    return float(10 * np.log10(np.square(exact.astype(np.float64)).sum() / error))


# --- on any machine -------------------------------------------------------------------------------


def test_tf32_is_of_a_gpu(tiny: Codec) -> None:
    for attempt in (
        lambda: hopcodec.load("no/such/file.safetensors", precision="tf32"),
        lambda: Codec(tiny_spec(), tiny_weights(), precision="tf32"),
        lambda: hopcodec.load("encodec_48khz", seeded=True, precision="tf32"),
    ):
        with pytest.raises(ValueError, match='expected "fp32" or "bf16" on the CPU, got "tf32"'):
            attempt()


def test_a_session_knows_its_precisions(tiny: Codec) -> None:
    with pytest.raises(ValueError, match='expected "fp32", "tf32" or "bf16", got "fp16"'):
        _core.cuda.Encoder(
            tiny.sessions.encoder_layers,
            tiny.sessions.quantizer,
            channels=1,
            hop_samples=320,
            precision="fp16",
        )
    with pytest.raises(ValueError, match='expected "fp32", "tf32" or "bf16", got \'fp16\''):
        Codec(tiny_spec(), tiny_weights(), precision="fp16")  # type: ignore[arg-type]


def test_a_codec_says_how_it_computes(tiny: Codec) -> None:
    assert repr(tiny).endswith("fp32 on cpu>")
    assert "bf16 on cpu" in repr(Codec(tiny_spec(), tiny_weights(), precision="bf16"))


# --- on a GPU -------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", TENSOR_CORES)
def test_near_float32_on_speech(gpu: None, precision: str, speech: Array) -> None:
    audio = np.ascontiguousarray(speech[:, 20000 : 20000 + SAMPLES])
    exact, codec = default_on("cpu"), default_on("cuda", precision)
    expected = exact.encode(audio, 6.0)
    share = float((encoded(codec, audio) == expected).mean())
    db = snr_db(decoded(codec, expected), exact.decode(expected))
    print(f"{codec!r}: {share:.2%} of the codes are float32's, audio of the same codes {db:.1f} dB")
    assert NEAREST_CODES[precision] < share
    assert NEAREST_DB[precision] < db < 120, "all of it equal: not computed in this precision"


@pytest.mark.parametrize("precision", TENSOR_CORES)
def test_any_partition_gives_the_whole(gpu: None, precision: str, speech: Array) -> None:
    audio = np.ascontiguousarray(speech[:, 24000 : 24000 + SAMPLES // 4])
    codec = default_on("cuda", precision)
    whole = encoded(codec, audio)
    encoder = codec.encoder(6.0, max_frames_per_push=1)
    decoder = codec.decoder(max_frames_per_push=3)
    codes, sound, at = [], [], 0
    for piece in (1, 319, 0, 700, 320, 1300, 640, 5000):
        codes.append(encoder.push(np.ascontiguousarray(audio[:, at : at + piece])))
        sound.append(decoder.push(codes[-1]))
        at += piece
    codes.append(encoder.flush())
    sound += [decoder.push(codes[-1]), decoder.flush()]
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), whole)
    np.testing.assert_array_equal(np.concatenate(sound, axis=1), decoded(codec, whole))


@pytest.mark.parametrize("precision", TENSOR_CORES)
@pytest.mark.parametrize("n", [2, pytest.param(33, marks=pytest.mark.minutes_on_a_stand_in)])
def test_a_batch_equals_each_alone(gpu: None, precision: str, n: int) -> None:
    rng = np.random.default_rng(n)
    audio = (0.1 * rng.standard_normal((n, 1, 320 * 6))).astype(np.float32)
    codec = Codec(tiny_spec(), tiny_weights(), device="cuda", precision=precision)  # type: ignore[arg-type]
    streams = codec.streams(n, bandwidth=1.8, start="immediate")
    codes, _ = streams.encode(audio)
    sound, _ = streams.decode(codes)
    for i in (0, n // 2, n - 1):
        encoder = codec.encoder(1.8, start="immediate", max_frames_per_push=2)
        decoder = codec.decoder(start="immediate", max_frames_per_push=2)
        np.testing.assert_array_equal(encoder.push(audio[i]), codes[i])
        np.testing.assert_array_equal(decoder.push(np.ascontiguousarray(codes[i])), sound[i])


@pytest.mark.parametrize("precision", TENSOR_CORES)
def test_a_stream_moves_between_devices(gpu: None, precision: str, speech: Array) -> None:
    """tf32 keeps the weights of float32, so its streams do too; bf16's go with bf16's."""
    audio = np.ascontiguousarray(speech[:, 20000:28000])
    codec = default_on("cuda", precision)
    exact = default_on("cpu", "bf16" if precision == "bf16" else "fp32")
    there, here = codec.encoder(6.0, max_frames_per_push=2), exact.encoder(6.0)
    parts = []
    for at in range(0, 8000, 1000):
        parts.append(there.push(np.ascontiguousarray(audio[:, at : at + 1000])))
        here.restore(there.snapshot())
        there, here = (here, there)
    parts.append(there.flush())
    share = float((np.concatenate(parts, axis=1) == exact.encode(audio, 6.0)).mean())
    # Few frames, and an early codebook's near tie takes the rest of its frame along; without the
    # other side's state, every sixth code would be the same.
    assert share > KEPT_STATE
    if precision == "bf16":
        with pytest.raises(StreamError, match="weights"):
            default_on("cpu").encoder(6.0).restore(there.snapshot())
