"""Lyra V2 (google/lyra): a streaming neural codec with released weights, as a peer.

16 kHz, frames of 20 ms, 64, 120 or 184 bits each. Its three TFLite graphs, which keep their own
state, run with ai-edge-litert:

    320 samples -> soundstream_encoder -> 64 features -> quantizer -> 16, 30 or 46 codes of 4 bits
    codes -> quantizer -> 64 features -> lyragan -> 320 samples
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from hopcodec.errors import Unavailable
from hopcodec.evaluation._optional import require
from hopcodec.evaluation._signals import Signal
from hopcodec.evaluation._systems import Decoded

RATE_HZ: Final = 16000
HOP_SAMPLES: Final = 320
FRAME_BITS: Final = {3.2: 64, 6.0: 120, 9.2: 184}  # by kbps
_BITS_PER_CODE: Final = 4
_GRAPHS: Final = ("soundstream_encoder", "quantizer", "lyragan")


class LyraGraphs:
    """The graphs of a folder, loaded when first run and shared by the bitrates."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._paths = {name: Path(folder) / f"{name}.tflite" for name in _GRAPHS}
        for path in self._paths.values():
            if not path.is_file():
                raise ValueError(
                    f"{folder}: expected Lyra's {', '.join(p.name for p in self._paths.values())}, "
                    f"found no {path.name}"
                )

    @cached_property
    def _graphs(self) -> dict[str, Any]:
        litert = require("ai_edge_litert.interpreter")
        try:
            graphs = {
                name: litert.Interpreter(str(path), num_threads=1)
                for name, path in self._paths.items()
            }
            for graph in graphs.values():
                graph.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise Unavailable(f"Lyra: a graph cannot be loaded: {error}") from None
        return graphs

    @cached_property
    def _runners(self) -> tuple[Any, Any, Any, Any]:
        graphs = self._graphs
        return (
            graphs["soundstream_encoder"].get_signature_runner(),
            graphs["quantizer"].get_signature_runner("encode"),
            graphs["quantizer"].get_signature_runner("decode"),
            graphs["lyragan"].get_signature_runner(),
        )

    def round_trip(self, hops: np.typing.NDArray[np.float32], codes: int) -> Any:
        """Audio `(frames, 320)` back from audio `(frames, 320)`, `codes` a frame."""
        for graph in self._graphs.values():
            graph.reset_all_variables()
        encode, quantize, dequantize, decode = self._runners
        count, out = np.array(codes, np.int32), np.empty_like(hops)
        for i in range(len(hops)):
            features = encode(input_audio=hops[i : i + 1])["output_0"]
            indices = quantize(input_frames=features, num_quantizers=count)["output_0"]
            features = dequantize(encoding_indices=indices)["output_0"]
            out[i] = decode(input_audio=features)["output_0"][0]
        return out


@dataclass(frozen=True, eq=False)
class Lyra:
    """Lyra V2 at one of its three bitrates."""

    graphs: LyraGraphs
    kbps: float
    family: str = "Lyra V2"

    def run(self, signal: Signal) -> Decoded:
        """Encode and decode. The graphs add no delay beyond the frame: they come back aligned."""
        samples = signal.at(RATE_HZ)
        frames = -(-len(samples) // HOP_SAMPLES)
        hops = np.pad(samples, (0, frames * HOP_SAMPLES - len(samples)))
        bits = FRAME_BITS[self.kbps]
        out = self.graphs.round_trip(hops.reshape(frames, HOP_SAMPLES), bits // _BITS_PER_CODE)
        return Decoded(Signal(out.reshape(-1)[: len(samples)], RATE_HZ), bits * frames)
