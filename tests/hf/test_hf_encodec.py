"""`hopcodec.torch.hf.EncodecModel` against `transformers.EncodecModel`, from the same folders."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encodec_configs import CONFIGS, fill, filled, folder_of, reference, seeded_model, sound
from near_ties import excused_ties
from slow_ones import slow

import hopcodec
import torch
from hopcodec.torch.hf import EncodecConfig, EncodecModel
from hopcodec.torch.hf._encodec_conv import ExactEncodecConv1d
from hopcodec.torch.hf._encodec_spec import encodec_spec
from torch import Tensor

LENGTHS = (1, 319, 320, 321, 4752, 4800, 7777, 33_333)
tally = {"compared": 0, "excused": 0}


@pytest.fixture(scope="module", autouse=True)
def report_ties() -> Iterator[None]:
    yield
    print(f"\nnear-ties excused: {tally['excused']} of {tally['compared']} frames")
    assert tally["excused"] <= 0.002 * tally["compared"], "this many near-ties point at a fault"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def latents64(model: Any, chunk: Tensor) -> Tensor:
    """The reference's latents of one chunk `(1, channels, samples)`, in float64."""
    chunk = chunk.double()
    if model.config.normalize:
        chunk = chunk / (chunk.mean(1, keepdim=True).square().mean().sqrt() + 1e-8)
    latents: Tensor = double(model).encoder(chunk)
    return latents


@cache
def double(model: Any) -> Any:
    return copy.deepcopy(model).double()


def assert_codes(ours: Tensor, theirs: Tensor, model: Any, audio: Tensor) -> None:
    """Equal, but for ties between entries that float32 cannot decide."""
    assert ours.shape == theirs.shape
    embed = torch.stack([layer.codebook.embed for layer in model.quantizer.layers]).numpy()
    length, stride = model.config.chunk_length, model.config.chunk_stride
    for chunk, item in np.ndindex(*ours.shape[:2]):
        tally["compared"] += ours.shape[-1]
        a, b = ours[chunk, item], theirs[chunk, item]
        if torch.equal(a, b):
            continue
        start = chunk * (stride or 0)
        samples = audio[item : item + 1, :, start : start + (length or audio.shape[-1])]
        latents = latents64(model, samples)[0].numpy()
        frames = latents.shape[1]
        assert torch.equal(a[:, frames:], b[:, frames:])
        found = excused_ties(a[:, :frames].numpy(), b[:, :frames].numpy(), latents, embed)
        tally["excused"] += found


def snr_db(reference: Tensor, ours: Tensor) -> float:
    assert reference.shape == ours.shape
    error = (reference.double() - ours.double()).square().sum()
    return float(10 * torch.log10(reference.double().square().sum() / error.clamp(min=1e-300)))


@pytest.mark.parametrize("length", [319, 7777, *slow(1, 320, 321, 4752, 4800, 33_333)])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_same_as_transformers(name: str, length: int, root: Path) -> None:
    folder = folder_of(name, root)
    theirs = reference(folder)
    audio = sound(2, theirs.config.audio_channels, length, seed=length)
    for exact in (True, False):
        ours = EncodecModel.from_pretrained(folder, exact_reference=exact)
        for bandwidth in theirs.config.target_bandwidths:
            with torch.no_grad():
                expected = theirs.encode(audio, bandwidth=bandwidth)
                found = ours.encode(audio, bandwidth=bandwidth)
                codes, scales = expected.audio_codes, expected.audio_scales
                padding = expected.last_frame_pad_length
                given = ours.decode(codes, scales, last_frame_pad_length=padding)[0]
                wanted = theirs.decode(codes, scales, last_frame_pad_length=padding)[0]
            assert found.last_frame_pad_length == padding
            # Nothing is padded here but the last chunk, where zeros mean nothing to anybody.
            assert_codes(
                found.audio_codes if exact else found.audio_codes.relu(), codes, theirs, audio
            )
            for a, b in zip(found.audio_scales, scales, strict=True):
                assert (a is None) == (b is None)
                assert a is None or torch.allclose(a, b, rtol=1e-6)
            assert snr_db(wanted, given) > 90


def test_ten_seconds(root: Path) -> None:
    folder = folder_of("24khz", root)
    theirs, ours = reference(folder), EncodecModel.from_pretrained(folder)
    audio = sound(1, 1, 240_000)
    with torch.no_grad():
        expected = theirs.encode(audio, bandwidth=6.0)
        assert_codes(ours.encode(audio, bandwidth=6.0)[0], expected[0], theirs, audio)
        heard = ours.decode(expected.audio_codes, expected.audio_scales)[0]
        assert snr_db(theirs.decode(expected.audio_codes, expected.audio_scales)[0], heard) > 90


