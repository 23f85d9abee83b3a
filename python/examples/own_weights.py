"""Load weights from a folder or a file: fine-tuned, of another size, or trained by you.

Without an argument the script first makes such a folder: a small EnCodec, as transformers saves it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import hopcodec
from hopcodec.audio import shipped_speech


def save_small_encodec(folder: Path) -> None:
    """Save an EnCodec of an eighth of the usual width, with random weights."""
    from transformers import EncodecConfig, EncodecModel

    EncodecModel(EncodecConfig(num_filters=4)).save_pretrained(folder)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="folder, .safetensors, .th or .pth file")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        if options.model is None:
            save_small_encodec(Path(scratch))
        codec = hopcodec.load(options.model or scratch)

    audio = shipped_speech(codec.sample_rate, codec.channels, 1.0)
    codes = codec.encode(audio)
    print(codec)
    print(f"weights {codec.fingerprint}: files coded with others are refused")
    print(f"1 s of speech: {codes.shape[1]} frames of {codes.shape[0]} codes")


if __name__ == "__main__":
    main()
