"""ONNX files of the stateful graphs, exported once per run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Literal

import torch
from hopcodec.specs._language import CodecSpec
from peers.base import Weights
from peers.torch_stateful import Graph, StatefulDecoder, StatefulEncoder
from torch import nn

Side = Literal["encode", "decode"]


class GraphFiles:
    """Files named by what is in them, under `folder`; inputs `x, s0..`, outputs `y, n0..`."""

    def __init__(self, folder: Path, spec: CodecSpec, weights: Weights, codebooks: int) -> None:
        self._folder = folder
        self._spec = spec
        self._weights = weights
        self._codebooks = codebooks

    def fp32(self, graph: Graph, side: Side, frames: int = 1) -> Path:
        """The float32 graph for `frames` frames per call."""
        path = self._folder / f"{graph}-{side}-{frames}.onnx"
        if not path.exists():
            self._export(path, graph, side, frames)
        return path

    def int8(self, graph: Graph, side: Side, frames: int = 1) -> Path:
        """The same with 8-bit weights in its LSTM and matrix products, activations as they come."""
        path = self._folder / f"{graph}-{side}-{frames}-int8.onnx"
        if not path.exists():
            from onnxruntime.quantization import quantize_dynamic

            logging.getLogger().setLevel(logging.ERROR)  # advice on shape inference
            source = self.fp32(graph, side, frames)
            quantize_dynamic(source, path, op_types_to_quantize=["MatMul", "Gemm", "LSTM"])
        return path

    def _export(self, path: Path, graph: Graph, side: Side, frames: int) -> None:
        module: nn.Module
        if side == "encode":
            module = StatefulEncoder(self._spec, self._weights, self._codebooks, graph)
            x = torch.zeros(self._spec.channels, self._spec.hop_samples * frames)
        else:
            module = StatefulDecoder(self._spec, self._weights, self._codebooks, graph)
            x = torch.zeros(self._codebooks, frames, dtype=torch.int64)
        shapes = module.chain.state_shapes
        with warnings.catch_warnings():
            # Shapes are fixed on purpose: the tracer's warnings about that are no news.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                (x, *(torch.zeros(shape) for shape in shapes)),
                path,
                input_names=["x", *(f"s{k}" for k in range(len(shapes)))],
                output_names=["y", *(f"n{k}" for k in range(len(shapes)))],
                opset_version=17,
                dynamo=False,
            )
