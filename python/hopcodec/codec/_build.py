"""Build the compiled core's layers from a codec's spec and weights: the only place both meet."""

from __future__ import annotations

from collections.abc import Sequence

from hopcodec import _core
from hopcodec.specs._language import (
    Conv1d,
    ConvTranspose1d,
    EuclideanRvq,
    Layer,
    Lstm,
    Quantizer,
    Residual,
)
from hopcodec.specs._lookahead import Truncation
from hopcodec.typing import Precision, Weights

NORM_EPS = 1e-5  # torch's default, as released


def build_layers(
    layers: Sequence[Layer],
    weights: Weights,
    precision: Precision = "fp32",
    truncation: Truncation | None = None,
) -> _core.sessions.Layers:
    """Pack a chain of layers; `weights` must already have been checked against the spec.

    "tf32" rounds factors on their way into a GPU's tensor cores; the layers are those of "fp32".
    """
    chain = _core.sessions.Layers("bf16" if precision == "bf16" else "fp32")
    if truncation is not None:
        head, layers = layers[: truncation.layers], layers[truncation.layers :]
        inner = build_layers(head, weights, precision)
        chain.truncated(inner, step=truncation.step, ahead=truncation.ahead)
    for layer in layers:
        match layer:
            case Conv1d():
                chain.conv1d(
                    weights[f"{layer.name}.weight"],
                    weights[f"{layer.name}.bias"],
                    stride=layer.stride,
                    dilation=layer.dilation,
                    left=layer.padding.left,
                    right=layer.padding.right,
                    reflect=layer.padding.mode == "reflect",
                    full_window=layer.padding.full_window,
                    activation=layer.activation,
                    output_activation=layer.output_activation if not layer.norm else "none",
                    alpha=weights[layer.alpha] if layer.alpha else None,
                )
                if layer.norm:
                    _add_norm(chain, layer, weights)
            case ConvTranspose1d():
                chain.conv_transpose1d(
                    weights[f"{layer.name}.weight"],
                    weights[f"{layer.name}.bias"],
                    stride=layer.stride,
                    trim_left=0 if layer.norm else layer.trim_left,
                    trim_right=0 if layer.norm else layer.trim_right,
                    activation=layer.activation,
                    alpha=weights[layer.alpha] if layer.alpha else None,
                )
                if layer.norm:
                    _add_norm(chain, layer, weights)
            case Lstm():
                stages = [
                    (
                        weights[f"{layer.name}.weight_ih_l{k}"],
                        weights[f"{layer.name}.weight_hh_l{k}"],
                        weights[f"{layer.name}.bias_ih_l{k}"],
                        weights[f"{layer.name}.bias_hh_l{k}"],
                    )
                    for k in range(layer.layers)
                ]
                chain.lstm(stages, skip=layer.skip)
            case Residual():
                chain.residual(
                    build_layers(layer.branch, weights, precision),
                    build_layers(layer.shortcut, weights, precision),
                )
    return chain


def _add_norm(
    chain: _core.sessions.Layers, layer: Conv1d | ConvTranspose1d, weights: Weights
) -> None:
    """Add the norm behind a convolution; samples that a transposed one cuts off count in it."""
    weight, bias = weights[f"{layer.norm}.weight"], weights[f"{layer.norm}.bias"]
    if isinstance(layer, ConvTranspose1d):
        chain.group_norm(
            weight, bias, trim_left=layer.trim_left, trim_right=layer.trim_right, eps=NORM_EPS
        )
    elif layer.output_activation == "none":
        chain.group_norm(weight, bias, eps=NORM_EPS)
    else:
        raise ValueError(
            f"{layer.name}: expected no output activation behind a norm, "
            f"got {layer.output_activation!r}"
        )


def build_quantizer(rvq: Quantizer, weights: Weights) -> _core.sessions.Quantizer:
    """Pack the codebooks and, where a quantizer has them, their projections."""
    quantizer = _core.sessions.Quantizer()
    for q in range(rvq.codebooks):
        name = rvq.codebook_name(q)
        if isinstance(rvq, EuclideanRvq):
            quantizer.add(weights[f"{name}.embed"])
            continue
        quantizer.add(
            weights[f"{name}.codebook.weight"],
            in_weight=weights[f"{name}.in_proj.weight"].reshape(rvq.codebook_dim, rvq.dim),
            in_bias=weights[f"{name}.in_proj.bias"],
            out_weight=weights[f"{name}.out_proj.weight"].reshape(rvq.dim, rvq.codebook_dim),
            out_bias=weights[f"{name}.out_proj.bias"],
        )
    return quantizer
