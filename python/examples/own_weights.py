"""Load weights of your own: a Hugging Face folder, or a .safetensors, .th or .pth file.

Without an argument the script first writes such a file: the codec in the package. A file of
hopcodec carries its codec's description, so its path is all that `load` needs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import hopcodec
from hopcodec.audio import shipped_speech
from hopcodec.weights import save_weights


def save_a_codec(path: Path) -> None:
    """Save the codec in the package, with matrices rounded to float16."""
    spec, weights = hopcodec.load().reload()
    save_weights(path, spec, weights, dtype="float16")


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="folder, .safetensors, .th or .pth file")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        path = options.model or Path(scratch) / "mine.safetensors"
        if options.model is None:
            save_a_codec(path)
        codec = hopcodec.load(path)

    audio = shipped_speech(codec.sample_rate, codec.channels, 1.0)
    codes = codec.encode(audio)
    print(codec)
    print(f"weights {codec.fingerprint}: files coded with others are refused")
    print(f"1 s of speech: {codes.shape[1]} frames of {codes.shape[0]} codes")


if __name__ == "__main__":
    main()
