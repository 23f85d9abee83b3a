"""DNSMOS P.835 overall quality (OVRL): Reddy et al. 2022, "DNSMOS P.835: a non-intrusive perceptual
objective speech quality metric". MOS 1 to 5, at 16 kHz, without a reference.

The weights and the constants are those of package `speechmos` (Microsoft's release). The network
is run here, because `speechmos` imports librosa for another score and takes every core.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from hopcodec.errors import Unavailable
from hopcodec.evaluation._optional import CURE, require
from hopcodec.evaluation._signals import Pair

RATE_HZ: Final = 16000
_WINDOW_SAMPLES: Final = 144160  # 9.01 s, what the network was trained on
# From the network's raw output to MOS: the release's polynomial, highest power first.
_OVERALL: Final = (-0.06766283, 1.11546468, 0.04602535)


def make() -> Callable[[Pair], float]:
    """The score: the mean over windows of 9.01 s, a second apart; short clips are repeated."""
    runtime = require("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        str(_weights()), sess_options=options, providers=["CPUExecutionProvider"]
    )

    def score(pair: Pair) -> float:
        audio = np.clip(pair.at(RATE_HZ)[1], -1.0, 1.0)  # resampling may overshoot
        while len(audio) < _WINDOW_SAMPLES:
            audio = np.concatenate((audio, audio))
        # As many windows as the release takes, which counts whole seconds only.
        windows = int(len(audio) // RATE_HZ - _WINDOW_SAMPLES / RATE_HZ) + 1
        values = []
        for begin in range(0, windows * RATE_HZ, RATE_HZ):
            window = audio[None, begin : begin + _WINDOW_SAMPLES]
            _, _, overall = session.run(None, {"input_1": window})[0][0]
            values.append(np.polyval(_OVERALL, float(overall)))
        return float(np.mean(values))

    return score


def _weights() -> Path:
    found = importlib.util.find_spec("speechmos")
    if found is None or found.origin is None:
        raise Unavailable(f"speechmos is not installed: {CURE}")
    path = Path(found.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    if not path.is_file():
        raise Unavailable(f"speechmos: expected {path}, found no such file")
    return path