@pytest.mark.parametrize("name", CONFIGS)
def test_forward_is_encode_and_decode(name: str, root: Path) -> None:
    folder = folder_of(name, root)
    theirs, ours = reference(folder), EncodecModel.from_pretrained(folder)
    audio = sound(2, ours.config.audio_channels, 7777)
    with torch.no_grad():
        result, expected = ours(audio), theirs(audio)
        assert list(result.keys()) == list(expected.keys()) == ["audio_codes", "audio_values"]
        assert result.audio_values.shape == expected.audio_values.shape == audio.shape
        encoded = ours.encode(audio)
        assert torch.equal(result.audio_codes, encoded.audio_codes)
        assert torch.equal(result[0], result["audio_codes"])
        decoded = ours.decode(encoded.audio_codes, encoded.audio_scales, torch.ones(2, 7777))[0]
        assert torch.equal(result.audio_values, decoded)
        again = ours(audio, audio_codes=encoded.audio_codes, audio_scales=encoded.audio_scales)
        assert torch.equal(again.audio_values, decoded)
        pair = ours(audio, return_dict=False)
        assert isinstance(pair, tuple)
        assert torch.equal(pair[1], decoded)


@pytest.mark.parametrize("name", CONFIGS)
def test_core_and_modules_agree(name: str) -> None:
    model = seeded_model(name)
    audio = sound(2, model.config.audio_channels, 7777)
    with torch.no_grad():
        core = model(audio)
    modules = model(audio)  # gradients are wanted: torch computes
    assert modules.audio_values.requires_grad
    assert not core.audio_values.requires_grad
    same = (core.audio_codes == modules.audio_codes).float().mean()
    assert same > 0.999
    assert len(core.audio_codes.unique()) > 50
    if same == 1:
        assert snr_db(modules.audio_values.detach(), core.audio_values) > 90


def test_the_full_size_model_runs_on_the_core(codec: hopcodec.Codec, speech: Any) -> None:
    from shared_models import full_weights

    model = filled(EncodecModel(EncodecConfig()), full_weights()).train(False)
    audio = torch.from_numpy(speech[:, :24000])
    with torch.no_grad():
        for bandwidth in (1.5, 6.0, 24.0):
            ours = model.encode(audio[None], bandwidth=bandwidth).audio_codes[0, 0].numpy()
            runtime = codec.encode(np.ascontiguousarray(speech[:, :24000]), bandwidth)
            # The gain of a folded matrix is rounded: an ulp of a weight, seldom a code.
            assert (ours == runtime).mean() > 0.995


@pytest.mark.parametrize("name", ["24khz", "32khz"])
def test_bit_for_bit_the_runtime(name: str, root: Path) -> None:
    """What `hopcodec.load` makes of the folder, streamed too: no torch in the arithmetic."""
    folder = folder_of(name, root)
    model, runtime = EncodecModel.from_pretrained(folder), hopcodec.load(folder)
    audio = sound(1, 1, 7777)
    with torch.no_grad():
        encoded = model.encode(audio, bandwidth=model.config.target_bandwidths[-1])
        heard = model.decode(encoded.audio_codes)[0]
    codes = runtime.encode(audio[0].numpy(), codebooks=runtime.codebooks)
    assert np.array_equal(encoded.audio_codes[0, 0].numpy(), codes)
    assert np.array_equal(heard[0].numpy(), runtime.decode(codes))
    encoder = model.codec.encoder(codebooks=runtime.codebooks)
    pieces = [audio[0, :, i : i + 999].contiguous().numpy() for i in range(0, 7777, 999)]
    streamed = [*(encoder.push(piece) for piece in pieces), encoder.flush()]
    assert np.array_equal(np.concatenate(streamed, 1), codes)


def test_bit_for_bit_the_runtime_in_chunks(root: Path) -> None:
    folder = folder_of("48khz", root)
    model, runtime = EncodecModel.from_pretrained(folder), hopcodec.load(folder)
    assert isinstance(runtime, hopcodec.Codec)
    audio = sound(1, 2, 7777)
    with torch.no_grad():
        encoded = model.encode(audio, bandwidth=6.0)
        heard = model.decode(encoded.audio_codes, encoded.audio_scales)[0]
    segments = runtime.encode(audio[0].numpy(), bandwidth=6.0)
    for chunk, segment in enumerate(segments):
        codes = encoded.audio_codes[chunk, 0, :, : segment.codes.shape[1]].numpy()
        assert np.array_equal(codes, segment.codes)
        assert encoded.audio_scales[chunk].item() == segment.scale
    assert np.array_equal(heard[0].numpy(), runtime.decode(segments))


