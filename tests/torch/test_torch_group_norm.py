"""Group norm in the trainable layers is that of the runtime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from encodec_configs import sound

import torch
from hopcodec.codec._codec import Codec
from hopcodec.specs._encodec import encodec
from hopcodec.specs._language import Segments
from hopcodec.torch.nn import TrainableCodec


def test_a_segment_is_the_same_trained_and_run() -> None:
    spec = encodec(
        "small",
        sample_rate=48000,
        bandwidths=(3.0,),
        codebooks=2,
        channels=2,
        filters=4,
        latent=16,
        causal=False,
        group_norm=True,
        segments=Segments(4800, 4752, normalise=True),
    )
    torch.manual_seed(7)
    model = TrainableCodec(spec).train(False)
    audio = sound(1, 2, 4001)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".norm." in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
        latents = model.encoder(audio)
        quantized = model.quantizer(latents)
        heard = model.decoder(model.quantizer.decode(quantized.codes))[0].numpy()
    codec = Codec(replace(spec, segments=None), model.weights())
    found = codec.encoder().latents(audio[0].numpy(), last=True)
    assert np.abs(found - latents[0].numpy()).max() < 2e-5 * latents.abs().max()
    decoded = codec.decode(quantized.codes[0].numpy().astype(np.uint16))
    assert np.abs(decoded - heard).max() < 2e-5 * np.abs(heard).max()
