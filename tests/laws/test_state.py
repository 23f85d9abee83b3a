"""Reset, snapshot, restore: a stream's state is a value."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from shared_models import tiny_codec, tiny_spec, tiny_weights

import hopcodec
from hopcodec import Codec, StreamError

Array = npt.NDArray[np.float32]


def part(audio: Array, start: int, stop: int) -> Array:
    return np.ascontiguousarray(audio[:, start:stop])


@pytest.mark.parametrize("start", ["exact", "immediate"])
@pytest.mark.parametrize("before", [0, 1, 500, 2000, 2240, 5001])
def test_reset_is_fresh(tiny: Codec, speech: Array, start: str, before: int) -> None:
    audio = part(speech, 20000, 26000)
    fresh = tiny.encoder(1.8, start=start)
    used = tiny.encoder(1.8, start=start)
    used.push(part(speech, 0, before))
    if before % 2:
        used.flush()
    used.reset()
    np.testing.assert_array_equal(used.push(audio), fresh.push(audio))
    codes = fresh.flush()
    np.testing.assert_array_equal(used.flush(), codes)

    codes = tiny.encode(audio, 1.8)
    new, old = tiny.decoder(start=start), tiny.decoder(start=start)
    old.push(np.ascontiguousarray(codes[:, : before // 320]))
    old.reset()
    np.testing.assert_array_equal(old.push(codes), new.push(codes))


@pytest.mark.parametrize("start", ["exact", "immediate"])
@pytest.mark.parametrize("cut", [1, 319, 700, 2239, 2241, 4000])
def test_snapshot_mid_stream(codec: Codec, speech: Array, start: str, cut: int) -> None:
    audio = part(speech, 20000, 26000)
    one = codec.encoder(6.0, start=start)
    head = one.push(part(audio, 0, cut))
    blob = one.snapshot()
    tail = np.concatenate([one.push(part(audio, cut, 6000)), one.flush()], axis=1)
    # Another session, of another step size, that has seen other audio.
    two = codec.encoder(6.0, start=start, max_frames_per_push=2)
    two.push(part(speech, 0, 3000))
    two.restore(blob)
    again = np.concatenate([two.push(part(audio, cut, 6000)), two.flush()], axis=1)
    np.testing.assert_array_equal(again, tail)
    assert len(blob) < 80_000

    codes = np.concatenate([head, tail], axis=1)
    at = max(1, cut // 320)
    decoder = codec.decoder(start=start)
    decoder.push(np.ascontiguousarray(codes[:, :at]))
    blob = decoder.snapshot()
    rest = np.concatenate([decoder.push(np.ascontiguousarray(codes[:, at:])), decoder.flush()], 1)
    other = codec.decoder(start=start, max_frames_per_push=1)
    other.restore(blob)
    again = np.concatenate([other.push(np.ascontiguousarray(codes[:, at:])), other.flush()], 1)
    np.testing.assert_array_equal(again, rest)


CONTINUE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from shared_models import tiny_codec
encoder = tiny_codec().encoder(1.8)
encoder.restore(open(sys.argv[2], "rb").read())
audio = np.load(sys.argv[3])
np.save(sys.argv[4], np.concatenate([encoder.push(audio), encoder.flush()], axis=1))
"""


def test_snapshot_moves_to_another_process(tiny: Codec, speech: Array, tmp_path: Path) -> None:
    encoder = tiny.encoder(1.8)
    encoder.push(part(speech, 0, 5555))
    (tmp_path / "state").write_bytes(encoder.snapshot())
    rest = part(speech, 5555, 12000)
    np.save(tmp_path / "audio.npy", rest)
    args = [
        str(Path(__file__).parents[1] / "support"),
        *(str(tmp_path / n) for n in ("state", "audio.npy", "out.npy")),
    ]
    subprocess.run([sys.executable, "-c", CONTINUE, *args], check=True)
    expected = np.concatenate([encoder.push(rest), encoder.flush()], axis=1)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_a_foreign_or_damaged_snapshot_is_refused(tiny: Codec, speech: Array) -> None:
    encoder = tiny.encoder(1.8)
    encoder.push(part(speech, 0, 4000))
    blob = encoder.snapshot()
    rng = np.random.default_rng(0)
    damaged = [b"", blob[:-1], blob + b"\0", b"x" + blob[1:]]
    for _ in range(200):
        flipped = bytearray(blob)
        flipped[rng.integers(len(blob))] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for bad in damaged:
        with pytest.raises(StreamError, match="snapshot"):
            encoder.restore(bad)
    # None of that touched the stream.
    assert encoder.snapshot() == blob

    for other in (tiny.encoder(1.8, start="immediate"), tiny.decoder()):
        with pytest.raises(StreamError, match="snapshot"):
            other.restore(blob)
    weights = dict(tiny_weights())
    weights["encoder.layers.0.conv.bias"] = weights["encoder.layers.0.conv.bias"] + np.float32(1e-3)
    with pytest.raises(StreamError, match="weights"):
        Codec(tiny_spec(), weights).encoder(1.8).restore(blob)


