"""Read a .hop file with the standard library alone, as a program in any language would.

Without an argument the script first writes one. `hopcodec` appears in that part only.
"""

from __future__ import annotations

import argparse
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

FIXED = struct.Struct("<8sHHIHHIBBHIIII")  # see "The .hop file" in the documentation
BLOCK = struct.Struct("<II")


def read_codes(data: bytes) -> Iterator[tuple[str, int, list[list[int]]]]:
    """Yield `(model, sample rate, frames of codes)` for each block of a file without segments."""
    fields = FIXED.unpack_from(data)
    magic, version, _, rate, _, codebooks, _, bits, name_bytes, _, _, _, segment, _ = fields
    if magic != b"\x89HOP\r\n\x1a\n" or version != 1 or segment:
        sys.exit("expected a .hop file of version 1, without segments")
    at = FIXED.size + name_bytes
    model = data[FIXED.size : at].decode("ascii")
    if zlib.crc32(data[:at]) != int.from_bytes(data[at : at + 4], "little"):
        sys.exit("expected a sound header, got a damaged one")
    at += 4
    block = 0
    while True:
        frames, checksum = BLOCK.unpack_from(data, at)
        size = -(-frames * codebooks * bits // 8) if frames else 8
        payload = data[at + 8 : at + 8 + size]
        number = struct.pack("<QI", block, frames)
        if zlib.crc32(payload, zlib.crc32(number)) != checksum:
            sys.exit(f"block {block}: expected it sound, got a damaged one")
        if frames == 0:  # the end block: how many samples the audio has
            return
        string = int.from_bytes(payload, "little")  # bit j of the string is bit j of this number
        mask = (1 << bits) - 1
        codes = [string >> i * bits & mask for i in range(frames * codebooks)]
        yield model, rate, [codes[i : i + codebooks] for i in range(0, len(codes), codebooks)]
        at, block = at + 8 + size, block + 1


def write_one(path: Path) -> None:
    """Write a .hop file to read."""
    import hopcodec
    from hopcodec.audio import shipped_speech
    from hopcodec.files import write_hop

    codec = hopcodec.load()
    audio = shipped_speech(codec.sample_rate, codec.channels, 3.0)
    write_hop(path, codec.encode(audio, bandwidth=1.5), codec, audio.shape[1])


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    options = parser.parse_args()
    if options.file is None:
        options.file = Path("example.hop")
        write_one(options.file)

    total = 0
    for model, rate, frames in read_codes(options.file.read_bytes()):
        if total == 0:
            print(f"{model} at {rate} Hz, {len(frames[0])} codes per frame")
            print(f"first frame: {frames[0]}")
        total += len(frames)
    print(f"{total} frames")


if __name__ == "__main__":
    main()
