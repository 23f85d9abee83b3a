"""Training through the Hugging Face-like model, and the core that follows its parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encodec_configs import CONFIGS, fill, seeded_model, sound
from torch.nn.utils import parametrize

import torch
from hopcodec.codec._codec import Codec
from hopcodec.torch.hf import AutoProcessor, EncodecFeatureExtractor, EncodecModel
from hopcodec.torch.hf._encodec_spec import encodec_spec
from torch import nn


@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_reach_every_parameter(name: str) -> None:
    model = seeded_model(name).train()
    audio = sound(2, model.config.audio_channels, 6400)
    mask = torch.ones(2, 6400)
    mask[1, 5000:] = 0
    heard = model(audio, mask, model.config.target_bandwidths[-1]).audio_values
    assert not heard[1, :, 5000:].any()
    (heard - audio).square().mean().backward()
    for label, parameter in model.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.any(), label


def test_the_quantizer_is_straight_through() -> None:
    """What reaches the latents is the gradient of the decoder at the quantised ones."""
    model = seeded_model("24khz")
    audio = sound(1, 1, 3200)
    latents = model.encoder(audio).detach().requires_grad_()
    quantized = model.quantizer(latents, 6.0)
    model.decoder(quantized.quantized).square().sum().backward()
    direct = model.quantizer.decode(quantized.codes.transpose(0, 1)).requires_grad_()
    model.decoder(direct).square().sum().backward()
    assert latents.grad is not None
    assert direct.grad is not None
    assert torch.allclose(latents.grad, direct.grad, rtol=1e-3, atol=1e-5)


def test_a_little_training_lowers_the_loss_and_leaves_the_codebooks() -> None:
    torch.manual_seed(0)
    model = seeded_model("24khz").train()
    before = [layer.codebook.embed.clone() for layer in model.quantizer.layers]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for step in range(30):
        audio = sound(2, 1, 3200, seed=step % 2)
        loss = (model(audio, bandwidth=6.0).audio_values - audio).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-4:]) < 0.7 * np.mean(losses[:4])
    for layer, entries in zip(model.quantizer.layers, before, strict=True):
        assert torch.equal(layer.codebook.embed, entries)


def assign(model: EncodecModel) -> None:
    with torch.no_grad():
        model.decoder.layers[0].conv.bias[0] += 0.5


def replace(model: EncodecModel) -> None:
    conv = model.decoder.layers[0].conv
    conv.bias = nn.Parameter(conv.bias.detach() + 0.5)


def step(model: EncodecModel) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(sound(1, 1, 3200)).audio_values.square().sum().backward()
    optimiser.step()


def load(model: EncodecModel) -> None:
    other = fill(EncodecModel(model.config), encodec_spec(model.config), seed=2)
    model.load_state_dict(other.state_dict())


def average(model: EncodecModel) -> None:
    for parameter in model.parameters():  # as weight averaging is often written: no version
        parameter.data.mul_(0.9)


@pytest.mark.parametrize("change", [assign, replace, step, load, average])
def test_the_core_follows_its_parameters(change: Callable[[EncodecModel], None]) -> None:
    model = seeded_model("24khz")
    audio = sound(1, 1, 3200)
    with torch.no_grad():
        codes = model.encode(audio).audio_codes
        before = model.decode(codes)[0]
        codec = model.codec
        assert model.codec is codec
    change(model)
    assert model.codec is not codec
    with torch.no_grad():
        after = model.decode(codes)[0]
    modules = model.decode(codes)[0]
    assert modules.requires_grad
    assert not torch.allclose(before, after, rtol=1e-3)
    assert torch.allclose(after, modules, rtol=1e-4, atol=1e-5 * float(after.abs().max()))


def test_what_no_version_tells_must_be_told() -> None:
    model = seeded_model("24khz")
    codec = model.codec
    model.decoder.layers[0].conv.parametrizations.weight.original1.data[3, 3, 3] += 1.0
    assert model.codec is codec
    model.forget()
    assert model.codec is not codec


def test_who_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core where nothing is differentiated, torch where something is."""
    model = seeded_model("24khz")
    audio = sound(1, 1, 3200)
    built: list[Codec] = []

    def counted(*args: Any) -> Codec:
        built.append(Codec(*args))
        return built[-1]

    monkeypatch.setattr(model._runtime, "_kind", counted)
    model.train()
    model(audio).audio_values.sum().backward()
    model.encode(audio)
    assert not built
    model.train(False)
    model(audio)
    assert not built
    model.encode(audio)  # whole numbers have no gradient
    assert len(built) == 1
    with torch.inference_mode():
        model(audio)
    model.requires_grad_(False)
    model(audio)
    assert len(built) == 1


def test_torch_computes_where_somebody_looks_or_changed_a_layer() -> None:
    model, audio = seeded_model("24khz"), sound(1, 1, 3200)
    with torch.no_grad():
        codes = model.encode(audio).audio_codes
        seen: list[int] = []
        handle = model.encoder.layers[4].register_forward_hook(lambda *_: seen.append(1))
        model.encode(audio)
        assert seen == [1]
        handle.remove()
        model.encode(audio)
        assert seen == [1]
        before = model.decode(codes)[0]
        model.decoder.layers[2] = nn.LeakyReLU()
        assert not torch.allclose(model.decode(codes)[0], before, rtol=1e-3)


def test_weight_norm_may_be_taken_off() -> None:
    model, audio = seeded_model("24khz"), sound(1, 1, 3200)
    with torch.no_grad():
        before = model(audio).audio_values
        for module in list(model.modules()):
            if parametrize.is_parametrized(module):
                parametrize.remove_parametrizations(module, "weight")
        after = model(audio).audio_values
    assert torch.allclose(before, after, atol=1e-5 * before.abs().max().item())
    assert model._on_the_core(audio)


class Clips(list[Any]):
    """As much of a `datasets` table as the documented examples touch."""

    def cast_column(self, name: str, kind: int) -> Clips:
        assert name == "audio"
        assert kind
        return self


@pytest.mark.parametrize("name", ["24khz", "48khz"])
def test_the_documented_examples(name: str, tmp_path: Path) -> None:
    """The calls of the two model cards, mono speech for the stereo model included."""
    saved = seeded_model(name)
    config = saved.config
    saved.save_pretrained(tmp_path)
    EncodecFeatureExtractor(
        config.audio_channels,
        config.sampling_rate,
        chunk_length_s=config.chunk_length_s,
        overlap=config.overlap,
    ).save_pretrained(tmp_path)
    librispeech_dummy = Clips([{"audio": {"array": sound(1, 1, 12345)[0, 0].double().numpy()}}])

    model = EncodecModel.from_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    librispeech_dummy = librispeech_dummy.cast_column("audio", processor.sampling_rate)
    audio_sample = librispeech_dummy[-1]["audio"]["array"]
    inputs = processor(  # type: ignore[operator]
        raw_audio=audio_sample, sampling_rate=processor.sampling_rate, return_tensors="pt"
    )
    encoder_outputs = model.encode(inputs["input_values"], inputs["padding_mask"])
    audio_values = model.decode(
        encoder_outputs.audio_codes, encoder_outputs.audio_scales, inputs["padding_mask"]
    )[0]
    again = model(inputs["input_values"], inputs["padding_mask"]).audio_values
    assert audio_values.shape == again.shape == inputs["input_values"].shape
    assert torch.allclose(audio_values, again, atol=1e-4 * again.abs().max().item())
    outputs = model(**inputs)
    assert torch.equal(outputs.audio_codes, encoder_outputs.audio_codes)
    assert torch.equal(outputs.audio_values, again)
