"""The GPU against the CPU: the same codes, the same audio, the same snapshots.

Without a GPU these tests are skipped, and say so; with HOPCODEC_REQUIRE_CUDA=1 they fail instead.
What needs none (every kernel and the executor, run on the CPU by a stand-in of the CUDA runtime) is
in tests/cpp/cuda_*_test.cpp.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from gpus import no_gpu
from hypothesis import given, settings
from hypothesis import strategies as st
from near_ties import excused_ties
from shared_models import full_weights, tiny_spec, tiny_weights

import hopcodec
from hopcodec import Codec, DeviceError, StreamError, _core
from hopcodec.specs._encodec import encodec_24khz

Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def tiny_gpu(gpu: None) -> Codec:
    return Codec(tiny_spec(), tiny_weights(), device="cuda")


@pytest.fixture(scope="module")
def full_gpu(gpu: None) -> Codec:
    return Codec(encodec_24khz(), full_weights(), device="cuda")


def noise(*shape: int, seed: int = 0) -> Array:
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


# --- on any machine -------------------------------------------------------------------------------


def test_without_a_gpu_there_is_one_clear_error(tiny: Codec) -> None:
    if not no_gpu():
        pytest.skip("there is a GPU here")
    for attempt in (
        lambda: hopcodec.load(device="cuda"),
        lambda: tiny.streams(2, device="cuda"),
        lambda: Codec(tiny_spec(), tiny_weights(), device="cuda").encoder(0.9),
    ):
        with pytest.raises(DeviceError, match=r"^cuda: expected .*, got "):
            attempt()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda0", "CUDA", ""])
def test_a_device_must_be_named_properly(tiny: Codec, name: str) -> None:
    with pytest.raises(DeviceError, match='expected "cpu", "cuda" or "cuda:<number>"'):
        hopcodec.load(device=name)
    with pytest.raises(DeviceError, match='expected "cpu", "cuda" or "cuda:<number>"'):
        tiny.streams(2, device=name)


# --- on a GPU -------------------------------------------------------------------------------------


def test_a_device_that_is_not_there(gpu: None) -> None:
    with pytest.raises(DeviceError, match="device from 0 to"):
        hopcodec.load(device="cuda:99")


@pytest.mark.parametrize("start", ["exact", "immediate"])
@pytest.mark.parametrize("samples", [0, 1, 319, 320, 321, 2240, 10 * 320 + 7, 75 * 320])
def test_whole_signals_equal_the_cpu(
    tiny: Codec, tiny_gpu: Codec, samples: int, start: str
) -> None:
    audio = noise(1, samples, seed=samples)
    codes = tiny.encode(audio, 3.6, start=start)
    np.testing.assert_array_equal(tiny_gpu.encode(audio, 3.6, start=start), codes)
    np.testing.assert_array_equal(
        tiny_gpu.decode(codes, start=start), tiny.decode(codes, start=start)
    )


@pytest.mark.minutes_on_a_stand_in
def test_the_released_shape_equals_the_cpu(codec: Codec, full_gpu: Codec, speech: Array) -> None:
    audio = np.ascontiguousarray(speech[:, : 4 * 24000 + 100])
    expected = codec.encode(audio, 24.0)
    codes = full_gpu.encode(audio, 24.0)
    np.testing.assert_array_equal(codes, expected)  # chains are summed in the CPU's order
    np.testing.assert_array_equal(full_gpu.decode(codes), codec.decode(codes))


@pytest.mark.minutes_on_a_stand_in
def test_near_ties_are_all_that_may_ever_differ(
    codec: Codec, full_gpu: Codec, speech: Array
) -> None:
    """What is promised: codes equal, or as near in float64. What is meant: no difference at all."""
    audio = np.ascontiguousarray(speech[:, : 24000 * 2])
    latents = codec.encoder(24.0).latents(audio, last=True).astype(np.float64)
    books = np.stack([full_weights()[f"quantizer.layers.{q}.codebook.embed"] for q in range(32)])
    excused = excused_ties(full_gpu.encode(audio, 24.0), codec.encode(audio, 24.0), latents, books)
    assert excused == 0


@settings(max_examples=4 if _core.cuda.stand_in() else 25, deadline=None)
@given(data=st.data())
def test_any_partition_gives_the_whole(gpu: None, data: st.DataObject) -> None:
    codec = Codec(tiny_spec(), tiny_weights(), device="cuda")
    start = data.draw(st.sampled_from(["exact", "immediate"]))
    audio = noise(1, data.draw(st.integers(0, 5000)))
    whole = codec.encode(audio, 1.8, start=start)
    encoder = codec.encoder(1.8, start=start, max_frames_per_push=data.draw(st.integers(1, 3)))
    parts, at = [], 0
    while at < audio.shape[1]:
        piece = data.draw(st.integers(0, 900))
        parts.append(encoder.push(np.ascontiguousarray(audio[:, at : at + piece])))
        at += piece
    parts.append(encoder.flush())
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


MANY = [pytest.param(n, marks=pytest.mark.minutes_on_a_stand_in) for n in (17, 130, 600)]


@pytest.mark.parametrize("n", [1, 2, 3, 9, *MANY])
def test_a_batch_equals_each_alone(tiny: Codec, tiny_gpu: Codec, n: int) -> None:
    """600 lanes bring every product to its wide kernel."""
    audio = noise(n, 1, 320 * 11, seed=n)
    streams = tiny_gpu.streams(n, bandwidth=1.8)
    on_cpu = tiny.streams(n, bandwidth=1.8)
    for hop in range(11):
        piece = np.ascontiguousarray(audio[:, :, hop * 320 : (hop + 1) * 320])
        codes, frames = streams.encode(piece)
        expected, count = on_cpu.encode(piece)
        np.testing.assert_array_equal(frames, count)
        np.testing.assert_array_equal(codes, expected)
        if codes.shape[2] == 0:
            continue
        sound, samples = streams.decode(codes)
        reference, length = on_cpu.decode(codes)
        np.testing.assert_array_equal(samples, length)
        np.testing.assert_array_equal(sound, reference)


@pytest.mark.minutes_on_a_stand_in
def test_many_streams_of_the_released_shape(codec: Codec, full_gpu: Codec) -> None:
    audio = noise(160, 1, 320 * 4)
    streams = full_gpu.streams(160, bandwidth=6.0, start="immediate")
    codes, _ = streams.encode(audio)
    sound, _ = streams.decode(codes)
    on_cpu = codec.streams(160, bandwidth=6.0, start="immediate")
    expected, _ = on_cpu.encode(audio)
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(sound, on_cpu.decode(codes)[0])


def test_streams_join_leave_and_reset(tiny: Codec, tiny_gpu: Codec) -> None:
    rng = np.random.default_rng(3)
    n = 9
    streams = tiny_gpu.streams(n, bandwidth=0.9)
    alone = [tiny.encoder(0.9) for _ in range(n)]
    for step in range(40):
        slots = np.flatnonzero(rng.random(n) < 0.6).astype(np.int32)
        if step % 7 == 6:
            streams.reset(slots)
            for slot in slots:
                alone[slot].reset()
            continue
        audio = noise(len(slots), 1, int(rng.integers(0, 900)), seed=step)
        codes, frames = streams.encode(audio, slots)
        for i, slot in enumerate(slots):
            np.testing.assert_array_equal(codes[i, :, : frames[i]], alone[slot].push(audio[i]))


def test_a_stream_moves_between_devices(tiny: Codec, tiny_gpu: Codec) -> None:
    audio = noise(1, 6000)
    whole = tiny.encode(audio, 1.8)
    sides = [tiny.encoder(1.8), tiny_gpu.encoder(1.8)]
    parts = []
    for i, at in enumerate(range(0, 6000, 500)):
        parts.append(sides[i % 2].push(np.ascontiguousarray(audio[:, at : at + 500])))
        sides[(i + 1) % 2].restore(sides[i % 2].snapshot())
    parts.append(sides[0].flush())
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    with pytest.raises(StreamError, match="snapshot"):
        sides[1].restore(b"x" * len(sides[1].snapshot()))


def test_replay_equals_eager(tiny_gpu: Codec) -> None:
    audio = noise(1, 3000)
    codec = tiny_gpu

    def session(graphs: bool) -> _core.cuda.Encoder:
        return _core.cuda.Encoder(
            codec.sessions.encoder_layers,
            codec.sessions.quantizer,
            channels=1,
            hop_samples=320,
            codebooks=[4],
            graphs=graphs,
        )

    replayed, eager = session(True), session(False)
    np.testing.assert_array_equal(replayed.push(audio, 4), eager.push(audio, 4))
    assert (replayed.eager_steps, eager.graph_steps) == (0, 0)
    assert min(replayed.graph_steps, eager.eager_steps) > 0
    np.testing.assert_array_equal(replayed.push(audio, 3), eager.push(audio, 3))
    assert replayed.eager_steps > 0, "three codebooks were not captured"


def test_replay_equals_eager_in_a_decoder(tiny_gpu: Codec) -> None:
    codec = tiny_gpu

    def session(graphs: bool) -> _core.cuda.Decoder:
        return _core.cuda.Decoder(
            codec.sessions.decoder_layers,
            codec.sessions.quantizer,
            channels=1,
            hop_samples=320,
            max_frames=2,
            graphs=graphs,
        )

    replayed, eager = session(True), session(False)
    rng = np.random.default_rng(4)
    for codebooks, frames in [(8, 1), (8, 9), (1, 2), (3, 5)]:
        codes = rng.integers(0, 64, (codebooks, frames), np.uint16)
        sound = replayed.push(codes)
        assert sound.shape[1] > 0 or frames == 1
        np.testing.assert_array_equal(sound, eager.push(codes))
    np.testing.assert_array_equal(replayed.flush(), eager.flush())
    assert (replayed.eager_steps, eager.graph_steps) == (0, 0)
    assert min(replayed.graph_steps, eager.eager_steps) > 0