def test_push_after_flush_is_an_error_until_reset(tiny: Codec, speech: Array) -> None:
    encoder, decoder = tiny.encoder(1.8), tiny.decoder()
    codes = np.concatenate([encoder.push(part(speech, 0, 4000)), encoder.flush()], axis=1)
    with pytest.raises(StreamError, match=r"reset\(\)"):
        encoder.push(part(speech, 0, 10))
    with pytest.raises(StreamError, match=r"reset\(\)"):
        encoder.flush()
    decoder.push(codes)
    decoder.flush()
    with pytest.raises(StreamError, match=r"reset\(\)"):
        decoder.push(codes)
    encoder.reset()
    np.testing.assert_array_equal(encoder.push(part(speech, 0, 3200)), codes[:, :10])


def test_bandwidth_follows_the_next_frame(codec: Codec, speech: Array) -> None:
    audio = part(speech, 20000, 26400)
    all_books = codec.encode(audio, 24.0, start="immediate")
    encoder = codec.encoder(24.0, start="immediate")
    for i, kbps in enumerate((1.5, 24.0, 6.0, 3.0, 12.0)):
        encoder.bandwidth = kbps
        codes = encoder.push(part(audio, i * 320, i * 320 + 320))
        assert codes.shape == (codec.codebooks_for(kbps), 1)
        np.testing.assert_array_equal(codes[:, 0], all_books[: len(codes), i])


def test_two_threads_on_one_session_are_told_so(codec: Codec) -> None:
    """The pushes come one after the other or are refused: never two at once."""
    encoder = codec.encoder(6.0, start="immediate")
    audio = np.zeros((1, 320 * 40), np.float32)
    outcomes: list[int | str] = []

    def push() -> None:
        try:
            outcomes.append(encoder.push(audio).shape[1])
        except StreamError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert 40 in outcomes
    assert all(o == 40 or "another thread" in str(o) for o in outcomes)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(codec: Codec, speech: Array, threads: int) -> None:
    from shared_models import full_codec

    audio = part(speech, 20000, 30000)
    codes = codec.encode(audio, 24.0)
    many = full_codec("", threads)
    np.testing.assert_array_equal(many.encode(audio, 24.0), codes)
    np.testing.assert_array_equal(many.decode(codes), codec.decode(codes))
    encoder = many.encoder(24.0)
    hops = [encoder.push(part(audio, i, min(i + 320, 10000))) for i in range(0, 10000, 320)]
    np.testing.assert_array_equal(np.concatenate([*hops, encoder.flush()], axis=1), codes)


def test_snapshots_do_not_depend_on_the_instruction_set(speech: Array) -> None:
    blobs = set()
    for isa in hopcodec._core.available_isas():
        encoder = tiny_codec(isa).encoder(1.8)
        encoder.push(part(speech, 20000, 25001))
        blobs.add(encoder.snapshot())
    assert len(blobs) == 1


def forge(blob: bytes, offset: int, value: int) -> bytes:
    """The snapshot with one int32 of its state replaced, and a checksum to match (FNV-1a)."""
    body = bytearray(blob[32:])
    body[offset : offset + 4] = value.to_bytes(4, "little", signed=True)
    checksum = 0xCBF29CE484222325
    for byte in body:
        checksum = ((checksum ^ byte) * 0x100000001B3) % 2**64
    return blob[:24] + checksum.to_bytes(8, "little") + bytes(body)


