"""Bad input: a clear error, nothing lost, nothing poisoned."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import hopcodec
from hopcodec import Codec, DeviceError, WeightsError
from hopcodec.codec._hop_streams import HopDecoder, HopEncoder

Array = npt.NDArray[np.float32]


def hop(value: float) -> Array:
    return np.full((1, 320), value, np.float32)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1025.0])
def test_a_bad_sample_is_refused_and_the_stream_goes_on(
    codec: Codec, speech: Array, bad: float
) -> None:
    encoder, untouched = codec.encoder(6.0), codec.encoder(6.0)
    for stream in (encoder, untouched):
        stream.push(np.ascontiguousarray(speech[:, :4001]))
    chunk = speech[:, 4001:6000].copy()
    chunk[0, 123] = bad
    with pytest.raises(ValueError, match=re.escape("+-1024") + ".*at sample 123"):
        encoder.push(chunk)
    rest = np.ascontiguousarray(speech[:, 4001:9000])
    np.testing.assert_array_equal(encoder.push(rest), untouched.push(rest))


@pytest.mark.parametrize("value", [1024.0, -1024.0, 1e-40, -1e-40, 0.0, 1.0])
def test_extreme_samples_stay_finite_and_leave_no_trace(
    codec: Codec, speech: Array, value: float
) -> None:
    encoder, decoder = codec.encoder(24.0), codec.decoder()
    for _ in range(20):
        codes = encoder.push(hop(value))
        assert codes.max(initial=0) < codec.codebook_size
        assert np.isfinite(decoder.push(codes)).all()
    assert np.isfinite(encoder.latents(hop(value))).all()
    encoder.reset()
    decoder.reset()
    audio = np.ascontiguousarray(speech[:, 20000:28000])
    codes = encoder.push(audio)
    fresh = codec.encoder(24.0)
    np.testing.assert_array_equal(codes, fresh.push(audio))
    np.testing.assert_array_equal(decoder.push(codes), codec.decoder().push(codes))


def test_denormals_count_as_silence(codec: Codec) -> None:
    denormal = codec.encode(np.full((1, 6400), 1e-41, np.float32), 24.0)
    np.testing.assert_array_equal(denormal, codec.encode(np.zeros((1, 6400), np.float32), 24.0))


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((1, 320)), "float64"),
        (np.zeros((1, 320), np.int16), "int16"),
        (np.zeros(320, np.float32), r"audio\[None, :\]"),
        (np.zeros((2, 320), np.float32), r"\(1, samples\)"),
        (np.zeros((1, 1, 320), np.float32), r"\(1, samples\)"),
        (np.zeros((1, 640), np.float32)[:, ::2], "not C-contiguous"),
        ([[0.0] * 320], "list"),
        (None, "NoneType"),
    ],
)
def test_wrong_audio_is_a_type_error(codec: Codec, audio: object, message: str) -> None:
    encoder = codec.encoder(6.0)
    for call in (encoder.push, encoder.latents, codec.encode):
        with pytest.raises(TypeError, match=message):
            call(audio)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((8, 2), np.int64), "int64"),
        (np.zeros((8, 2), np.uint8), "uint8"),
        (np.zeros(8, np.uint16), r"\(8,\)"),
        (np.zeros((0, 2), np.uint16), "1 to 32"),
        (np.zeros((33, 2), np.uint16), "1 to 32"),
        (np.zeros((8, 4), np.uint16)[:, ::2], "not C-contiguous"),
        ([[1]], "list"),
    ],
)
def test_wrong_codes_are_a_type_error(codec: Codec, codes: object, message: str) -> None:
    for call in (codec.decoder().push, codec.decode):
        with pytest.raises(TypeError, match=message):
            call(codes)  # type: ignore[operator]


def test_a_code_out_of_range_leaves_the_decoder_alone(codec: Codec, speech: Array) -> None:
    codes = codec.encode(np.ascontiguousarray(speech[:, :9600]), 6.0)
    decoder, untouched = codec.decoder(), codec.decoder()
    bad = codes.copy()
    bad[5, 17] = 1024
    with pytest.raises(ValueError, match="frame 17"):
        decoder.push(bad)
    np.testing.assert_array_equal(decoder.push(codes), untouched.push(codes))


def test_every_code_in_every_book_decodes(codec: Codec) -> None:
    codes = np.stack([np.roll(np.arange(1024), 7 * q) for q in range(32)]).astype(np.uint16)
    assert np.isfinite(codec.decode(codes)).all()


@pytest.mark.parametrize("bandwidth", [0, -1.5, 1.4, 5.99, 48.0, float("nan"), "6"])
def test_a_bandwidth_that_is_not_offered(codec: Codec, bandwidth: object) -> None:
    with pytest.raises(ValueError, match=r"expected one of 1.5, 3, 6, 12, 24 kbps, got"):
        codec.encoder(bandwidth)  # type: ignore[arg-type]


def test_other_wrong_arguments(codec: Codec) -> None:
    with pytest.raises(ValueError, match='"exact" or "immediate"'):
        codec.encoder(start="soon")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_frames_per_push: expected 1 to 4096, got 0"):
        codec.encoder(max_frames_per_push=0)
    with pytest.raises(ValueError, match="threads: expected 1 to 256, got 0"):
        hopcodec.load(threads=0)
    with pytest.raises(DeviceError, match='got "tpu"'):
        hopcodec.load(device="tpu")
    with pytest.raises(DeviceError, match="cuda"):
        codec.streams(2, device="cuda")
    with pytest.raises(WeightsError, match="encodec_24khz"):
        hopcodec.load("no_such_model")
    with pytest.raises(ValueError, match="samples: expected 0 to 640"):
        codec.decode(np.zeros((8, 2), np.uint16), samples=641)
    with pytest.raises(ValueError, match="codebooks: expected 1 to 32"):
        codec.bandwidth_for(33)


def test_results_into_the_callers_arrays(codec: Codec, speech: Array) -> None:
    audio = np.ascontiguousarray(speech[:, 20000:26400])
    expected = codec.encoder(6.0).push(audio)
    codes = np.full((8, 25), 7, np.uint16)
    given = codec.encoder(6.0).push(audio, out=codes)
    assert given.base is not None
    assert np.shares_memory(given, codes)
    np.testing.assert_array_equal(given, expected)
    assert (codes[:, 20:] == 7).all()

    sound = np.full((1, 7000), 7, np.float32)
    view = codec.decoder().push(expected, out=sound)
    assert np.shares_memory(view, sound)
    np.testing.assert_array_equal(view, codec.decoder().push(expected))
    assert (sound[:, 6400:] == 7).all()

    encoder = codec.encoder(6.0)
    with pytest.raises(ValueError, match=r"out: expected shape \(8, at least 20\), got \(8, 19\)"):
        encoder.push(audio, out=np.zeros((8, 19), np.uint16))
    with pytest.raises(TypeError, match="out: expected"):
        encoder.push(audio, out=np.zeros((8, 20), np.int32))  # type: ignore[arg-type]
    odd = np.zeros(8 * 20 * 2 + 1, np.uint8)[1:].view(np.uint16).reshape(8, 20)
    with pytest.raises(ValueError, match="out: expected an aligned array"):
        encoder.push(audio, out=odd)
    np.testing.assert_array_equal(encoder.push(audio), expected)


def test_results_never_lie_over_what_is_still_to_be_read(codec: Codec, speech: Array) -> None:
    """A push of many steps writes its first results before it reads its last rows."""
    audio = np.ascontiguousarray(speech[:, :6400])
    encoder, decoder = codec.encoder(6.0), codec.decoder(max_frames_per_push=1)
    with pytest.raises(ValueError, match="out: expected memory of its own, got some of the input"):
        encoder.push(audio, out=audio.view(np.uint16).reshape(8, 1600))
    sound = np.zeros((1, 7000), np.float32)
    codes = sound.view(np.uint16).reshape(-1)[-160:].reshape(8, 20)  # the end of it
    with pytest.raises(ValueError, match="out: expected memory of its own, got some of the input"):
        decoder.push(codes, out=sound)
    sides = np.zeros((2, 7000), np.float32)  # neighbours that share nothing
    codes = sides[1].view(np.uint16)[:160].reshape(8, 20)
    codes[:] = codec.encode(audio, 6.0)
    expected = codec.decoder().push(codes)
    np.testing.assert_array_equal(decoder.push(codes, out=sides[:1]), expected)


def test_a_program_may_end_while_a_thread_computes() -> None:
    """A daemon thread inside a push neither aborts the program nor changes its exit status."""
    program = """
