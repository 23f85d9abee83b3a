"""Put hopcodec in the place of transformers: change one import, get the same codes sooner.

The model has random weights here; give a folder of released ones as the argument.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import transformers

import hopcodec.torch.hf
import torch
from hopcodec.audio import shipped_speech


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="EnCodec 24 kHz as saved by transformers")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the clip")
    options = parser.parse_args()
    torch.set_num_threads(1)

    audio = torch.from_numpy(shipped_speech(24000, 1, options.seconds))[None]
    with tempfile.TemporaryDirectory() as scratch:
        if options.folder is None:
            torch.manual_seed(0)
            config = transformers.EncodecConfig(num_filters=8)
            transformers.EncodecModel(config).save_pretrained(scratch)
        folder = options.folder or scratch
        theirs = transformers.EncodecModel.from_pretrained(folder).eval()
        ours = hopcodec.torch.hf.EncodecModel.from_pretrained(folder).eval()

    codes, seconds = [], []
    for model in (theirs, ours):
        with torch.no_grad():  # without a gradient, ours computes on the compiled core
            model.encode(audio, bandwidth=6.0)
            start = time.perf_counter()
            codes.append(model.encode(audio, bandwidth=6.0).audio_codes)
            seconds.append(time.perf_counter() - start)

    equal = (codes[0] == codes[1]).float().mean().item()
    print(f"codes {tuple(codes[1].shape)}: {100 * equal:.2f} % equal")
    print(f"transformers {1000 * seconds[0]:.0f} ms, hopcodec {1000 * seconds[1]:.0f} ms")


if __name__ == "__main__":
    main()
