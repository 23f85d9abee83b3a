"""SpeechBrain's DAC: the examples of its documentation, and the original behind it."""

from __future__ import annotations

import contextlib
import http.server
import inspect
import logging
import threading
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from dac_models import descript
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_dacs import HOP, SHAPE, drawn, original_model, original_state, small_dac, sound

import hopcodec
import torch
from hopcodec.errors import WeightsError
from hopcodec.torch.speechbrain import (
    DAC,
    Decoder,
    DecoderBlock,
    Encoder,
    EncoderBlock,
    ResidualUnit,
    ResidualVectorQuantize,
    Snake1d,
    VectorQuantize,
    WNConv1d,
    WNConvTranspose1d,
    download,
    init_weights,
)
from hopcodec.weights._hub import ORIGINAL_URLS

# As SpeechBrain's documentation states them, in its order.
SIGNATURES = {
    DAC: "encoder_dim=64 encoder_rates=(2,4,8,8) latent_dim=None decoder_dim=1536 "
    "decoder_rates=(8,8,4,2) n_codebooks=9 codebook_size=1024 codebook_dim=8 "
    "quantizer_dropout=False sample_rate=44100 model_type=44khz model_bitrate=8kbps tag=latest "
    "load_path=None strict=False load_pretrained=False",
    Encoder: "d_model=64 strides=(2,4,8,8) d_latent=64",
    Decoder: "input_channel channels rates d_out=1",
    EncoderBlock: "dim=16 stride=1",
    DecoderBlock: "input_dim=16 output_dim=8 stride=1",
    ResidualUnit: "dim=16 dilation=1",
    Snake1d: "channels",
    VectorQuantize: "input_dim codebook_size codebook_dim",
    ResidualVectorQuantize: "input_dim=512 n_codebooks=9 codebook_size=1024 codebook_dim=8 "
    "quantizer_dropout=0.0",
    download: "model_type=44khz model_bitrate=8kbps tag=latest local_path=None",
}
# Of the pretrained examples: 1024 latent channels and 16 kHz, but narrow.
PRETRAINED: dict[str, Any] = {
    **SHAPE,
    "latent_dim": 1024,
    "n_codebooks": 12,
    "quantizer_dropout": 0.0,
}


@pytest.mark.parametrize("callable_", SIGNATURES, ids=lambda c: c.__name__)
def test_arguments_are_those_of_the_documentation(callable_: Any) -> None:
    given = [
        p
        for p in inspect.signature(callable_).parameters.values()
        if p.kind is not p.KEYWORD_ONLY  # ours, beyond the documented ones
    ]
    text = " ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default}".replace(", ", ",")
        for p in given
    )
    assert text == SIGNATURES[callable_]


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file where the 16 kHz model would have been downloaded to."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".cache" / "descript" / "dac" / "weights_16khz_8kbps_0.0.5.pth"
    path.parent.mkdir(parents=True)
    torch.manual_seed(5)
    model = DAC(**PRETRAINED)
    drawn(model)
    model.save(path)
    return path


def test_the_documentations_examples_of_pretrained_models(released: Path) -> None:
    dac = DAC(load_pretrained=True, model_type="16KHz", model_bitrate="8kbps", tag="latest")
    quantizer = dac.quantizer
    continuous_embeddings = torch.randn(1, 1024, 20)
    discrete_embeddings, codes, _, _, _ = quantizer(continuous_embeddings)
    assert discrete_embeddings.shape == (1, 1024, 20)
    assert codes.shape == (1, 12, 20)

    encoder = dac.encoder
    audio_input = torch.randn(1, 1, 16000)
    continuous_embeddings = encoder(audio_input)
    assert continuous_embeddings.shape == (1, 1024, 50)

    decoder = dac.decoder
    discrete_embeddings = torch.randn(1, 1024, 20)
    recovered_audio = decoder(discrete_embeddings)
    assert recovered_audio.shape == (1, 1, 20 * HOP - 8)

    audio_data = torch.randn(1, 1, 16000)
    tokens, embeddings = dac(audio_data)
    decoded_audio = dac.decode(embeddings)
    assert tokens.shape == (1, 12, 50)
    assert decoded_audio.shape == (1, 1, 16000 - 8)