import threading, numpy as np, hopcodec
encoder, began = hopcodec.load().encoder(), threading.Event()
def work():
    while True:
        encoder.push(np.zeros((1, 48000), np.float32))
        began.set()
threading.Thread(target=work, daemon=True).start()
began.wait()
raise SystemExit(5)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (5, "")


@pytest.mark.parametrize(
    ("audio", "cure"),
    [
        (np.zeros((1, 320), np.int16), r"audio.astype\(np.float32\) / 32768"),
        (np.zeros((1, 320)), r"audio.astype\(np.float32\)"),
        (np.zeros((1, 640), np.float32)[:, ::2], r"np.ascontiguousarray\(audio\)"),
        (np.zeros((320, 1), np.float32), r"np.ascontiguousarray\(audio.T\)"),
    ],
)
def test_the_message_names_the_cure(codec: Codec, audio: Array, cure: str) -> None:
    with pytest.raises(TypeError, match=cure):
        codec.encoder().push(audio)


def test_snapshots_are_any_bytes_and_errors_are_short(codec: Codec, speech: Array) -> None:
    encoder = codec.encoder()
    encoder.push(np.ascontiguousarray(speech[:, :5000]))
    blob = encoder.snapshot()
    for same in (bytearray(blob), memoryview(blob)):
        encoder.reset()
        encoder.restore(same)
        assert encoder.snapshot() == blob
    for wrong in (None, "HOPSTAT1", [1, 2]):
        with pytest.raises(TypeError, match="snapshot: expected bytes, got") as caught:
            encoder.restore(wrong)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 200
    with pytest.raises(TypeError, match="x: expected a C-contiguous float32 array") as caught:
        hopcodec.ops.elu(np.zeros(100_000))  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200


