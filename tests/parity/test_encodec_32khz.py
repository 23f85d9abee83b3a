"""EnCodec 32 kHz, the layout of MusicGen: looks ahead, no convolution beside its residuals."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from near_ties import excused_ties
from reference_models import hf_model, original_model, save_layouts
from safetensors.numpy import save_file
from speech_codebooks import speech_codebooks

import hopcodec
import torch
from hopcodec import Codec, WeightsError, _core
from hopcodec.audio import shipped_speech
from hopcodec.specs._encodec import encodec, encodec_32khz
from hopcodec.specs._language import CodecSpec
from hopcodec.weights import load_weights
from hopcodec.weights._seeded import seeded_weights
from hopcodec.weights.config._encodec import hf_fields

LENGTHS = (1, 639, 640, 641, 7777, 100_003)
PAD_MODES = {"reflect": "reflect", "zero": "constant"}

Array = npt.NDArray[np.float32]


def small_spec(pad_mode: str = "reflect") -> CodecSpec:
    """The layout at an eighth of its width."""
    return encodec(
        "encodec_32khz",
        sample_rate=32000,
        bandwidths=(2.2,),
        codebooks=4,
        codebook_size=2048,
        filters=8,
        latent=16,
        ratios=(8, 5, 4, 4),
        causal=False,
        conv_shortcut=False,
        pad_mode="reflect" if pad_mode == "reflect" else "zero",
    )


@cache
def speech() -> Array:
    return shipped_speech(32000, 1, 8.0)


@cache
def weights_of(spec: CodecSpec) -> dict[str, Array]:
    weights = seeded_weights(spec)
    return {**weights, **speech_codebooks(spec, weights, speech())}


def sound(length: int) -> Array:
    return np.ascontiguousarray(speech()[:, 20_000 : 20_000 + length])


def check_parity(spec: CodecSpec, length: int, pad: str) -> None:
    weights = weights_of(spec)
    codec = Codec(spec, weights)
    audio = sound(length)
    hf64 = hf_model(spec, weights, pad).double()
    with torch.inference_mode():
        latents = hf64.encoder(torch.from_numpy(audio)[None].double())[0].numpy()
    ours = codec.encoder().latents(audio, last=True)
    assert ours.shape == latents.shape
    assert np.abs(ours - latents).max() <= 2e-6 * np.abs(latents).max()
    codes = codec.encode(audio)
    books = np.stack([weights[f"{spec.quantizer.codebook_name(q)}.embed"] for q in range(4)])
    hf: Any = hf_model(spec, weights, pad)
    original: Any = original_model(spec, weights, pad)
    original.set_target_bandwidth(2.2)
    original.bandwidth = None  # all four: the original takes 10 bits a code for granted
    with torch.inference_mode():
        theirs = hf.encode(torch.from_numpy(audio)[None], bandwidth=2.2).audio_codes[0, 0].numpy()
        ((first, scale),) = original.encode(torch.from_numpy(audio)[None])
    assert scale is None
    for expected in (theirs, first[0].numpy()):
        assert excused_ties(codes, expected, latents, books) <= 1 + codes.shape[1] // 100
    with torch.inference_mode():
        summed = hf64.quantizer.decode(torch.from_numpy(codes.astype(np.int64))[:, None])
        reference = hf64.decoder(summed.double())[0].numpy()
    heard = codec.decode(codes)
    assert heard.shape == reference.shape == (1, codes.shape[1] * 640)
    assert 10 * np.log10(np.square(reference).sum() / np.square(reference - heard).sum()) >= 100


@pytest.mark.parametrize("pad", PAD_MODES)
@pytest.mark.parametrize("length", LENGTHS)
def test_against_both_implementations(length: int, pad: str) -> None:
    check_parity(small_spec(pad), length, PAD_MODES[pad])


@pytest.mark.slow
def test_the_released_size() -> None:
    spec = encodec_32khz()
    check_parity(spec, 40_001, "reflect")
    codes = Codec(spec, weights_of(spec)).encode(sound(100_000))
    assert min(len(np.unique(book)) for book in codes) > 50


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(0, 15_000),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    pad=st.sampled_from(list(PAD_MODES)),
)
def test_any_partition(length: int, sizes: list[int], pad: str) -> None:
    codec = Codec(small_spec(pad), weights_of(small_spec(pad)))
    audio = sound(length)
    whole = codec.encode(audio)
    encoder, decoder = codec.encoder(max_frames_per_push=2), codec.decoder(max_frames_per_push=2)
    codes, heard, at = [], [], 0
    while at < length:
        size = sizes[len(codes) % len(sizes)]
        codes.append(encoder.push(np.ascontiguousarray(audio[:, at : at + size])))
        heard.append(decoder.push(codes[-1]))
        at += size
    codes.append(encoder.flush())
    heard += [decoder.push(codes[-1]), decoder.flush()]
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), whole)
    np.testing.assert_array_equal(np.concatenate(heard, axis=1), codec.decode(whole))


@pytest.mark.slow
def test_what_it_offers() -> None:
    codec = hopcodec.load("encodec_32khz", seeded=True)
    assert (codec.sample_rate, codec.channels, codec.hop_samples) == (32000, 1, 640)
    assert (codec.codebooks, codec.codebook_size, codec.bits_per_code) == (4, 2048, 11)
    assert (codec.bandwidths, codec.default_bandwidth, codec.codebooks_for(2.2)) == ((2.2,), 2.2, 4)
    for isa in _core.available_isas():
        other = Codec(codec.spec, seeded_weights(codec.spec), isa=isa)
        np.testing.assert_array_equal(other.encode(sound(2000)), codec.encode(sound(2000)))


def test_the_look_ahead_is_as_reported() -> None:
    """A frame depends on so many samples behind its hop, and on no further one."""
    codec = Codec(small_spec(), weights_of(small_spec()))
    ahead = codec.encoder().lookahead_samples
    assert 0 < ahead < 20 * 640
    audio = sound(40 * 640)
    plain = codec.encoder().latents(audio, last=True)
    for at in (14_000, 14_001, 14_357, 15_000):
        changed = audio.copy()
        changed[:, at] += 1.0
        different = (codec.encoder().latents(changed, last=True) != plain).any(axis=0)
        assert np.flatnonzero(different)[0] == -(-(at - ahead + 1) // 640) - 1


LAYOUTS = 9


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_layouts(tmp_path_factory.mktemp("32khz"), small_spec(), weights_of(small_spec()))


@pytest.mark.parametrize("index", range(LAYOUTS))
def test_every_published_layout(layouts: dict[str, Path], index: int) -> None:
    assert len(layouts) == LAYOUTS
    loaded = load_weights(layouts[sorted(layouts)[index]], small_spec())
    for name, array in weights_of(small_spec()).items():
        np.testing.assert_allclose(loaded[name], array, rtol=2e-7, err_msg=name)


@pytest.mark.slow
def test_a_file_without_config_is_known_by_its_tensors(tmp_path: Path) -> None:
    weights = {n: a.astype(np.float16) for n, a in seeded_weights(encodec_32khz()).items()}
    save_file(weights, tmp_path / "weights.safetensors")
    codec = hopcodec.load(tmp_path / "weights.safetensors")
    assert (codec.name, codec.spec) == ("encodec_32khz", encodec_32khz())


def folder_with(tmp_path: Path, spec: CodecSpec, **changes: object) -> Path:
    fields = {"model_type": "encodec", **hf_fields(spec), **changes}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    save_file(seeded_weights(spec), tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.slow
def test_the_pad_mode_is_the_configs(tmp_path: Path) -> None:
    spec = encodec_32khz()
    codec = hopcodec.load(folder_with(tmp_path, spec, pad_mode="constant"))
    assert codec.name == "encodec_32khz"
    assert {layer.padding.mode for layer in codec.spec.encoder if hasattr(layer, "padding")} == {
        "zero"
    }
    zero, reflected = (
        codec.encode(sound(3000)),
        Codec(spec, seeded_weights(spec)).encode(sound(3000)),
    )
    assert (zero != reflected).any()
    # A codec that pads with zeros has nothing to wait for at its start.
    assert codec.encode(sound(3000), start="immediate").tobytes() == zero.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pad_mode": "replicate"}, "pad_mode: expected one of reflect, constant, got 'replicate'"),
        ({"norm_type": "layer_norm"}, "norm_type: expected one of weight_norm, time_group_norm"),
        ({"norm_type": "time_group_norm"}, "expects use_causal_conv false and a chunk_length_s"),
        ({"use_causal_conv": 1}, "use_causal_conv: expected true or false, got 1"),
        ({"sampling_rate": 0}, "sampling_rate: expected 1 to 1048576, got 0"),
        ({"num_filters": True}, "num_filters: expected a whole number, got True"),
        ({"upsampling_ratios": []}, "upsampling_ratios: expected a list of 1 to 8"),
        ({"upsampling_ratios": [8, 0]}, "upsampling_ratios: expected 1 to 64, got 0"),
        ({"target_bandwidths": [1e6]}, "target_bandwidths: expected those of 1 to 1024 codebooks"),
        ({"target_bandwidths": [0.1]}, "target_bandwidths: expected those of 1 to 1024 codebooks"),
        ({"target_bandwidths": ["6"]}, "target_bandwidths: expected a number, got '6'"),
        ({"normalize": True}, "chunk_length_s: expected a number of seconds beside normalize"),
        ({"chunk_length_s": 1.0}, "overlap: expected a number, got None"),
        ({"compress": 4}, "compress: encodec_32khz expects 2, got 4"),
        ({"num_lstm_layers": 1}, "num_lstm_layers: encodec_32khz expects 2, got 1"),
        ({"model_type": "mimi"}, "model_type: encodec_32khz expects 'encodec', got 'mimi'"),
    ],
)
def test_configs_of_other_models(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    spec = encodec_32khz()
    fields = {"model_type": "encodec", **hf_fields(spec), **changes}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    weights = {"encoder.layers.0.conv.bias": np.zeros(64, np.float32)}
    weights["encoder.layers.0.conv.weight"] = np.zeros((64, 1, 7), np.float32)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=message):
        hopcodec.load(tmp_path)


def test_a_config_of_any_size(tmp_path: Path) -> None:
    """Not one of the released: 22.05 kHz, hops of 84, segments that overlap by half."""
    spec = encodec(
        "encodec",
        sample_rate=22050,
        bandwidths=(5.3,),
        codebooks=4,
        channels=2,
        codebook_size=32,
        filters=2,
        latent=8,
        ratios=(7, 4, 3),
        causal=False,
        group_norm=True,
        pad_mode="zero",
        segments=hopcodec.specs._language.Segments(samples=2205, stride=1102, normalise=True),
    )
    codec = hopcodec.load(folder_with(tmp_path, spec))
    assert isinstance(codec, hopcodec.Codec)
    assert codec.spec == spec
    audio = np.concatenate([sound(7000), 0.5 * sound(7000)])
    codes = codec.encode(audio)
    assert len(codes) == 7
    heard = codec.decode(codes)
    assert heard.shape[1] >= 7000
    hf: Any = hf_model(spec, seeded_weights(spec), "constant")
    same = []
    for k, segment in enumerate(codes):  # its encode() cannot stack two segments cut short
        piece = torch.from_numpy(audio[:, k * 1102 : k * 1102 + 2205])[None]
        with torch.inference_mode():
            theirs, scale = hf._encode_frame(piece, 5.3)
        np.testing.assert_allclose(segment.scale, float(scale), rtol=1e-6)
        same.append((segment.codes == theirs[0].numpy()).mean())
    assert min(same) > 0.95, same
