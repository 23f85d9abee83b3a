"""The trainable modules compute what the runtime computes, and learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from slow_ones import slow

import hopcodec
import torch
from hopcodec.codec._codec import Codec
from hopcodec.errors import WeightsError
from hopcodec.specs._dac import dac
from hopcodec.specs._encodec import causal_encodec
from hopcodec.specs._language import CodecSpec, Conv1d, Padding, Residual
from hopcodec.specs._lapped import hopcodec_24khz, lapped_codec
from hopcodec.torch.nn import Snake1d, TrainableCodec, TrainableEuclideanRvq
from hopcodec.torch.nn._layers import Chain, pad
from hopcodec.torch.nn._quantize import k_means, nearest
from hopcodec.torch.nn._start import mdct
from hopcodec.weights import load_weights


def small_lapped() -> CodecSpec:
    return lapped_codec(
        "small",
        step_widths=(12, 16),
        frame_widths=(24, 32),
        encoder_steps=(1, 3),
        encoder_frames=(1, 2),
        decoder_frames=(1, 3),
        decoder_steps=(2,),
        latent=8,
        codebooks=4,
        codebook_size=32,
        bandwidths=(1.5,),
    )


def small_encodec() -> CodecSpec:
    return causal_encodec(
        "small", sample_rate=24000, bandwidths=(3.0,), codebooks=4, filters=4, latent=16
    )


def small_dac() -> CodecSpec:
    return dac(
        "small",
        sample_rate=24000,
        encoder_dim=4,
        latent_dim=16,
        decoder_dim=32,
        n_codebooks=4,
        codebook_size=32,
        codebook_dim=4,
    )


def speech_like(batch: int, samples: int, seed: int = 0) -> torch.Tensor:
    """Harmonics of a wandering pitch under a slow envelope, and a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 24000
    pitch = (
        90 + 120 * rng.random((batch, 1)) + 15 * np.sin(2 * np.pi * 3 * t + rng.random((batch, 1)))
    )
    phase = np.cumsum(2 * np.pi * pitch / 24000, axis=1)
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * t + 6 * rng.random((batch, 1)))
    audio = 0.1 * tone * envelope + 0.003 * rng.standard_normal((batch, samples))
    return torch.from_numpy(audio[:, None].astype(np.float32))


def trained_a_little(spec: CodecSpec, steps: int = 12) -> tuple[TrainableCodec, list[float]]:
    torch.manual_seed(1)
    model = TrainableCodec(spec)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for step in range(steps):
        audio = speech_like(4, spec.hop_samples * 25, seed=step % 3)
        if step == 3:
            model.quantizer.initialise(model.encoder(audio))
        if step < 3:
            heard, commitment = model.decoder(model.encoder(audio)), torch.zeros(())
        else:
            heard, quantized = model(audio, torch.tensor([1, 2, 3, 4]))
            commitment = quantized.commitment
        loss = (heard - audio).abs().mean() + 0.01 * commitment
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return model.eval(), losses


@pytest.mark.parametrize(
    "spec",
    [small_encodec(), *slow(small_lapped(), small_dac())],
    ids=["encodec", "lapped", "dac"],
)
def test_trained_exported_and_streamed_it_is_the_same_model(
    spec: CodecSpec, tmp_path: Path
) -> None:
    model, losses = trained_a_little(spec)
    assert np.isfinite(losses).all()
    model.export(tmp_path / "model.safetensors")
    codec = Codec(spec, load_weights(tmp_path / "model.safetensors", spec))
    audio = speech_like(1, spec.hop_samples * 40, seed=9)
    with torch.no_grad():
        latents = model.encoder(audio)[0].numpy()
        quantized = model.quantizer(torch.from_numpy(latents[None]))
        heard = model.decoder(model.quantizer.decode(quantized.codes))[0].numpy()
    encoder, decoder = codec.encoder(bandwidth=max(spec.bandwidths)), codec.decoder()
    pieces = np.split(audio[0].numpy(), range(101, audio.shape[-1], 407), axis=1)
    codes = np.concatenate(
        [*(encoder.push(np.ascontiguousarray(p)) for p in pieces), encoder.flush()], 1
    )
    whole = codec.encoder(bandwidth=max(spec.bandwidths))
    scale = np.abs(latents).max()
    assert np.abs(whole.latents(audio[0].numpy(), last=True) - latents).max() < 1e-5 * scale
    # A near-tie may fall the other way; it is then rare, and the decoder is asked the same codes.
    assert (codes == quantized.codes[0, : len(codes)].numpy()).mean() > 0.99
    given = quantized.codes[0].numpy().astype(np.uint16)
    streamed = np.concatenate(
        [decoder.push(given[:, :7].copy()), decoder.push(given[:, 7:].copy()), decoder.flush()], 1
    )
    assert np.abs(streamed - heard).max() < 1e-5 * np.abs(heard).max()


