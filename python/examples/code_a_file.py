"""Code an audio file into a .hop file, read that back, and decode it into a WAV file."""

from __future__ import annotations

import argparse
from pathlib import Path

import hopcodec
from hopcodec.audio import shipped_speech
from hopcodec.files import read_hop, write_hop


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", nargs="?", help="audio file; default: a clip in the package")
    parser.add_argument("--bandwidth", type=float, default=6.0, help="kbit/s")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write")
    options = parser.parse_args()

    codec = hopcodec.load()
    if options.input:
        audio, _ = hopcodec.read_audio(options.input, codec.sample_rate, codec.channels)
    else:
        audio = shipped_speech(codec.sample_rate, codec.channels)

    codes = codec.encode(audio, bandwidth=options.bandwidth)
    coded, decoded = options.folder / "coded.hop", options.folder / "decoded.wav"
    size = write_hop(coded, codes, codec, audio.shape[1])

    header, codes, samples = read_hop(coded)
    header.check_codec(codec)  # refuses to decode with another model than the one that coded
    hopcodec.write_audio(decoded, codec.decode(codes, samples), codec.sample_rate)

    seconds = samples / codec.sample_rate
    print(f"{seconds:.2f} s of audio, {codes.shape[1]} frames of {codes.shape[0]} codes")
    print(f"{coded}: {size} bytes, {8 * size / seconds / 1000:.2f} kbit/s with headers")
    print(f"{decoded}: {samples} samples at {codec.sample_rate} Hz")


if __name__ == "__main__":
    main()
