"""Training through the Hugging Face-like model, and the core that follows its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from encodec_configs import CONFIGS, fill, seeded_model, sound
from torch.nn.utils import parametrize

import torch
from hopcodec.codec._codec import Codec
from hopcodec.torch import _core_copy
from hopcodec.torch.hf import AutoProcessor, EncodecFeatureExtractor, EncodecModel
from hopcodec.torch.hf._encodec_spec import encodec_spec
from torch import Tensor, nn


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
    seen: list[Tensor] = []

    def keep(_: object, __: object, latents: Tensor) -> None:
        latents.retain_grad()
        seen.append(latents)

    handle = model.encoder.register_forward_hook(keep)
    output = model(sound(1, 1, 3200), bandwidth=6.0)
    output.audio_values.square().sum().backward()
    handle.remove()
    direct = model.quantizer.decode(output.audio_codes[0].transpose(0, 1)).requires_grad_()
    model.decoder(direct).square().sum().backward()
    (latents,) = seen
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


def in_the_middle(model: EncodecModel) -> None:
    model.decoder.layers[0].conv.parametrizations.weight.original1.data[3, 3, 3] += 1.0


def through_numpy(model: EncodecModel) -> None:
    model.decoder.layers[0].conv.bias.detach().numpy()[1] += 0.5


def through_a_view(model: EncodecModel) -> None:
    with torch.no_grad():
        model.decoder.layers[0].conv.bias.detach().view(2, -1)[1, 0].add_(0.5)


def foreach_step(model: EncodecModel) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, foreach=True)
    model(sound(1, 1, 3200)).audio_values.square().sum().backward()
    optimiser.step()


def flipped_signs(model: EncodecModel) -> None:
    """A sum of bits would not see two flips."""
    model.decoder.layers[0].conv.bias.data[:2].neg_()


def swapped_entries(model: EncodecModel) -> None:
    """Neither would a sum of numbers see a permutation."""
    embed = model.quantizer.layers[0].codebook.embed
    embed.data.copy_(embed.flip(0))


def replaced_dead_entries(model: EncodecModel) -> None:
    for layer in model.quantizer.layers:
        new = layer.codebook.embed.clone()
        new[20:900] = torch.randn(880, new.shape[1])
        layer.codebook.embed.data.copy_(new)


def in_inference_mode(model: EncodecModel) -> None:
    with torch.inference_mode():
        model.decoder.layers[0].conv.bias.add_(0.5)


CHANGES = [
    assign,
    replace,
    step,
    load,
    average,
    in_the_middle,
    through_numpy,
    through_a_view,
    foreach_step,
    flipped_signs,
    swapped_entries,
    replaced_dead_entries,
    in_inference_mode,
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_core_follows_its_parameters(change: Callable[[EncodecModel], None]) -> None:
    model = seeded_model("24khz")
    audio = sound(1, 1, 3200)
    with torch.no_grad():
        codes = model.encode(audio, bandwidth=6.0).audio_codes
        before = model.decode(codes)[0]
        codec = model.codec
        assert model.codec is codec
    change(model)
    with torch.no_grad():
        after = model.decode(codes)[0]
    assert model.codec is not codec
    modules = model.decode(codes)[0]
    assert modules.requires_grad
    assert not torch.equal(before, after)
    assert torch.allclose(after, modules, rtol=1e-4, atol=1e-5 * float(after.abs().max()))
    fresh = EncodecModel(model.config).eval()
    fresh.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(fresh.decode(codes)[0], after)
        wanted = fresh.encode(audio, bandwidth=6.0).audio_codes
        assert torch.equal(model.encode(audio, bandwidth=6.0).audio_codes, wanted)


def test_what_only_training_reads_is_not_compared() -> None:
    model = seeded_model("24khz")
    codec = model.codec
    model.quantizer.layers[0].codebook.cluster_size.add_(1.0)
    model.load_state_dict(copy.deepcopy(model.state_dict()))  # the same numbers once more
    assert model.codec is codec


def test_who_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core where nothing is differentiated, torch where something is."""
    model = seeded_model("24khz")
    audio = sound(1, 1, 3200)
    built: list[Any] = []

    def counted(*args: Any) -> Any:
        built.append(Codec(*args))
        return built[-1]

    monkeypatch.setattr(_core_copy, "Codec", counted)
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
        assert model._codec_for(audio) is not None
        seen: list[int] = []
        handle = model.encoder.layers[4].register_forward_hook(lambda *_: seen.append(1))
        model.encode(audio)
        assert seen == [1]
        handle.remove()
        model.encode(audio)
        assert seen == [1]
        layer = model.encoder.layers[4]
        own = layer.forward
        layer.forward = lambda x: seen.append(2) or own(x)  # as accelerate wraps a layer
        model.encode(audio)
        assert seen == [1, 2]
        del layer.forward
        assert model._codec_for(audio) is not None
        before = model.decode(codes)[0]
        model.decoder.layers[2] = nn.LeakyReLU()
        assert not torch.allclose(model.decode(codes)[0], before, rtol=1e-3)
    with pytest.raises(ValueError, match="expected the layers that the model was built with"):
        model.codec  # noqa: B018


def test_a_layer_of_other_settings_is_torchs() -> None:
    """Same class, same weights, another computation."""
    model, audio = seeded_model("24khz"), sound(1, 1, 3200)
    elu = next(m for m in model.decoder.modules() if isinstance(m, nn.ELU))
    conv = model.decoder.layers[0]
    for owner, name, other in ((elu, "alpha", 0.5), (conv, "pad_mode", "constant")):
        held = getattr(owner, name)
        setattr(owner, name, other)
        assert model._codec_for(audio) is None
        setattr(owner, name, held)
        assert model._codec_for(audio) is not None


def test_another_parametrization_is_torchs() -> None:
    model, audio = seeded_model("24khz"), sound(1, 1, 3200)
    assert model._codec_for(audio) is not None
    halved = nn.Module()
    halved.forward = lambda weight: 0.5 * weight
    parametrize.register_parametrization(model.decoder.layers[0].conv, "weight", halved)
    assert model._codec_for(audio) is None


def test_weight_norm_may_be_taken_off() -> None:
    model, audio = seeded_model("24khz"), sound(1, 1, 3200)
    with torch.no_grad():
        before = model(audio).audio_values
        for module in list(model.modules()):
            if parametrize.is_parametrized(module):
                parametrize.remove_parametrizations(module, "weight")
        after = model(audio).audio_values
    assert torch.allclose(before, after, atol=1e-5 * before.abs().max().item())
    assert model._codec_for(audio) is not None


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
