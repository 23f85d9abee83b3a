"""The published DACs, filled with our weights; and our weights in their file layouts."""

from __future__ import annotations

import importlib
import re
import sys
import types
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import transformers
from torch.nn.utils import remove_weight_norm

import torch
from hopcodec.specs._dac import dac, dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from hopcodec.specs._language import CodecSpec, ProjectedRvq
from hopcodec.weights import save_weights, seeded_weights
from hopcodec.weights.config._dac import hf_dac_fields

torch.set_num_threads(1)  # the last bits of PyTorch's results depend on the number

Array = npt.NDArray[np.float32]
Weights = Mapping[str, Array]

PUBLISHED = {make.__name__: make for make in (dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps)}
# `transformers` computes the width of a latent from that of the encoder: 128 is none it has.
IN_TRANSFORMERS = [name for name in PUBLISHED if name != "dac_44khz_16kbps"]


@cache
def narrow(name: str) -> CodecSpec:
    """A published DAC in every respect but its width: 4 filters, and 32 in the decoder."""
    full = PUBLISHED[name]()
    fields: Any = hf_dac_fields(full)
    return dac(
        name,
        sample_rate=full.sample_rate,
        encoder_dim=4,
        encoder_rates=tuple(fields["downsampling_ratios"]),
        latent_dim=16 if name == "dac_44khz_16kbps" else None,
        decoder_dim=32,
        decoder_rates=tuple(fields["upsampling_ratios"]),
        n_codebooks=full.quantizer.codebooks,
        codebook_size=256,
        codebook_dim=8,
    )


@cache
def narrow_weights(name: str) -> dict[str, Array]:
    return seeded_weights(narrow(name))


def kwargs_of(spec: CodecSpec) -> dict[str, Any]:
    """The arguments of `dac.DAC` that build this codec."""
    fields: Any = hf_dac_fields(spec)
    return {
        "encoder_dim": fields["encoder_hidden_size"],
        "encoder_rates": fields["downsampling_ratios"],
        "latent_dim": fields["hidden_size"],
        "decoder_dim": fields["decoder_hidden_size"],
        "decoder_rates": fields["upsampling_ratios"],
        "n_codebooks": fields["n_codebooks"],
        "codebook_size": fields["codebook_size"],
        "codebook_dim": fields["codebook_dim"],
        "quantizer_dropout": 0.5,
        "sample_rate": fields["sampling_rate"],
    }


@cache
def descript() -> types.ModuleType:
    """The package `dac`, imported without the half of PyPI that its training asks for."""
    tensorboard, ipython = (types.ModuleType(name) for name in ("tensorboard", "display"))
    vars(tensorboard).update(SummaryWriter=object)
    vars(ipython).update(HTML=object)
    stand_ins = {
        "torchaudio": types.ModuleType("torchaudio"),
        "torchaudio.functional": types.ModuleType("torchaudio.functional"),
        "torch.utils.tensorboard": tensorboard,
        "IPython": types.ModuleType("IPython"),
        "IPython.display": ipython,
    }
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit.script is deprecated
            return importlib.import_module("dac")
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _fill(model: torch.nn.Module, tensors: Mapping[str, Array]) -> None:
    state = {
        name: torch.from_numpy(np.array(array)).reshape(1, -1, 1)
        if name.endswith(".alpha")
        else torch.from_numpy(np.array(array))
        for name, array in tensors.items()
    }
    model.load_state_dict(state, strict=True)


