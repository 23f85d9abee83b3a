"""Step 64 callers together: they join, change places and leave, and none notices the others."""

from __future__ import annotations

import argparse
import time

import numpy as np

import hopcodec
from hopcodec.audio import shipped_speech


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--hops", type=int, default=75, help="hops to run, 75 a second")
    parser.add_argument("--bandwidth", type=float, default=6.0, help="kbit/s")
    options = parser.parse_args()

    codec = hopcodec.load()
    hop, n = codec.hop_samples, options.streams
    speech = shipped_speech(codec.sample_rate, codec.channels, 20.0)

    # Every caller speaks from another place of the clip on.
    begins = np.linspace(0, speech.shape[1] - (options.hops + 1) * hop, n).astype(int)
    pool = codec.streams(n, bandwidth=options.bandwidth, start="immediate")

    times, first = [], []
    for index in range(options.hops):
        audio = np.stack([speech[:, b + index * hop : b + (index + 1) * hop] for b in begins])
        start = time.perf_counter()
        codes, _ = pool.encode(audio)
        heard, valid = pool.decode(codes)
        times.append(1000 * (time.perf_counter() - start))
        first.append(heard[0, :, : valid[0]])

    # Caller 0 hangs up and another takes the slot: the others go on untouched.
    pool.reset([0])

    alone = codec.encoder(options.bandwidth, start="immediate")
    decoder = codec.decoder(start="immediate")
    expected = decoder.push(alone.push(speech[:, : options.hops * hop]))
    same = np.array_equal(np.concatenate(first, axis=1), expected)
    deadline = 1000 * hop / codec.sample_rate
    print(f"{n} callers, a hop of each: median {np.median(times):.2f} of {deadline:.2f} ms")
    print(f"caller 0 heard what a stream of its own gives: {same}")


if __name__ == "__main__":
    main()