@pytest.mark.parametrize(("samples", "chunks"), [(30_000, 1), (48_000, 2), (100_000, 3)])
def test_whole_seconds_from_the_feature_extractor(samples: int, chunks: int) -> None:
    """The chunks of the 48 kHz model: those of the original, or on request one more."""
    from hopcodec.torch.hf import EncodecFeatureExtractor

    config = EncodecConfig(**{**CONFIGS["48khz"], "chunk_length_s": 1.0})
    ours = fill(EncodecModel(config), encodec_spec(config)).train(False)
    extract = EncodecFeatureExtractor(2, 48000, chunk_length_s=1.0, overlap=0.01)
    audio = sound(1, 2, samples)
    inputs = extract(audio[0].numpy(), sampling_rate=48000, return_tensors="pt")
    with torch.no_grad():
        encoded = ours.encode(**inputs)
        assert len(encoded.audio_codes) == chunks
        assert torch.equal(encoded.audio_codes, ours.encode(audio).audio_codes)
        heard = ours.decode(encoded.audio_codes, encoded.audio_scales, inputs.padding_mask)[0]
        assert heard.shape == inputs.input_values.shape
        assert torch.equal(heard[..., :samples], ours(audio).audio_values)
        ours.exact_reference = True
        encoded = ours.encode(**inputs)
        assert len(encoded.audio_codes) == chunks + 1
        assert encoded.last_frame_pad_length == 148


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", CONFIGS)
def test_each_item_of_a_ragged_batch_is_coded_as_if_alone(name: str, side: str) -> None:
    model = seeded_model(name)
    lengths = (9600, 1, 4800, 7777, 0, 4753)
    channels = model.config.audio_channels
    audio = torch.full((len(lengths), channels, 9999), torch.nan)  # padding that would be heard
    mask = torch.zeros(len(lengths), 9999, dtype=torch.int32)
    alone = [sound(1, channels, n, seed=n) for n in lengths]
    for item, signal in enumerate(alone):
        n = signal.shape[-1]
        place = slice(0, n) if side == "right" else slice(9999 - n, 9999)
        audio[item, :, place], mask[item, place] = signal[0], 1
    with torch.no_grad():
        batch = model.encode(audio, mask)
        heard = model.decode(batch.audio_codes, batch.audio_scales, mask)[0]
        assert heard.shape == audio.shape
        for item, signal in enumerate(alone):
            n = signal.shape[-1]
            place = slice(0, n) if side == "right" else slice(9999 - n, 9999)
            silence = heard[item].clone()
            silence[:, place] = 0
            assert not silence.any()
            if n == 0:
                assert (batch.audio_codes[:, item] == -1).all()
                continue
            expected = model.encode(signal)
            chunks, _, _, frames = expected.audio_codes.shape
            found = batch.audio_codes[:chunks, item, :, :frames]
            assert torch.equal(found, expected.audio_codes[:, 0])
            rest = batch.audio_codes[:, item].clone()
            rest[:chunks, :, :frames] = -1
            assert (rest == -1).all()
            lonely = model(signal).audio_values
            assert torch.allclose(heard[item, :, place], lonely[0], atol=1e-6)


