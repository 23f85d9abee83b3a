"""What an EnCodec batch gives where there is nothing: no items, no sound, no code."""

from __future__ import annotations

import pytest

import torch
from hopcodec.torch.hf import EncodecConfig, EncodecModel
from hopcodec.torch.hf._encodec_pieces import NO_CODE

SAMPLES = 3200


def small() -> EncodecModel:
    torch.manual_seed(0)
    config = EncodecConfig(num_filters=4, hidden_size=16, target_bandwidths=[1.5, 3.0, 6.0])
    return EncodecModel(config).eval()


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
def test_an_item_of_padding_keeps_the_number_of_codebooks(core: bool) -> None:
    model, silent = small(), torch.zeros(1, SAMPLES)
    with torch.set_grad_enabled(not core):
        codes = model(torch.ones(1, 1, SAMPLES), silent, bandwidth=6.0).audio_codes
        assert codes.shape == (1, 1, 8, 0)
        assert model.encode(torch.ones(1, 1, SAMPLES), silent).audio_codes.shape == (1, 1, 2, 0)
        heard = model.decode(codes, padding_mask=silent).audio_values
        assert torch.equal(heard, torch.zeros(1, 1, SAMPLES))


@pytest.mark.parametrize("core", [True, False], ids=["core", "torch"])
def test_a_batch_of_none_is_empty(core: bool) -> None:
    model, none = small(), torch.zeros(0, 1, SAMPLES)
    with torch.set_grad_enabled(not core):
        assert model.encode(none, bandwidth=6.0).audio_codes.shape[:3] == (1, 0, 8)
        for mask in (None, torch.ones(0, SAMPLES), torch.ones(0, 1, SAMPLES)):
            assert len(model(none, mask, bandwidth=6.0).audio_values) == 0


def test_the_quantizer_knows_no_code_for_no_frame() -> None:
    model = small()
    mask = (torch.arange(SAMPLES) < torch.tensor([[SAMPLES], [1000]])).int()
    with torch.no_grad():
        codes = model.encode(torch.randn(2, 1, SAMPLES), mask).audio_codes[0].transpose(0, 1)
        assert (codes == NO_CODE).any()
        with pytest.raises(IndexError):
            model.quantizer.decode(codes)
        assert model.quantizer.decode(codes[:, :1]).shape == (1, 16, SAMPLES // 320)
