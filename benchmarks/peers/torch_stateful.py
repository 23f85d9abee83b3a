"""EnCodec with its state held from hop to hop, hand-written in torch.

The reference every other implementation is checked against, a peer in itself (eager), and the
source of the ONNX graphs. Zero state at the start.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch.nn.functional as F

import torch
from hopcodec.specs._language import CodecSpec, EuclideanRvq
from peers.base import Audio, Codes, Weights
from peers.lowering import Lowering, constant, make_chain
from peers.lowering_conv import CONV
from peers.lowering_matmul import MATMUL
from torch import Tensor, nn

Graph = Literal["conv", "matmul"]
LOWERINGS: dict[Graph, Lowering] = {"conv": CONV, "matmul": MATMUL}


def _codebooks(rvq: EuclideanRvq, weights: Weights, count: int) -> list[Audio]:
    return [weights[f"{rvq.codebook_name(q)}.embed"] for q in range(count)]


class StatefulEncoder(nn.Module):
    """`forward(audio (channels, samples), *state) -> (codes (codebooks, frames), *state)`."""

    def __init__(self, spec: CodecSpec, weights: Weights, codebooks: int, graph: Graph) -> None:
        super().__init__()
        self.lowering = LOWERINGS[graph]
        self.chain = make_chain(self.lowering, spec.encoder, weights)
        tables = _codebooks(spec.quantizer, weights, codebooks)
        self.tables = nn.ParameterList([constant(table) for table in tables])
        # argmin |x - e|^2 = argmax 2 x.e - |e|^2
        self.doubled = nn.ParameterList([constant(2 * table.T) for table in tables])
        self.minus_norms = nn.ParameterList([constant(-np.sum(t * t, axis=1)) for t in tables])

    def forward(self, audio: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        x, after = self.chain(self.lowering.from_audio(audio), state)
        residual = self.lowering.to_rows(x)
        codes: list[Tensor] = []
        for table, doubled, minus_norm in zip(
            self.tables, self.doubled, self.minus_norms, strict=True
        ):
            codes.append(torch.addmm(minus_norm, residual, doubled).argmax(dim=1))
            residual = residual - F.embedding(codes[-1], table)
        return (torch.stack(codes), *after)


class StatefulDecoder(nn.Module):
    """`forward(codes (codebooks, frames), *state) -> (audio (channels, samples), *state)`."""

    def __init__(self, spec: CodecSpec, weights: Weights, codebooks: int, graph: Graph) -> None:
        super().__init__()
        self.lowering = LOWERINGS[graph]
        self.chain = make_chain(self.lowering, spec.decoder, weights)
        tables = _codebooks(spec.quantizer, weights, codebooks)
        self.tables = nn.ParameterList([constant(table) for table in tables])

    def forward(self, codes: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        rows = F.embedding(codes[0], self.tables[0])
        for q, table in enumerate(self.tables[1:], start=1):
            rows = rows + F.embedding(codes[q], table)
        x, after = self.chain(self.lowering.from_rows(rows), state)
        return (self.lowering.to_audio(x), *after)


class TorchStateful:
    """The modules above, eager, on one thread."""

    codes_dtype = np.int64

    def __init__(
        self, name: str, spec: CodecSpec, weights: Weights, codebooks: int, graph: Graph
    ) -> None:
        torch.set_num_threads(1)
        self.name = name
        self._encoder_state: list[Tensor] = []
        self._decoder_state: list[Tensor] = []
        self._encoder = StatefulEncoder(spec, weights, codebooks, graph).eval()
        self._decoder = StatefulDecoder(spec, weights, codebooks, graph).eval()
        self.reset()

    def encode_hop(self, audio: Audio) -> Codes:
        with torch.inference_mode():
            codes, *self._encoder_state = self._encoder(
                torch.from_numpy(audio), *self._encoder_state
            )
        result: Codes = codes.numpy()
        return result

    def decode_hop(self, codes: Codes) -> Audio:
        with torch.inference_mode():
            audio, *self._decoder_state = self._decoder(
                torch.from_numpy(codes), *self._decoder_state
            )
        result: Audio = audio.numpy()
        return result

    def reset(self) -> None:
        self._encoder_state = [torch.zeros(s) for s in self._encoder.chain.state_shapes]
        self._decoder_state = [torch.zeros(s) for s in self._decoder.chain.state_shapes]