def test_the_built_in_spec_has_a_quarter_hop_of_lookahead_and_fits_its_file() -> None:
    spec = hopcodec_24khz()
    numbers = sum(int(np.prod(shape)) for shape in spec.tensors().values())
    assert 2 * numbers < 8e6  # bytes as float16
    codec = Codec(spec, TrainableCodec(spec).weights())
    assert codec.latency_samples == 400


def test_both_starts_are_one_for_a_model_padded_with_zeros() -> None:
    spec = small_lapped()
    codec = Codec(spec, TrainableCodec(spec).weights())
    audio = speech_like(1, 3333)[0].numpy()
    exact = codec.encode(audio, bandwidth=1.5, start="exact")
    assert np.array_equal(exact, codec.encode(audio, bandwidth=1.5, start="immediate"))


def test_a_little_training_lowers_the_loss() -> None:
    _, losses = trained_a_little(small_lapped(), steps=60)
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:3])


def test_codebooks_begin_from_the_data_and_every_stage_helps() -> None:
    torch.manual_seed(2)
    mixed = torch.randn(16, 8) @ torch.randn(8, 16)
    latents = (torch.randn(8, 400, 16) @ mixed).transpose(1, 2)
    rvq = TrainableEuclideanRvq(4, 64, 16)
    before = rvq.eval()(latents).snr_db
    rvq.initialise(latents)
    snr = rvq(latents).snr_db
    assert (snr.diff() > 1.0).all()
    assert snr[0] > before[0] + 1.0
    assert all(len(codes.unique()) > 50 for codes in rvq(latents).codes.unbind(1))


def test_dead_entries_come_back_to_life() -> None:
    torch.manual_seed(3)
    rvq = TrainableEuclideanRvq(1, 64, 4, decay=0.8).train()
    rvq.quantizers[0].embed.fill_(50.0)  # nobody is near
    rvq.quantizers[0].embed[0] = 0.0
    latents = torch.randn(4, 4, 256)
    assert len(rvq.eval()(latents).codes.unique()) == 1
    rvq.train()
    for _ in range(30):
        used = rvq(latents).codes.unique()
    assert len(used) > 40


def test_fewer_codebooks_are_the_sum_of_the_first() -> None:
    torch.manual_seed(4)
    rvq = TrainableEuclideanRvq(4, 32, 8).eval()
    latents = torch.randn(3, 8, 10)
    codes = rvq(latents).codes
    given = rvq(latents, torch.tensor([1, 3, 4])).quantized
    for item, n_q in enumerate((1, 3, 4)):
        expected = rvq.decode(codes[item : item + 1, :n_q])[0]
        assert torch.allclose(given[item], expected, atol=1e-5)


def test_gradients_pass_straight_through_and_every_stage_commits() -> None:
    torch.manual_seed(5)
    rvq = TrainableEuclideanRvq(3, 32, 8).eval()
    latents = torch.randn(2, 8, 6, requires_grad=True)
    rvq(latents).quantized.sum().backward()
    assert latents.grad is not None
    assert torch.equal(latents.grad, torch.ones_like(latents))
    latents.grad = None
    result = rvq(latents)
    result.commitment.backward()
    rows = latents.detach().transpose(1, 2).flatten(0, 1)
    left, expected = rows.clone(), torch.zeros_like(rows)
    for stage in range(3):
        left = left - rvq.quantizers[stage].embed[result.codes[:, stage].flatten()]
        expected += 2 * left / rows.numel()
    got = latents.grad.transpose(1, 2).flatten(0, 1)
    assert torch.allclose(got, expected, atol=1e-6)