@pytest.mark.parametrize("name", ["24khz", "48khz"])
def test_the_reference_codes_the_padding_and_so_do_we_on_request(name: str, root: Path) -> None:
    """The fault that is mended by default is really there."""
    folder = folder_of(name, root)
    theirs = reference(folder)
    ours = EncodecModel.from_pretrained(folder, exact_reference=True)
    audio = sound(2, ours.config.audio_channels, 7000)
    mask = torch.ones(2, 7000, dtype=torch.bool)
    mask[1, 5555:] = False
    with torch.no_grad():
        expected = theirs.encode(audio, mask, 3.0)
        found = ours.encode(audio, mask, 3.0)
        assert_codes(found.audio_codes, expected.audio_codes, theirs, audio * mask[:, None])
        alone = theirs.encode(audio[1:, :, :5555], bandwidth=3.0).audio_codes
        frames = -(-5555 // 320) if name == "24khz" else -(-(5555 - 4752) // 320)
        assert not torch.equal(expected.audio_codes[-1, 1, :, :frames], alone[-1, 0, :, :frames])
        heard = ours.decode(found.audio_codes, found.audio_scales, mask)[0]
        wanted = theirs.decode(found.audio_codes, found.audio_scales, mask)[0]
        assert snr_db(wanted, heard) > 90


def test_the_length_of_the_last_chunk_need_not_be_handed_back(root: Path) -> None:
    folder = folder_of("48khz", root)
    theirs, ours = reference(folder), EncodecModel.from_pretrained(folder)
    audio, mask = sound(1, 2, 7000), torch.ones(1, 7000)
    with torch.no_grad():
        codes, scales, padding = theirs.encode(audio, return_dict=False)
        assert padding > 0
        right = theirs.decode(codes, scales, mask, last_frame_pad_length=padding)[0]
        wrong = theirs.decode(codes, scales, mask)[0]
        assert snr_db(right, wrong) < 40
        assert snr_db(right, ours.decode(codes, scales, mask)[0]) > 90
        own = ours.encode(audio)
        assert own.last_frame_pad_length == padding
        assert snr_db(right, ours.decode(own.audio_codes, own.audio_scales)[0][..., :7000]) > 90
        ours.exact_reference = True
        assert snr_db(wrong, ours.decode(codes, scales, mask)[0]) > 90


@pytest.mark.parametrize("length", [2**24 - 1, 2**24 + 1, 2**24 + 3, 3 * 2**24 + 1, 2**26 + 7])
@pytest.mark.parametrize("stride", [1, 2, 5, 8])
def test_long_signals_keep_their_last_samples_unless_asked_otherwise(
    length: int, stride: int
) -> None:
    from transformers.models.encodec.modeling_encodec import EncodecConv1d as Reference

    kernel = 7 if stride == 1 else 2 * stride
    ours, theirs = (
        kind(EncodecConfig(), 1, 1, kernel, stride) for kind in (ExactEncodecConv1d, Reference)
    )
    rows = torch.empty(1, 1, length, device="meta")
    wanted = int(theirs._get_extra_padding_for_conv1d(rows))
    assert ours._get_extra_padding_for_conv1d(rows) == -length % stride
    ours._float32_windows = True
    assert int(ours._get_extra_padding_for_conv1d(rows)) == wanted
    if length < 2**24:
        assert wanted == -length % stride


def test_every_convolution_of_a_model_finds_its_windows_so() -> None:
    from transformers.models.encodec.modeling_encodec import EncodecConv1d as Reference

    model = seeded_model("24khz")
    convs = [module for module in model.modules() if isinstance(module, Reference)]
    rows = torch.empty(1, 4, 2**24 + 1, device="meta")
    strided = next(conv for conv in convs if conv.conv.stride[0] == 2)
    assert len(convs) > 10
    for exact, expected in ((False, 1), (True, -1)):
        model.exact_reference = exact
        assert all(conv._float32_windows == exact for conv in convs)
        assert int(strided._get_extra_padding_for_conv1d(rows)) == expected


def test_what_cannot_be_is_refused() -> None:
    model = seeded_model("24khz")
    audio = sound(1, 1, 3200)
    with pytest.raises(ValueError, match=r"doesn't support the bandwidth 2\.5\. Select one of"):
        model.encode(audio, bandwidth=2.5)
    with pytest.raises(ValueError, match=r"expected shape \(batch, 1, samples\), got \(1, 2, 9\)"):
        model.encode(torch.zeros(1, 2, 9))
    with pytest.raises(ValueError, match=r"padding_mask: expected shape \(1, 3200\)"):
        model.encode(audio, torch.ones(1, 99))
    codes = torch.zeros(1, 1, 4, 9, dtype=torch.int64)
    with pytest.raises(ValueError, match="Expected one frame, got 2"):
        model.decode(codes.repeat(2, 1, 1, 1), [None, None])
    with pytest.raises(ValueError, match="expected 0 to 1023, got 1024"):
        model.decode(codes + 1024, [None])
    with pytest.raises(ValueError, match="-1 only behind"):
        model.decode(torch.where(torch.arange(9) == 3, -1, codes), [None])
    with pytest.raises(ValueError, match="1 to 8 codebooks, got 9"):
        model.decode(torch.zeros(1, 1, 9, 9, dtype=torch.int64), [None])
    with pytest.raises(TypeError, match="expected integers"):
        model.decode(codes.float(), [None])
    with pytest.raises(ValueError, match="did not specify the `audio_scales`"):
        model(audio, audio_codes=codes)
    with pytest.raises(ValueError, match="did not specify the `audio_codes`"):
        model(audio, audio_scales=[None])