def forge_total(blob: bytes, offset: int, value: int) -> bytes:
    low, high = struct.unpack("<ii", struct.pack("<q", value))
    return forge(forge(blob, offset, low), offset + 4, high)


def test_a_stream_cannot_hold_more_than_its_state(tiny: Codec, speech: Array) -> None:
    """Else the next push would make room for all that a forged snapshot says to be held back."""
    audio = part(speech, 20000, 24000)
    for stream, step in ((tiny.encoder(1.8), tiny.hop_samples), (tiny.decoder(), 1)):
        feed = audio if step > 1 else tiny.encode(audio, 1.8)
        stream.push(feed)  # type: ignore[arg-type]
        blob = stream.snapshot()
        taken, _ = struct.unpack_from("<qq", blob, 32)
        stream.restore(forge_total(blob, 0, taken))
        with pytest.raises(StreamError, match="positions within the stream's buffers"):
            stream.restore(forge_total(blob, 0, taken + 10**7 * step))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1025.0])
def test_samples_of_a_snapshot_are_checked(tiny: Codec, speech: Array, bad: float) -> None:
    encoder = tiny.encoder(1.8)
    encoder.push(part(speech, 20000, 20000 + tiny.hop_samples + 3))
    blob = encoder.snapshot()
    bits = int(np.float32(bad).view(np.int32))
    with pytest.raises(StreamError, match="finite samples"):
        encoder.restore(forge(blob, 64 + 4, bits))
    encoder.restore(blob)


@pytest.mark.slow
def test_a_forged_snapshot_is_refused_or_harmless(tiny: Codec, speech: Array) -> None:
    """Positions inside a snapshot are checked, not believed, whatever its checksum says."""
    audio = part(speech, 20000, 24000)
    for stream in (tiny.encoder(1.8), tiny.decoder()):
        feed = audio if isinstance(stream, hopcodec.Encoder) else tiny.encode(audio, 1.8)
        stream.push(feed)  # type: ignore[arg-type]
        blob = stream.snapshot()
        assert forge(blob, 0, int.from_bytes(blob[32:36], "little", signed=True)) == blob
        refused = 0
        for offset in range(0, len(blob) - 32, 4):
            if offset % 64 > 24:  # headers stand at the beginning of cache lines
                continue
            if offset < 16:  # totals: those that a stream can have would ask for as huge a result
                continue
            try:
                stream.restore(forge(blob, offset, 1 << 29))
            except StreamError:
                refused += 1
                continue
            stream.push(feed)  # type: ignore[arg-type]
        assert refused >= 10
        stream.restore(blob)


def test_another_activation_is_another_model() -> None:
    def encoder(activation: str) -> hopcodec._core.sessions.Encoder:
        layers = hopcodec._core.sessions.Layers()
        weight = np.ones((2, 1, 2), np.float32)
        layers.conv1d(weight, np.zeros(2, np.float32), stride=2, activation=activation)
        quantizer = hopcodec._core.sessions.Quantizer()
        quantizer.add(np.ones((4, 2), np.float32))
        return hopcodec._core.sessions.Encoder(layers, quantizer, channels=1, hop_samples=2)

    blob = encoder("elu").snapshot()
    encoder("elu").restore(blob)
    with pytest.raises(StreamError, match="another's"):
        encoder("tanh").restore(blob)


def test_a_spec_whose_hop_does_not_fit_its_strides_is_refused() -> None:
    layers = hopcodec._core.sessions.Layers()
    layers.conv1d(np.ones((2, 1, 2), np.float32), np.zeros(2, np.float32), stride=2)
    quantizer = hopcodec._core.sessions.Quantizer()
    quantizer.add(np.ones((4, 2), np.float32))
    for hop in (1, 3, 320):
        with pytest.raises(ValueError, match="got 2"):
            hopcodec._core.sessions.Encoder(layers, quantizer, channels=1, hop_samples=hop)
    with pytest.raises(ValueError, match="hop_samples: expected 1 to 65536"):
        hopcodec._core.sessions.Encoder(layers, quantizer, channels=1, hop_samples=0)
    with pytest.raises(ValueError, match="dilation"):
        hopcodec.ops.causal_conv1d(
            np.zeros((1, 64), np.float32), np.zeros((1, 1, 5), np.float32), dilation=2**30
        )