@pytest.mark.slow
def test_the_documentations_examples_of_new_models() -> None:
    encoder = Encoder()
    audio_input = torch.randn(1, 1, 16000)
    continuous_embedding = encoder(audio_input)
    assert continuous_embedding.shape == (1, 64, 31)

    decoder = Decoder(128, 256, [8, 8, 4, 2])
    discrete_embeddings = torch.randn(1, 128, 20)
    recovered_audio = decoder(discrete_embeddings)
    assert recovered_audio.shape == (1, 1, 20 * 512)

    dac = DAC()
    audio_data = torch.randn(1, 1, 16000)
    tokens, embeddings = dac(audio_data)
    assert tokens.shape == (1, 9, 32)
    assert embeddings.shape == (1, 1024, 32)


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
def test_it_gives_what_the_original_gives(core: bool) -> None:
    ours = small_dac()
    theirs = original_model(original_state(ours), **SHAPE)
    audio = sound(2, 25 * HOP)
    for n_quantizers in (None, 1, 3):
        with torch.set_grad_enabled(not core):
            got, expected = ours.encode(audio, n_quantizers), theirs.encode(audio, n_quantizers)
            heard, wanted = ours.decode(got[0]), theirs.decode(got[0])
        assert torch.equal(got[1], expected[1])
        for mine, reference in zip(got, expected, strict=True):
            assert mine.shape == reference.shape
            assert torch.allclose(mine, reference, rtol=1e-4, atol=1e-5)
        assert torch.allclose(heard, wanted, atol=1e-5)
    codes, z = ours(audio[..., :-100])
    whole = theirs(audio[..., :-100])
    assert torch.equal(codes, whole["codes"])
    assert torch.allclose(z, whole["z"], rtol=1e-4, atol=1e-5)


def test_a_new_model_starts_where_the_original_starts() -> None:
    torch.manual_seed(3)
    ours = DAC(**SHAPE)
    torch.manual_seed(3)
    theirs = descript().DAC(**SHAPE)
    expected = theirs.state_dict()
    for name, tensor in original_state(ours).items():
        # The norms of the first weights are computed by other code in newer torch.
        assert torch.allclose(tensor, expected[name], rtol=1e-6), name
    plain = torch.nn.Conv1d(8, 8, 7)
    init_weights(plain)
    assert plain.weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert not plain.bias.any()


def test_training_is_the_originals_to_every_gradient() -> None:
    ours = small_dac().train()
    theirs = original_model(original_state(ours), **SHAPE).train()
    audio = sound(4, 10 * HOP)
    gradients = []
    for model in (ours, theirs):
        torch.manual_seed(9)
        z, _, _, commitment, codebook = model.encode(audio)
        heard = model.decode(z)
        loss = (heard - audio[..., : heard.shape[-1]]).abs().mean()
        (loss + 0.25 * commitment + codebook).backward()
        own = {name: p.grad for name, p in model.named_parameters()}
        gradients.append({n.replace("parametrizations.", ""): g for n, g in own.items()})
    mine = {
        n.replace("weight.original0", "weight_g").replace("weight.original1", "weight_v"): g
        for n, g in gradients[0].items()
    }
    assert mine.keys() == gradients[1].keys()
    for name, expected in gradients[1].items():
        assert expected.abs().max() > 0, name
        assert (mine[name] - expected).abs().max() <= 2e-3 * expected.abs().max(), name


def test_files_are_the_originals(tmp_path: Path) -> None:
    ours = small_dac()
    path = tmp_path / "weights.pth"
    ours.save(path)
    content = torch.load(path, weights_only=True)
    theirs = original_model(content["state_dict"], **content["metadata"]["kwargs"])
    again = DAC(load_pretrained=True, load_path=path, strict=True, n_codebooks=2).eval()
    assert again.n_codebooks == SHAPE["n_codebooks"]
    assert again.metadata["kwargs"]["encoder_rates"] == SHAPE["encoder_rates"]
    audio = sound(1, 12 * HOP)
    with torch.no_grad():
        codes = again(audio)[0]
        assert torch.equal(codes, theirs.encode(audio)[1])
        assert torch.equal(codes, ours(audio)[0])
    for name, tensor in original_state(again).items():
        assert torch.equal(tensor, content["state_dict"][name])


