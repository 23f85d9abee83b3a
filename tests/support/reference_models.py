"""The published implementations, filled with our weights; and our weights in their file layouts.

Everything is derived from a `CodecSpec`, so that small models can be used where size is not the
point.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from safetensors.numpy import save_file
from torch.nn.utils import parametrize, remove_weight_norm
from without_torchaudio import without_torchaudio

import torch
from hopcodec.specs._encodec import causal_encodec
from hopcodec.specs._language import CodecSpec, ConvTranspose1d
from hopcodec.weights._raw import FloatArray
from hopcodec.weights.config._encodec import hf_fields
from hopcodec.weights.formats._safetensors import save_weights

torch.set_num_threads(1)  # the last bits of PyTorch's results depend on the number

Weights = Mapping[str, FloatArray]


def small_spec(factor: int = 16) -> CodecSpec:
    """EnCodec 24 kHz with every width divided by `factor`: the same layers, names and hops."""
    return causal_encodec(
        "encodec_24khz",
        sample_rate=24000,
        bandwidths=(1.5, 3.0),
        codebooks=4,
        filters=32 // factor,
        latent=128 // factor,
    )


@lru_cache(maxsize=1)
def _encodec() -> types.ModuleType:
    """PyPI `encodec`. It imports torchaudio for resampling only, which nothing here does."""
    with without_torchaudio():
        import encodec
    return encodec


def _empty_hf_model(spec: CodecSpec, pad_mode: str) -> transformers.EncodecModel:
    fields: dict[str, Any] = {**hf_fields(spec), "pad_mode": pad_mode}
    model = transformers.EncodecModel(transformers.EncodecConfig(**fields))
    model.train(False)  # eval() has no types
    return model


def _empty_original_model(spec: CodecSpec, pad_mode: str) -> Any:
    encodec = _encodec()
    fields = hf_fields(spec)
    shape = {
        "channels": spec.channels,
        "dimension": fields["hidden_size"],
        "n_filters": fields["num_filters"],
        "ratios": fields["upsampling_ratios"],
        "norm": fields["norm_type"],
        "causal": fields["use_causal_conv"],
        "true_skip": not fields["use_conv_shortcut"],
        "pad_mode": pad_mode,
    }
    quantizer = encodec.model.qt.ResidualVectorQuantizer(
        dimension=spec.quantizer.dim,
        n_q=spec.quantizer.codebooks,
        bins=spec.quantizer.codebook_size,
    )
    model = encodec.EncodecModel(
        encodec.model.m.SEANetEncoder(**shape),
        encodec.model.m.SEANetDecoder(**shape),
        quantizer,
        list(spec.bandwidths),
        spec.sample_rate,
        spec.channels,
        normalize=fields["normalize"],
        segment=fields["chunk_length_s"],
        overlap=fields["overlap"] or 0.0,
        name=spec.name,
    )
    return model.eval()


def original_name(spec: CodecSpec, name: str) -> str:
    """What the original state dict calls a canonical tensor, `weight_g` and `weight_v` too."""
    transposed = {layer.name for layer in spec.decoder if isinstance(layer, ConvTranspose1d)}
    layer, _, part = name.rpartition(".")
    if layer in transposed:
        name = f"{layer}tr.convtr.{part}"
    elif layer.endswith(".conv"):
        name = f"{layer}.conv.{part}"
    elif layer.endswith(".norm"):  # beside the convolution there, inside its wrapper here
        conv = layer.removesuffix("norm") + "conv"
        name = f"{conv}{'tr' if conv in transposed else ''}.norm.{part}"
    name = re.sub(r"^(encoder|decoder)\.layers\.", r"\1.model.", name)
    return re.sub(r"^quantizer\.layers\.(\d+)\.codebook", r"quantizer.vq.layers.\1._codebook", name)


def _fill(model: torch.nn.Module, tensors: Weights) -> None:
    """Load `tensors`; only what training keeps beside a codebook may be left as it was."""
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    result = model.load_state_dict(state, strict=False)
    missing = [
        name
        for name in result.missing_keys
        if not name.endswith((".inited", ".cluster_size", ".embed_avg"))
    ]
    if missing or result.unexpected_keys:
        raise ValueError(f"missing {missing}, unexpected {result.unexpected_keys}")


def hf_model(
    spec: CodecSpec, weights: Weights, pad_mode: str = "reflect"
) -> transformers.EncodecModel:
    """`transformers.EncodecModel` (eval, float32, CPU) with exactly these folded weights.

    Weight norm is removed, so the convolutions use the very bits given.
    """
    model = _empty_hf_model(spec, pad_mode)
    for module in model.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    _fill(model, weights)
    return model


def original_model(spec: CodecSpec, weights: Weights, pad_mode: str = "reflect") -> Any:
    """`encodec.EncodecModel` from PyPI (eval, float32, CPU) with exactly these folded weights."""
    model = _empty_original_model(spec, pad_mode)
    for module in model.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
    _fill(model, {original_name(spec, name): array for name, array in weights.items()})
    return model


def unfold(weights: Weights, seed: int = 0) -> dict[str, FloatArray]:
    """The same convolutions as `weight_g` and `weight_v`, each row of v scaled at random.

    The scales are powers of two, so v is exact and rounding g to float32 is the only error:
    folding back can miss the weights by one unit in the last place and no more.
    """
    rng = np.random.default_rng(seed)
    result: dict[str, FloatArray] = {}
    for name, array in weights.items():
        if not name.endswith(".conv.weight"):
            result[name] = array
            continue
        column = (len(array),) + (1,) * (array.ndim - 1)
        norms = np.sqrt((array.astype(np.float64) ** 2).sum(axis=(1, 2)))
        scales = np.ldexp(np.float32(1.0), rng.integers(-4, 5, len(array)))
        result[f"{name}_g"] = norms.astype(np.float32).reshape(column)
        result[f"{name}_v"] = array * scales.astype(np.float32).reshape(column)
    return result


def _torch_save(path: Path, tensors: Weights) -> None:
    torch.save({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}, path)


def save_layouts(folder: Path, spec: CodecSpec, weights: Weights) -> dict[str, Path]:
    """Write one model in every published layout; returns what to open, by layout."""
    # Only weight norm comes in pairs; beside a group norm, convolutions are as they are.
    weight_norm = hf_fields(spec)["norm_type"] == "weight_norm"
    pair = unfold(weights) if weight_norm else dict(weights)
    config = json.dumps({"model_type": "encodec", **hf_fields(spec)})

    def hf_folder(name: str, tensors: Weights) -> Path:
        (folder / name).mkdir()
        save_file(dict(tensors), folder / name / "model.safetensors", {"format": "pt"})
        (folder / name / "config.json").write_text(config)
        return folder / name

    paths = {
        "original_pair": folder / "original.th",
        "original_model": folder / "original_model.pt",
        "original_folded": folder / "original_folded.pth",
        "hf_names_in_torch": folder / "hf_names.th",
        "hf_pretrained": folder / "hf_pretrained",
        "hf_legacy": hf_folder("hf_legacy", pair),
        "hf_folded": hf_folder("hf_folded", weights),
        "hf_bin": folder / "hf_bin",
        "own": folder / "own.safetensors",
    }
    in_original_names = {original_name(spec, name): array for name, array in pair.items()}
    _torch_save(paths["original_pair"], in_original_names)
    model = _empty_original_model(spec, "reflect")
    _fill(model, in_original_names)
    torch.save(model.state_dict(), paths["original_model"])
    torch.save(original_model(spec, weights).state_dict(), paths["original_folded"])
    _torch_save(paths["hf_names_in_torch"], pair)

    hf = _empty_hf_model(spec, "reflect")
    endings = {
        "weight_g": "parametrizations.weight.original0",
        "weight_v": "parametrizations.weight.original1",
    }
    _fill(hf, {re.sub(r"weight_[gv]$", lambda m: endings[m[0]], k): a for k, a in pair.items()})
    hf.save_pretrained(paths["hf_pretrained"])

    paths["hf_bin"].mkdir()
    _torch_save(paths["hf_bin"] / "pytorch_model.bin", pair)
    save_weights(paths["own"], spec, weights)
    return paths