def test_what_load_and_streams_refuse(codec: Codec) -> None:
    with pytest.raises(TypeError, match="threads: expected a whole number, got"):
        hopcodec.load(threads=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model: expected a name or a path, got int"):
        hopcodec.load(5)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match="empty"):
        hopcodec.load("")
    for n in (0, -1, 10**12):
        with pytest.raises(ValueError, match="streams: expected 1 to 65536"):
            codec.streams(n)
    with pytest.raises(TypeError, match="streams: expected a whole number, got '4'"):
        codec.streams("4")  # type: ignore[arg-type]


def test_ctrl_c_ends_a_long_encode_and_decode(
    codec: Codec, speech: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python handles signals between calls of the core, and no call takes more than a step."""
    codes = codec.encode(speech)
    lengths: list[int] = []

    def interrupted(push: Any) -> Any:
        def second_raises(stream: object, signal: npt.NDArray[Any], **options: Any) -> Any:
            lengths.append(signal.shape[1])
            if len(lengths) == 2:
                raise KeyboardInterrupt
            return push(stream, signal, **options)

        return second_raises

    for stream, code, whole, step in (
        (HopEncoder, codec.encode, speech, 64 * codec.hop_samples),
        (HopDecoder, codec.decode, codes, 64),
    ):
        assert whole.shape[1] > 2 * step
        monkeypatch.setattr(stream, "push", interrupted(stream.push))
        with pytest.raises(KeyboardInterrupt):
            code(whole)  # type: ignore[operator]
        assert lengths == [step, step]
        lengths.clear()
    monkeypatch.undo()
    np.testing.assert_array_equal(codec.encode(speech), codes)


def test_the_place_of_a_bad_value_counts_from_the_start(codec: Codec, speech: Array) -> None:
    codes, wrong = codec.encode(speech), speech.copy()
    sample, frame = speech.shape[1] - 5, codes.shape[1] - 2
    wrong[0, sample] = np.nan
    with pytest.raises(ValueError, match=f"got nan at sample {sample}$"):
        codec.encode(wrong)
    codes[1, frame] = codec.codebook_size
    with pytest.raises(ValueError, match=f"a larger one in frame {frame}$"):
        codec.decode(codes)