def test_the_file_is_one_the_runtime_loads(tmp_path: Path) -> None:
    ours = small_dac()
    ours.save(tmp_path / "weights.pth")
    codec = hopcodec.load(tmp_path / "weights.pth")
    audio = sound(1, 12 * HOP - 77)
    with torch.no_grad():
        codes = ours(audio)[0]
        heard = ours.decode(ours.quantizer.from_codes(codes)[0])
    own = codec.encode(audio[0].numpy(), codebooks=5)
    assert np.array_equal(own, codes[0].numpy())
    difference = np.abs(codec.decode(own) - heard[0].numpy()).max()
    assert difference < 1e-5


def test_what_a_file_lacks_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours = small_dac()
    path = tmp_path / "weights.pth"
    ours.save(path)
    content = torch.load(path, weights_only=True)
    content["state_dict"]["encoder.block.9.bias"] = content["state_dict"].pop(
        "encoder.block.0.bias"
    )
    torch.save(content, path)
    with caplog.at_level(logging.WARNING):
        DAC(load_pretrained=True, load_path=path)
    assert "missing ['encoder.block.0.bias'], surplus ['encoder.block.9.bias']" in caplog.text
    with pytest.raises(WeightsError, match=r"encoder\.block\.9\.bias"):
        DAC(load_pretrained=True, load_path=path, strict=True)
    content["metadata"]["kwargs"]["decoder_dim"] = 1 << 16
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"expected the \d+ numbers that its arguments ask for"):
        DAC(load_pretrained=True, load_path=path)
    content["metadata"]["kwargs"]["encoder_rates"] = [2, "4"]
    torch.save(content, path)
    with pytest.raises(WeightsError, match="encoder_rates: expected a whole number, got '4'"):
        DAC(load_pretrained=True, load_path=path)
    content["state_dict"]["encoder.block.6.bias"][3] = torch.inf
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"tensor encoder\.block\.6\.bias: expected finite"):
        DAC(load_pretrained=True, load_path=path)
    content["state_dict"]["encoder.block.6.bias"] = torch.zeros(1).expand(1 << 40)
    torch.save(content, path)
    with pytest.raises(WeightsError, match="its storage holds"):
        DAC(load_pretrained=True, load_path=path)
    content["state_dict"]["encoder.block.6.bias"] = torch.zeros(3)
    torch.save(content["state_dict"], path)
    with pytest.raises(WeightsError, match='expected a dict of "state_dict" and "metadata"'):
        DAC(load_pretrained=True, load_path=path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="malformed"):
        DAC(load_pretrained=True, load_path=path)
    with pytest.raises(WeightsError, match="does not exist"):
        DAC(load_pretrained=True, load_path=tmp_path / "none.pth")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 1 << 30), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_files_are_refused_or_read(place: int, value: int, cut: bool) -> None:
    """Whatever a byte becomes: an error of ours, or a model. Never another exception."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth"
        data = bytearray(_saved())
        # Most of the file is numbers: look at its directory and its pickle as often.
        place %= len(data) if value % 2 else 4096
        data[place] = value
        path.write_bytes(data[:place] if cut else data)
        with contextlib.suppress(WeightsError):
            DAC(load_pretrained=True, load_path=path)


@cache
def _saved() -> bytes:
    with TemporaryDirectory() as folder:
        small_dac(encoder_dim=2, decoder_dim=16, n_codebooks=1).save(f"{folder}/weights.pth")
        return Path(folder, "weights.pth").read_bytes()


def test_downloads_come_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{tmp_path.as_uri()}/0.0.4/weights_24khz.pth"
    assert ORIGINAL_URLS["dac_24khz"].endswith("/0.0.4/weights_24khz.pth")
    monkeypatch.setitem(ORIGINAL_URLS, "dac_24khz", url)
    target = tmp_path / "cache" / "model.pth"
    with pytest.raises(WeightsError, match="give the file itself as load_path"):
        download("24khz", local_path=target)
    assert not list(target.parent.iterdir())
    (tmp_path / "0.0.4").mkdir()
    (tmp_path / "0.0.4" / "weights_24khz.pth").write_bytes(b"weights")
    assert download("24KHz", tag="0.0.4", local_path=target).read_bytes() == b"weights"
    (tmp_path / "0.0.4" / "weights_24khz.pth").unlink()
    assert download("24khz", local_path=target) == target
    with pytest.raises(ValueError, match=r"expected a model of 44khz 8kbps.*, got 24khz 16kbps"):
        download("24khz", "16kbps")
    with pytest.raises(ValueError, match=r"tag: expected latest or 0\.0\.4 for 24khz, got 1\.0\.0"):
        download("24khz", tag="1.0.0")


def test_items_of_a_batch_are_as_if_alone() -> None:
    ours = small_dac()
    audio = sound(2, 9 * HOP)
    mask = torch.ones(2, 9 * HOP)
    mask[1, 4 * HOP - 20 :] = 0
    with torch.no_grad():
        _, codes, latents, *_ = ours.encode(audio, padding_mask=mask)
        alone, embeddings = ours(audio[1:, :, : 4 * HOP - 20])
        assert torch.equal(codes[1:, :, :4], alone)
        assert not codes[1, :, 4:].any()
        assert embeddings.shape == (1, 24, 4)
        assert torch.equal(codes[0], ours(audio[:1])[0][0])
    assert latents.shape == (2, 40, 9)


def test_what_the_original_ignores_is_refused() -> None:
    ours = small_dac()
    with pytest.raises(ValueError, match="sample_rate: expected 16000, got 44100"):
        ours(sound(1, HOP), 44100)
    assert torch.equal(ours(sound(1, HOP), 16000)[0], ours(sound(1, HOP))[0])


def test_shapes_the_core_does_not_know_run_on_torch() -> None:
    for changes in (
        {"codebook_dim": [2, 4, 6, 8, 8]},
        {"encoder_rates": [1, 4], "decoder_rates": [4, 1]},
    ):
        ours = small_dac(**changes)
        with torch.no_grad():
            codes, z = ours(sound(1, 640))
            assert torch.equal(ours.decode(z), ours.decoder(z))
        assert codes.shape[1] == 5


def test_convolutions_are_under_weight_norm() -> None:
    x = torch.randn(1, 4, 9)
    for make, gains in ((WNConv1d, 6), (WNConvTranspose1d, 4)):
        conv = make(4, 6, kernel_size=3, padding=1)
        assert conv(x).shape == (1, 6, 9)
        assert conv.parametrizations.weight.original0.shape == (gains, 1, 1)
        assert "weight" not in dict(conv.named_parameters())


def test_blocks_keep_their_shapes() -> None:
    x = torch.randn(2, 8, 40)
    assert ResidualUnit(8, dilation=9)(x).shape == (2, 8, 40)
    assert EncoderBlock(16, stride=4)(x).shape == (2, 16, 10)
    assert DecoderBlock(8, 4, stride=5)(x).shape == (2, 4, 199)
    unpadded = ResidualUnit(8, dilation=3)
    unpadded.block[1].padding = (0,)
    with torch.no_grad():
        assert torch.equal(unpadded(x), x[..., 9:-9] + unpadded.block(x))


class _BreaksOff(http.server.BaseHTTPRequestHandler):
    """Sends four bytes of the thousand that it promises."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"PK\x03\x04")

    def log_message(self, *_: object) -> None:
        pass


def test_a_download_that_breaks_off_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), _BreaksOff)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/0.0.5/weights.pth"
    monkeypatch.setitem(ORIGINAL_URLS, "dac_16khz", address)
    path = tmp_path / "weights.pth"
    try:
        with pytest.raises(WeightsError, match="expected 1000 bytes, got 4"):
            download("16khz", local_path=path)
    finally:
        server.shutdown()
        server.server_close()
    assert not list(tmp_path.iterdir())
