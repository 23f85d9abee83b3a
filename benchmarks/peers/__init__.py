"""The implementations hopcodec is measured against, by name, all built from the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hopcodec.specs._language import CodecSpec
from peers.base import Audio, Codes, Peer, Weights

# Heavy imports stay inside the makers: each runtime starts its thread pools when it is imported,
# which must come after the process has been pinned to its core.


Graph = Literal["conv", "matmul"]


@dataclass
class Materials:
    """What every peer is made of. `folder` holds the files some of them need."""

    spec: CodecSpec
    weights: Weights
    bandwidth: float
    codebooks: int
    folder: Path
    _model: Path | None = field(default=None, init=False)

    def model_file(self) -> Path:
        """The weights as a file hopcodec loads."""
        from hopcodec.weights import save_weights

        if self._model is None:
            self._model = self.folder / "model.safetensors"
            save_weights(self._model, self.spec, self.weights, {})
        return self._model


def _hopcodec(name: str, m: Materials, frames: int) -> Peer:
    from peers.hopcodec_stream import HopcodecStream

    precision = "bf16" if name.endswith("-bf16") else "fp32"
    return HopcodecStream(name, m.model_file(), m.bandwidth, frames, precision)


def _transformers(name: str, m: Materials, frames: int) -> Peer:
    from peers.transformers_eager import TransformersEager

    return TransformersEager(name, m.spec, m.weights, m.bandwidth)


def _torch(name: str, m: Materials, frames: int) -> Peer:
    from peers.torch_stateful import TorchStateful

    graph: Graph = "matmul" if name.endswith("-matmul") else "conv"
    return TorchStateful(name, m.spec, m.weights, m.codebooks, graph)


def _onnxruntime(name: str, m: Materials, frames: int) -> Peer:
    from peers.export import GraphFiles
    from peers.onnxruntime_stateful import OnnxRuntimeStateful

    graph: Graph = "matmul" if name.endswith("-matmul") else "conv"
    files = GraphFiles(m.folder, m.spec, m.weights, m.codebooks)
    file = files.int8 if "-int8" in name else files.fp32
    return OnnxRuntimeStateful(name, file(graph, "encode", frames), file(graph, "decode", frames))


def _openvino(name: str, m: Materials, frames: int) -> Peer:
    from peers.export import GraphFiles
    from peers.openvino_stateful import OpenVinoStateful

    graph: Graph = "matmul" if name.endswith("-matmul") else "conv"
    files = GraphFiles(m.folder, m.spec, m.weights, m.codebooks)
    encoder = files.fp32(graph, "encode", frames)
    decoder = files.fp32(graph, "decode", frames)
    return OpenVinoStateful(name, encoder, decoder, "bf16" if "-bf16" in name else "f32")


@dataclass(frozen=True)
class Entry:
    """A peer's maker, its arithmetic, and whether its output must be the reference's."""

    make: Callable[[str, Materials, int], Peer]
    precision: str
    faithful: bool
    about: str


# "rewritten": the graph of peers/lowering_matmul.py, which we wrote to show each runtime at its
# best. Without the word, the graph is the published model with state added.
PEERS: dict[str, Entry] = {
    "hopcodec": Entry(_hopcodec, "fp32", True, "hopcodec fp32"),
    "hopcodec-bf16": Entry(_hopcodec, "bf16", False, "hopcodec bf16 weights"),
    "transformers": Entry(_transformers, "fp32", False, "transformers eager, stateless"),
    "torch": Entry(_torch, "fp32", True, "torch eager"),
    "torch-matmul": Entry(_torch, "fp32", True, "torch eager, rewritten"),
    "ort-fp32": Entry(_onnxruntime, "fp32", True, "ONNX Runtime fp32"),
    "ort-int8": Entry(_onnxruntime, "int8", False, "ONNX Runtime int8"),
    "ort-fp32-matmul": Entry(_onnxruntime, "fp32", True, "ONNX Runtime fp32, rewritten"),
    "ort-int8-matmul": Entry(_onnxruntime, "int8", False, "ONNX Runtime int8, rewritten"),
    "openvino-fp32": Entry(_openvino, "fp32", True, "OpenVINO fp32"),
    "openvino-bf16": Entry(_openvino, "bf16", False, "OpenVINO bf16"),
    "openvino-fp32-matmul": Entry(_openvino, "fp32", True, "OpenVINO fp32, rewritten"),
    "openvino-bf16-matmul": Entry(_openvino, "bf16", False, "OpenVINO bf16, rewritten"),
}


def make_peer(name: str, materials: Materials, frames: int = 1) -> Peer:
    """Builds a peer that takes `frames` frames per call."""
    return PEERS[name].make(name, materials, frames)


__all__ = ["PEERS", "Audio", "Codes", "Materials", "Peer", "Weights", "make_peer"]
