"""Stream a clip hop by hop: time each hop, and compare the result with the whole file's."""

from __future__ import annotations

import argparse
import time

import numpy as np

import hopcodec
from hopcodec.audio import shipped_speech


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=None, help="codec; default: the one in the package")
    parser.add_argument("--bandwidth", type=float, default=None, help="kbit/s")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the clip")
    options = parser.parse_args()

    codec = hopcodec.load(options.model)
    audio = shipped_speech(codec.sample_rate, codec.channels, options.seconds)
    encoder, decoder = codec.encoder(options.bandwidth), codec.decoder()

    heard, times = [], []
    for begin in range(0, audio.shape[1], codec.hop_samples):
        hop = np.ascontiguousarray(audio[:, begin : begin + codec.hop_samples])
        start = time.perf_counter()
        codes = encoder.push(hop)  # (codebooks, 0 or 1 frames, or more at the beginning)
        heard.append(decoder.push(codes))
        times.append(1000 * (time.perf_counter() - start))
    heard.append(decoder.push(encoder.flush()))
    heard.append(decoder.flush())

    streamed = np.concatenate(heard, axis=1)
    whole = codec.decode(codec.encode(audio, options.bandwidth))
    deadline = 1000 * codec.hop_samples / codec.sample_rate
    print(f"{len(times)} hops of {codec.hop_samples} samples at {encoder.bandwidth:g} kbit/s")
    print(f"per hop: median {np.median(times):.2f} ms, worst {max(times):.2f} of {deadline:.2f} ms")
    print(f"same bits as the whole file: {np.array_equal(streamed, whole)}")


if __name__ == "__main__":
    main()