def test_k_means_finds_separate_clusters() -> None:
    torch.manual_seed(6)
    centres = 20 * torch.eye(6)
    points = centres.repeat(50, 1) + 0.1 * torch.randn(300, 6)
    found = k_means(points, 6, 20)
    distance = torch.cdist(centres, found).amin(1)
    assert (distance < 0.2).sum() >= 5  # a random start may join two, never lose more


def test_the_lowest_index_wins_a_tie() -> None:
    entries = torch.tensor([[2.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    assert nearest(torch.tensor([[1.0, 1.0]]), entries).tolist() == [1]


@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 30])
def test_padding_is_the_runtimes(length: int) -> None:
    """A convolution that copies its input shows the padding itself."""
    padding = Padding(left=6, right=0, mode="reflect", full_window=True)
    taps = tuple(Conv1d(f"tap{k}", 1, 1, 7, padding, activation="none") for k in range(1))
    spec = CodecSpec("pads", 24000, 1, 1, (0.75,), taps, taps, small_encodec().quantizer)
    audio = np.linspace(0.1, 0.9, length, dtype=np.float32)[None]
    padded = pad(torch.from_numpy(audio[None]), padding, 1)[0, 0].numpy()
    chain = Chain(spec.encoder, normalise=False)
    with torch.no_grad():
        expected = chain(torch.from_numpy(audio[None]))[0].numpy()
    weight = dict(chain.folded())["tap0.weight"].detach().numpy()[0, 0]
    by_hand = np.correlate(padded, weight, "valid") + chain.layers[0].conv.bias.item()
    assert np.allclose(expected[0], by_hand, atol=1e-6)


def test_training_begins_with_a_transform_that_works() -> None:
    basis = mdct(80)
    assert np.allclose(basis @ basis.T, np.eye(80), atol=1e-12)
    audio = np.random.default_rng(0).normal(size=80 * 12)
    frames = np.stack([audio[i : i + 160] for i in range(0, 80 * 11, 80)])
    back = np.zeros_like(audio)
    for i, frame in enumerate(frames):
        back[80 * i : 80 * i + 160] += basis.T @ (basis @ frame)
    assert np.allclose(back[80:-80], audio[80:-80], atol=1e-10)
    model = TrainableCodec(hopcodec_24khz())
    first = model.encoder.layers[0].conv.weight.detach().numpy()[:80, 0]
    assert np.allclose(first / 15, basis, atol=1e-6)


def test_snake_is_its_formula() -> None:
    snake = Snake1d(3)
    with torch.no_grad():
        snake.alpha.copy_(torch.tensor([0.5, 1.0, 4.0])[None, :, None])
    x = torch.randn(2, 3, 50, dtype=torch.float64)
    alpha = snake.alpha.double()
    expected = x + torch.sin(alpha * x) ** 2 / alpha
    assert torch.allclose(snake.double()(x), expected, atol=1e-7)


def test_a_shortcut_is_added() -> None:
    conv = Conv1d("c", 2, 2, 1, Padding(0, 0, "zero", False))
    unit = Chain([Residual(branch=(conv,), shortcut=())], normalise=False)
    x = torch.randn(1, 2, 4)
    alone = Chain([conv], normalise=False)
    alone.layers[0].conv.load_state_dict(unit.layers[0].branch.layers[0].conv.state_dict())
    assert torch.allclose(unit(x), x + alone(x))


def test_half_precision_files_say_what_does_not_fit(tmp_path: Path) -> None:
    spec = small_lapped()
    model = TrainableCodec(spec)
    model.export(tmp_path / "half.safetensors", dtype="float16")
    model.export(tmp_path / "full.safetensors")
    sizes = [(tmp_path / f"{n}.safetensors").stat().st_size for n in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    for name, array in load_weights(tmp_path / "half.safetensors", spec).items():
        assert np.array_equal(array, model.weights()[name].astype(np.float16).astype(np.float32))
    with torch.no_grad():
        model.encoder.layers[0].conv.bias[0] = 1e6
    with pytest.raises(WeightsError, match="expected numbers that float16 holds, got 1000000"):
        model.export(tmp_path / "half.safetensors", dtype="float16")


def test_the_package_itself_stays_without_torch() -> None:
    import subprocess
    import sys

    code = "import sys, hopcodec; hopcodec.load; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert hopcodec.__version__