def original_dac(spec: CodecSpec, weights: Weights, *, folded: bool = True) -> Any:
    """`dac.DAC` (eval, float32, CPU); with exactly these folded weights, or to be filled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so is this weight_norm
        model = descript().DAC(**kwargs_of(spec)).eval()
    if folded:
        for module in model.modules():
            if hasattr(module, "weight_g"):
                remove_weight_norm(module)
        _fill(model, weights)
    return model


def hf_name(spec: CodecSpec, name: str) -> str:
    """What Hugging Face calls a canonical tensor, `weight_g` and `weight_v` too."""
    side, _, place, rest = (
        re.match(r"^(\w+)\.(block|model)\.(\d+)\.(.*)$", name).groups()
        if (name.startswith(("encoder.", "decoder.")))
        else ("", "", "0", "")
    )
    if not side:
        return name
    number = int(place)
    blocks = len(hf_dac_fields(spec)["upsampling_ratios"])  # type: ignore[arg-type]
    if number == 0 or number > blocks:
        return f"{side}.{ {0: 'conv1', blocks + 1: 'snake1', blocks + 2: 'conv2'}[number] }.{rest}"
    _, inner, rest = rest.split(".", 2)
    parts = ["snake1", "conv1", "snake2", "conv2"]
    if side == "encoder" and int(inner) >= 3:
        return f"encoder.block.{number - 1}.{ {'3': 'snake1', '4': 'conv1'}[inner] }.{rest}"
    if side == "decoder" and int(inner) < 2:
        return f"decoder.block.{number - 1}.{ {'0': 'snake1', '1': 'conv_t1'}[inner] }.{rest}"
    unit = int(inner) + (1 if side == "encoder" else -1)
    _, layer, part = rest.split(".", 2)
    return f"{side}.block.{number - 1}.res_unit{unit}.{parts[int(layer)]}.{part}"


def hf_dac(spec: CodecSpec, weights: Weights) -> transformers.DacModel:
    """`transformers.DacModel` (eval, float32, CPU) with exactly these folded weights."""
    fields: Any = hf_dac_fields(spec)
    for computed in ("hidden_size", "hop_length", "upsampling_ratios"):
        del fields[computed]
    model = transformers.DacModel(transformers.DacConfig(**fields))
    model.train(False)
    _fill(model, {hf_name(spec, name): array for name, array in weights.items()})
    return model


# Float32 sums in different orders differ in the last bits; a cosine this close may fall to either.
TIE = 1e-5


def excused_ties(
    codes: npt.NDArray[np.uint16],
    expected: npt.NDArray[np.integer[Any]],
    latents: npt.NDArray[np.float64],
    spec: CodecSpec,
    weights: Weights,
) -> int:
    """Frames that differ where either entry is as near; AssertionError on any other difference.

    `codes`, `expected` (n_q, frames); `latents` float64 (dim, frames). After its first difference
    a frame quantises another residual, so what follows there is excused with it.
    """
    assert codes.shape == expected.shape
    excused = 0
    for frame in np.flatnonzero((codes != expected).any(axis=0)):
        q = int(np.flatnonzero(codes[:, frame] != expected[:, frame])[0])
        residual = latents[:, frame].copy()
        for earlier in range(q):
            stage = Stage(spec, weights, earlier)
            residual -= stage.back(stage.entries[codes[earlier, frame]])
        stage = Stage(spec, weights, q)
        cosines = unit(stage.entries) @ unit(stage.there(residual))
        best = cosines.max()
        for name, code in (("ours", codes[q, frame]), ("theirs", expected[q, frame])):
            assert cosines[code] >= best - TIE, (
                f"frame {frame}, codebook {q}: {name} is {code}, of cosine {cosines[code]:.9g}; "
                f"the best is {cosines.argmax()}, of {best:.9g}"
            )
        excused += 1
    return excused


class Stage:
    """One codebook with its projections, in float64."""

    def __init__(self, spec: CodecSpec, weights: Weights, q: int) -> None:
        assert isinstance(spec.quantizer, ProjectedRvq)
        name = spec.quantizer.codebook_name(q)
        self._parts = {
            part: weights[f"{name}.{part}"].astype(np.float64)
            for part in ("in_proj.weight", "in_proj.bias", "out_proj.weight", "out_proj.bias")
        }
        self.entries = weights[f"{name}.codebook.weight"].astype(np.float64)

    def there(self, residual: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return self._parts["in_proj.weight"][..., 0] @ residual + self._parts["in_proj.bias"]

    def back(self, entry: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return self._parts["out_proj.weight"][..., 0] @ entry + self._parts["out_proj.bias"]


def unit(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def unfold(weights: Weights, seed: int = 0) -> dict[str, Array]:
    """The same convolutions as `weight_g` and `weight_v`, v scaled by powers of two."""
    rng = np.random.default_rng(seed)
    result: dict[str, Array] = {}
    for name, array in weights.items():
        if array.ndim != 3:
            result[name] = array
            continue
        column = (len(array), 1, 1)
        norms = np.sqrt((array.astype(np.float64) ** 2).sum(axis=(1, 2)))
        scales = np.ldexp(np.float32(1.0), rng.integers(-4, 5, len(array)))
        result[f"{name}_g"] = norms.astype(np.float32).reshape(column)
        result[f"{name}_v"] = array * scales.astype(np.float32).reshape(column)
    return result


def _tensors(weights: Weights) -> dict[str, torch.Tensor]:
    """As a state dict has them: a Snake's alpha is (1, channels, 1)."""
    return {
        name: torch.from_numpy(np.array(array)).reshape(1, -1, 1)
        if name.endswith("alpha")
        else torch.from_numpy(np.array(array))
        for name, array in weights.items()
    }


def save_dac_layouts(folder: Path, spec: CodecSpec, weights: Weights) -> dict[str, Path]:
    """Write one DAC in every published layout; returns what to open, by layout."""
    pair = _tensors(unfold(weights))
    metadata = {"metadata": {"kwargs": kwargs_of(spec)}}
    model = original_dac(spec, weights, folded=False)
    model.load_state_dict(pair)
    newer = {
        re.sub(
            r"weight_([gv])$", lambda m: f"parametrizations.weight.original{'gv'.index(m[1])}", n
        ): t
        for n, t in pair.items()
    }
    paths = {
        "original": folder / "original.pth",
        "original_newer": folder / "newer.pth",
        "original_folded": folder / "folded.pth",
        "own": folder / "own.safetensors",
    }
    model.save(paths["original"], package=False)
    torch.save({"state_dict": newer, **metadata}, paths["original_newer"])
    torch.save({"state_dict": _tensors(weights), **metadata}, paths["original_folded"])
    save_weights(paths["own"], spec, weights)
    if spec.name in IN_TRANSFORMERS:
        paths["hf"] = folder / "hf"
        hf = hf_dac(spec, weights)
        hf.save_pretrained(paths["hf"])
        paths["hf_bin"] = folder / "hf_bin"
        paths["hf_bin"].mkdir()
        torch.save(hf.state_dict(), paths["hf_bin"] / "pytorch_model.bin")
        (paths["hf_bin"] / "config.json").write_text((paths["hf"] / "config.json").read_text())
    return paths
