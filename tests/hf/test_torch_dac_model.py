"""`DacModel` beside the `transformers` class whose interface it has."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from torch_dacs import HOP, drawn, sound

import hopcodec
import torch
from hopcodec.errors import WeightsError
from hopcodec.torch.hf import AutoProcessor, DacConfig, DacFeatureExtractor, DacModel
from torch import Tensor

CONFIG: dict[str, Any] = {
    "encoder_hidden_size": 4,
    "downsampling_ratios": [2, 4, 5, 8],
    "decoder_hidden_size": 64,
    "n_codebooks": 5,
    "codebook_size": 64,
    "codebook_dim": 8,
    "quantizer_dropout": 0.5,
    "sampling_rate": 16000,
}
FIELDS = ("loss", "audio_values", "quantized_representation", "audio_codes", "projected_latents")


def model(**changes: Any) -> DacModel:
    torch.manual_seed(0)
    made = DacModel(DacConfig(**{**CONFIG, **changes}))
    drawn(made)
    return made.eval()


def reference(of: DacModel) -> Any:
    theirs = transformers.DacModel(transformers.DacConfig(**CONFIG))
    theirs.load_state_dict(of.state_dict(), strict=True)
    theirs.train(False)
    return theirs


def alike(mine: Tensor, theirs: Tensor, tolerance: float = 2e-5) -> bool:
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        return False
    if not mine.is_floating_point():
        return torch.equal(mine, theirs)
    return bool((mine - theirs).abs().max() <= tolerance * theirs.abs().max())


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
@pytest.mark.parametrize("n_quantizers", [None, *range(1, CONFIG["n_codebooks"] + 1)])
def test_it_gives_what_the_reference_gives(n_quantizers: int | None, core: bool) -> None:
    ours = model()
    theirs = reference(ours)
    audio = sound(2, 30 * HOP)
    with torch.set_grad_enabled(not core):
        got = ours.encode(audio, n_quantizers)
        expected = theirs.encode(audio, n_quantizers)
        assert got.loss.requires_grad == (not core)
        assert len(expected.audio_codes.unique()) > 20
        for name in ("loss", "quantized_representation", "audio_codes", "projected_latents"):
            assert alike(getattr(got, name), getattr(expected, name)), name
        for inputs in ((got.quantized_representation,), (None, got.audio_codes)):
            heard, wanted = ours.decode(*inputs)[0], theirs.decode(*inputs)[0]
            assert alike(heard, wanted)
            assert heard.shape == (2, 30 * HOP - 8)
            assert 0.05 < wanted.std() < 0.9
        whole, wanted = ours(audio, n_quantizers), theirs(audio, n_quantizers)
        assert all(alike(getattr(whole, name), getattr(wanted, name)) for name in FIELDS)


@pytest.mark.parametrize("samples", [HOP - 1, HOP, HOP + 1, 3 * HOP - 7, 5 * HOP + 161])
def test_samples_beyond_the_last_hop_are_dropped_as_the_reference_drops_them(samples: int) -> None:
    ours = model()
    theirs = reference(ours)
    audio = sound(1, samples, seed=samples)
    with torch.no_grad():
        got, expected = ours(audio), theirs(audio)
    assert all(alike(getattr(got, name), getattr(expected, name)) for name in FIELDS)


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
def test_whole_hops_are_the_references_samples_and_the_missing_ones(core: bool) -> None:
    reference_like = model()
    whole = DacModel(reference_like.config, full_hop=True).eval()
    whole.load_state_dict(reference_like.state_dict())
    audio = sound(2, 6 * HOP)
    with torch.set_grad_enabled(not core):
        got, expected = whole(audio), reference_like(audio)
    assert torch.equal(got.audio_codes, expected.audio_codes)
    assert got.audio_values.shape == (2, 6 * HOP)
    assert expected.audio_values.shape == (2, 6 * HOP - 8)
    # What the last stages now see to the right of the old end changes what they make of it.
    assert alike(got.audio_values[:, : 4 * HOP], expected.audio_values[:, : 4 * HOP])


def test_too_little_audio_is_refused() -> None:
    with torch.no_grad(), pytest.raises(ValueError, match="at least 320 samples, one hop, got 100"):
        model().encode(torch.zeros(1, 1, 100))
    for shape in ((1, 320), (1, 2, 320)):
        with pytest.raises(ValueError, match=r"audio: expected \(batch, 1, samples\), got"):
            model().encode(torch.zeros(shape))


def test_training_is_the_references_to_every_gradient() -> None:
    ours = model().train()
    theirs = reference(ours).train()
    audio = sound(4, 12 * HOP)
    results = []
    for each in (ours, theirs):
        torch.manual_seed(11)
        output = each(audio, 2)
        short = output.audio_values.shape[-1]
        loss = (output.audio_values - audio[:, 0, :short]).abs().mean() + output.loss.mean()
        loss.backward()
        results.append((output, {name: p.grad for name, p in each.named_parameters()}))
    (mine, own), (their, expected) = results
    assert mine.loss.shape == (4,)
    assert all(alike(getattr(mine, name), getattr(their, name)) for name in FIELDS)
    assert own.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0, name
        assert alike(own[name], gradient, 2e-3), name


@pytest.fixture
def nobody_calls_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.dac import modeling_dac

    def refuse(*_: object) -> None:
        raise AssertionError("called")

    for kind in (modeling_dac.DacEncoder, modeling_dac.DacDecoder):
        monkeypatch.setattr(kind, "forward", refuse)


@pytest.mark.usefixtures("nobody_calls_the_modules")
def test_without_gradients_it_is_the_runtime() -> None:
    ours = model()
    audio = sound(2, 20 * HOP)
    assert ours._core is not None
    codec = ours._core.codec(ours)
    with torch.no_grad():
        codes = ours.encode(audio).audio_codes
        heard = ours.decode(audio_codes=codes).audio_values
    for item in range(2):
        own = codec.encode(audio[item].numpy(), codebooks=5)
        assert np.array_equal(own, codes[item].numpy())
        assert np.array_equal(codec.decode(own)[0], heard[item].numpy())
    with pytest.raises(AssertionError, match="called"):
        ours.encode(audio)  # the gradient is wanted here


def test_changed_parameters_are_folded_anew() -> None:
    ours = model()
    audio = sound(1, 10 * HOP)
    with torch.no_grad():
        before = ours(audio)
    optimiser = torch.optim.SGD(ours.parameters(), lr=0.1)
    ours(audio).audio_values.square().mean().backward()
    optimiser.step()
    with torch.no_grad():
        after = ours(audio)
    by_modules = ours(audio)
    assert not alike(after.audio_values, before.audio_values, 1e-3)
    assert alike(after.audio_values, by_modules.audio_values)


def test_what_wants_the_modules_called_gets_them_called() -> None:
    ours = model()
    audio = sound(1, 4 * HOP)
    called = []
    handle = ours.encoder.block[1].register_forward_hook(lambda *_: called.append("hook"))
    with torch.no_grad():
        ours.encode(audio)
        assert called == ["hook"]
        handle.remove()
        ours.encode(audio)
        assert called == ["hook"]
        ours.encoder.conv1 = torch.nn.Conv1d(1, 4, 7, padding=3)
        other = model()
        other.load_state_dict(ours.state_dict())
        assert torch.equal(ours.encode(audio)[2], other.encode(audio)[2])
    half = model().double()
    with torch.no_grad():
        assert half.encode(audio.double()).projected_latents.dtype == torch.float64


@pytest.mark.usefixtures("nobody_calls_the_modules")
def test_copies_are_models_of_their_own() -> None:
    ours = model()
    audio = sound(1, 6 * HOP)
    with torch.no_grad():
        expected = ours(audio)
        for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
            found = twin(audio)
            assert all(torch.equal(found[name], expected[name]) for name in FIELDS)
            for parameter in twin.parameters():
                parameter.zero_()
        assert torch.equal(ours(audio).audio_values, expected.audio_values)


def test_outputs_are_records_dictionaries_and_tuples() -> None:
    ours = model()
    audio = sound(1, 4 * HOP)
    with torch.no_grad():
        record = ours(audio)
        plain = ours(audio, return_dict=False)
        assert isinstance(plain, tuple)
        assert list(record.keys()) == list(FIELDS)
        for position, name in enumerate(FIELDS):
            assert torch.equal(plain[position], record[name])
            assert record[position] is getattr(record, name)
        assert len(ours.encode(audio, return_dict=False)) == 4
        assert len(ours.decode(record.quantized_representation, return_dict=False)) == 1
    with pytest.raises(ValueError, match="Either `quantized_representation` or `audio_codes`"):
        ours.decode()


def test_items_of_a_batch_are_as_if_alone() -> None:
    ours = model()
    lengths = [11 * HOP - 50, 4 * HOP, 7 * HOP + 1]
    sounds = [sound(1, n, seed=n)[0, 0].numpy() for n in lengths]
    extractor = DacFeatureExtractor(hop_length=HOP)
    inputs = extractor(sounds, sampling_rate=16000, return_tensors="pt")
    mask = inputs["padding_mask"]
    with torch.no_grad():
        together = ours(inputs["input_values"], padding_mask=mask)
        unmasked = ours.encode(inputs["input_values"]).projected_latents
        heard = ours.decode(audio_codes=together.audio_codes, padding_mask=mask).audio_values
        weighted = torch.zeros(())
        for item, each in enumerate(sounds):
            alone = extractor(each, sampling_rate=16000, return_tensors="pt")["input_values"]
            expected = ours.encode(alone)
            frames = -(-lengths[item] // HOP)
            for name in ("audio_codes", "quantized_representation", "projected_latents"):
                row = together[name][item]
                assert torch.equal(row[:, :frames], expected[name][0])
                assert not row[:, frames:].any()
            back = ours.decode(audio_codes=expected.audio_codes).audio_values[0, : lengths[item]]
            assert torch.equal(heard[item, : len(back)], back)
            assert not heard[item, len(back) :].any()
            weighted += frames * expected.loss[0]
        assert not torch.equal(unmasked[1, :, :4], together.projected_latents[1, :, :4])
        assert alike(together.loss, (weighted / 23).expand(3))
    with_gradient = ours(inputs["input_values"], padding_mask=mask)
    assert torch.equal(with_gradient.audio_codes, together.audio_codes)
    assert alike(with_gradient.audio_values, together.audio_values)
    ours.train()(inputs["input_values"], padding_mask=mask).loss.sum().backward()
    assert all(p.grad is not None for p in ours.encoder.parameters())
    for bad, message in (
        (mask[:, :-1], "expected shape"),
        (mask.flip(1), "1 for every sample, then 0"),
        (mask * 0, "at least one sample in each item"),
    ):
        with pytest.raises(ValueError, match=message):
            ours.encode(inputs["input_values"], padding_mask=bad)


def test_the_documentations_examples(tmp_path: Path) -> None:
    configuration = DacConfig()
    small = DacConfig(**CONFIG)
    assert (configuration.sampling_rate, configuration.hidden_size) == (16000, 1024)
    model_of_it = DacModel(small)
    configuration = model_of_it.config
    assert configuration is small
    model_of_it.save_pretrained(tmp_path)
    DacFeatureExtractor(hop_length=HOP).save_pretrained(tmp_path)

    model = DacModel.from_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    audio_sample = sound(1, 5000)[0, 0].numpy()
    inputs = processor(
        raw_audio=audio_sample, sampling_rate=processor.sampling_rate, return_tensors="pt"
    )
    encoder_outputs = model.encode(inputs["input_values"])
    audio_codes = encoder_outputs.audio_codes
    audio_values = model.decode(encoder_outputs.quantized_representation)
    assert audio_codes.shape == (1, 5, 16)
    assert audio_values.audio_values.shape == (1, 16 * HOP - 8)
    audio_values = model(inputs["input_values"]).audio_values
    assert audio_values.shape == (1, 16 * HOP - 8)


def test_folders_are_read_both_ways(tmp_path: Path) -> None:
    ours = model()
    audio = sound(1, 5 * HOP)
    ours.save_pretrained(tmp_path / "ours")
    theirs, report = transformers.DacModel.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report.values())
    theirs.save_pretrained(tmp_path / "theirs")
    back = DacModel.from_pretrained(tmp_path / "theirs")
    with torch.no_grad():
        assert alike(ours(audio).audio_values, theirs(audio).audio_values)
        assert torch.equal(ours(audio).audio_values, back(audio).audio_values)
    for name, tensor in back.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name


def test_the_folder_is_one_the_runtime_loads(tmp_path: Path) -> None:
    ours = model()
    ours.save_pretrained(tmp_path)
    audio = sound(1, 9 * HOP)
    codec = hopcodec.load(tmp_path)
    with torch.no_grad():
        expected = ours.encode(audio).audio_codes[0].numpy()
    assert np.array_equal(codec.encode(audio[0].numpy(), codebooks=5), expected)


def test_weight_norm_is_for_training_only(tmp_path: Path) -> None:
    ours = model()
    audio = sound(1, 5 * HOP)
    with torch.no_grad():
        before = ours(audio).audio_values
        ours.apply_weight_norm()
        ours.apply_weight_norm()
        assert alike(ours(audio).audio_values, before)
    assert "encoder.conv1.parametrizations.weight.original0" in ours.state_dict()
    ours.train()(audio).loss.sum().backward()
    ours.eval().save_pretrained(tmp_path)
    assert "encoder.conv1.parametrizations.weight.original0" in ours.state_dict()
    ours.remove_weight_norm()
    saved = DacModel.from_pretrained(tmp_path)
    assert saved.state_dict().keys() == ours.state_dict().keys()
    with torch.no_grad():
        assert alike(saved(audio).audio_values, before)


def test_a_width_that_no_field_gives_is_kept(tmp_path: Path) -> None:
    """`hidden_size` of a file is not always the encoder's width."""
    config = DacConfig(**{**CONFIG, "hidden_size": 20})
    DacModel(config).save_pretrained(tmp_path)
    read = DacModel.from_pretrained(tmp_path)
    codes = torch.zeros(1, 1, 2, dtype=torch.long)
    assert read.quantizer.from_codes(codes)[0].shape == (1, 20, 2)
    with torch.no_grad():
        assert read._codec(codes) is not None
    with pytest.raises(ValueError, match="power of 2"):
        DacModel(DacConfig(**{**CONFIG, "codebook_size": 65}))


def test_folders_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model().save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"surplus tensor quantizer\.quantizers\.4"):
        DacModel.from_pretrained(tmp_path, n_codebooks=4)
    with pytest.raises(WeightsError, match=r"missing tensor quantizer\.quantizers\.5"):
        DacModel.from_pretrained(tmp_path, n_codebooks=6)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "encodec"}))
    with pytest.raises(WeightsError, match="expected 'dac', got 'encodec'"):
        DacModel.from_pretrained(tmp_path)


def test_codes_that_are_no_entries_are_refused() -> None:
    codes = torch.full((1, 5, 3), 64)
    with torch.no_grad(), pytest.raises(ValueError, match="codes: expected 0 to 63, got 64 to 64"):
        model().decode(audio_codes=codes)
    bad = torch.zeros(1, 64, 3)
    bad[0, 5, 1] = torch.nan
    message = r"latents: expected finite numbers within \+-1e6, got nan in frame 1"
    with torch.no_grad(), pytest.raises(ValueError, match=message):
        model().decode(bad)
