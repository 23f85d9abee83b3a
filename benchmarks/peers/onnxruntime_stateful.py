"""ONNX Runtime on one thread, every input and output bound to memory that never moves.

The state lives in two sets of buffers: a call reads one and writes the other, the next call the
other way round, so nothing is copied between hops.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from peers.base import Audio, Codes

DTYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class BoundGraph:
    """One stateful ONNX graph: `x, s0.. -> y, n0..`."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._x = np.zeros(inputs[0].shape, DTYPES[inputs[0].type])
        self._y = np.zeros(outputs[0].shape, DTYPES[outputs[0].type])
        self._states = [[np.zeros(i.shape, np.float32) for i in inputs[1:]] for _ in range(2)]
        self._bindings = []
        for before, after in (self._states, self._states[::-1]):
            binding = self._session.io_binding()
            for node, array in zip(inputs, [self._x, *before], strict=True):
                binding.bind_input(
                    node.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
                )
            for node, array in zip(outputs, [self._y, *after], strict=True):
                binding.bind_output(
                    node.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
                )
            self._bindings.append(binding)
        self._turn = 0

    def __call__(self, x: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Returns the output buffer itself."""
        np.copyto(self._x, x)
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn ^= 1
        return self._y

    def reset(self) -> None:
        for states in self._states:
            for array in states:
                array.fill(0)


class OnnxRuntimeStateful:
    codes_dtype = np.int64

    def __init__(self, name: str, encoder: Path, decoder: Path) -> None:
        self.name = name
        self._encoder = BoundGraph(encoder)
        self._decoder = BoundGraph(decoder)

    def encode_hop(self, audio: Audio) -> Codes:
        return self._encoder(audio)

    def decode_hop(self, codes: Codes) -> Audio:
        audio: Audio = self._decoder(codes)  # type: ignore[assignment]
        return audio

    def reset(self) -> None:
        self._encoder.reset()
        self._decoder.reset()
