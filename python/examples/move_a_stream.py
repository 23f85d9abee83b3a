"""Move a running stream to another process: snapshot here, restore there, go on bit for bit."""

from __future__ import annotations

import argparse
import multiprocessing

import numpy as np

import hopcodec
from hopcodec.audio import shipped_speech


def go_on(state: bytes, audio: np.ndarray, bandwidth: float) -> np.ndarray:
    """Encode the rest of a stream that began elsewhere."""
    encoder = hopcodec.load().encoder(bandwidth)
    encoder.restore(state)  # refused if weights or start policy differ
    return np.concatenate([encoder.push(audio), encoder.flush()], axis=1)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the clip")
    parser.add_argument("--bandwidth", type=float, default=3.0, help="kbit/s")
    options = parser.parse_args()

    codec = hopcodec.load()
    audio = shipped_speech(codec.sample_rate, codec.channels, options.seconds)
    half = audio.shape[1] // 2

    encoder = codec.encoder(options.bandwidth)
    codes = encoder.push(audio[:, :half])
    state = encoder.snapshot()
    with multiprocessing.get_context("spawn").Pool(1) as elsewhere:
        rest = elsewhere.apply(go_on, (state, audio[:, half:], options.bandwidth))

    moved = np.concatenate([codes, rest], axis=1)
    same = np.array_equal(moved, codec.encode(audio, options.bandwidth))
    print(f"moved a state of {len(state)} bytes after {codes.shape[1]} frames")
    print(f"same codes as without the move: {same}")


if __name__ == "__main__":
    main()
