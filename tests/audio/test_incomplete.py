"""Audio files that are cut off, joined, or do not say how long they are."""

from __future__ import annotations

import contextlib
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from hopcodec import AudioFileError, IncompleteAudioWarning
from hopcodec.audio import audio_info, read_audio

RATE = 24000
# Suffix and subtype of every container that libsndfile writes with a header.
KINDS = [
    *[("wav", "PCM_16"), ("wav", "FLOAT"), ("wav", "ULAW"), ("wav", "IMA_ADPCM")],
    *[("rf64", "PCM_16"), ("w64", "PCM_24"), ("aiff", "PCM_16"), ("au", "PCM_16")],
    *[("caf", "PCM_16"), ("caf", "ALAC_16"), ("flac", "PCM_16"), ("ogg", "VORBIS")],
    *[("opus", "OPUS"), ("mp3", "MPEG_LAYER_III")],
]
FORMATS = {"opus": "OGG"}


def write(path: Path, samples: int, subtype: str, channels: int = 1) -> Path:
    t = np.arange(samples)[:, None] / RATE
    audio = 0.3 * np.sin(2 * np.pi * (220 + 30 * np.arange(channels)) * t)
    audio += 0.1 * np.random.default_rng(0).standard_normal(audio.shape)
    kind = path.suffix[1:]
    soundfile.write(path, audio, RATE, subtype=subtype, format=FORMATS.get(kind, kind.upper()))
    return path


def samples_of(path: Path) -> int:
    return read_audio(path, RATE, 1)[0].shape[1]


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
@pytest.mark.parametrize("samples", [1000, 72001])
def test_a_whole_file_is_silent(kind: str, subtype: str, samples: int, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{kind}", samples, subtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert samples_of(path) >= samples
    assert audio_info(path).incomplete == ""


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [pair for pair in KINDS if pair[0] not in ("flac", "caf")],  # these are refused
)
def test_a_cut_file_says_so(kind: str, subtype: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{kind}", 72000, subtype)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.warns(IncompleteAudioWarning, match="is cut off"):
        assert 20000 < samples_of(path) < 60000
    assert "is cut off" in audio_info(path).incomplete


@pytest.mark.parametrize(
    ("kind", "subtype"), [("ogg", "VORBIS"), ("opus", "OPUS"), ("mp3", "MPEG_LAYER_III")]
)
@pytest.mark.parametrize("times", [2, 3])
def test_joined_files_say_that_the_first_is_read(
    kind: str, subtype: str, times: int, tmp_path: Path
) -> None:
    path = write(tmp_path / f"a.{kind}", 72000, subtype)
    path.write_bytes(path.read_bytes() * times)
    with pytest.warns(IncompleteAudioWarning, match="joined .*: only the first is read"):
        samples_of(path)


@pytest.mark.parametrize(
    "tag",
    [
        b"TAG" + bytes(125),
        b"APETAGEX" + struct.pack("<IIII", 2000, 32, 1, 0) + bytes(8 + 32),
        b"ID3\x04\x00\x00\x00\x00\x60\x00" + bytes(0x60 << 7),
        bytes(5000),
    ],
    ids=["ID3v1", "APE", "ID3v2", "zeros"],
)
def test_tags_behind_an_mp3_are_no_second_file(tag: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", 72000, "MPEG_LAYER_III")
    path.write_bytes(path.read_bytes() + tag)
    assert audio_info(path).incomplete == ""


def test_chunks_around_the_sound_are_no_sound(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 5001, "PCM_U8")
    data = path.read_bytes()
    odd = b"JUNK" + struct.pack("<I", 3) + bytes(4)
    listed = b"LIST" + struct.pack("<I", 12) + b"INFOIART" + bytes(4)
    body = data[12:36] + odd + data[36:] + bytes(len(data) % 2) + listed
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert samples_of(path) == 5001


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_whose_size_was_never_written_is_read_to_its_end(size: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 24000, "PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    data[4:8] = struct.pack("<I", 36 if size == 0 else size)
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert samples_of(path) == 24000


@pytest.mark.parametrize("samples", [1000, 240_000])
@pytest.mark.parametrize(("subtype", "channels"), [("PCM_16", 1), ("PCM_24", 2)])
def test_a_flac_of_unknown_length(
    samples: int, subtype: str, channels: int, tmp_path: Path
) -> None:
    """As every program writes it into a pipe."""
    path = write(tmp_path / "a.flac", samples, subtype, channels)
    data = bytearray(path.read_bytes())
    expected, _ = read_audio(path, RATE, channels)
    data[21] &= 0xF0  # STREAMINFO: 36 bits of total samples, 0 for unknown
    data[22:26] = bytes(4)
    path.write_bytes(data)
    found, info = read_audio(path, RATE, channels)
    np.testing.assert_array_equal(found, expected)
    assert info.samples == 0


def test_a_caf_of_unknown_length(tmp_path: Path) -> None:
    path = write(tmp_path / "a.caf", 24000, "PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 8] = struct.pack(">q", -1)
    path.write_bytes(data)
    assert samples_of(path) == 24000


@pytest.mark.parametrize(
    ("kind", "name", "to_size", "layout"), [("caf", b"desc", 4, ">q"), ("w64", b"fmt ", 16, "<Q")]
)
def test_a_chunk_of_an_impossible_size_is_refused(
    kind: str, name: bytes, to_size: int, layout: str, tmp_path: Path
) -> None:
    """No file reaches so far, and no offset."""
    path = write(tmp_path / f"a.{kind}", 1000, "PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(name) + to_size
    data[at : at + 8] = struct.pack(layout, (1 << 63) - 1)
    path.write_bytes(data)
    with pytest.raises(AudioFileError):
        read_audio(path, RATE, 1)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.data())
def test_damaged_headers_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: tuple[str, str], data: st.DataObject
) -> None:
    path = write(tmp_path_factory.mktemp("d") / f"a.{kind[0]}", 3000, kind[1])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(100, len(content) - 1)))] = data.draw(
            st.integers(0, 255)
        )
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with warnings.catch_warnings(), contextlib.suppress(AudioFileError):
        warnings.simplefilter("ignore", IncompleteAudioWarning)
        read_audio(path, RATE, 1)
