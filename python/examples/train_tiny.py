"""Train a codec on a folder of audio for a few steps, and run the result hop by hop.

A few steps show that everything works; the result only mumbles. For a codec worth hearing use
`hopcodec train speech` and hours of audio.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

import hopcodec
from hopcodec.audio import shipped_speech
from hopcodec.training import Display, Run, load_config


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", nargs="?", help="folder of recordings; default: one clip")
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "audio", Path(scratch) / "run"
        folder.mkdir()
        hopcodec.write_audio(folder / "clip.wav", shipped_speech(24000, 1), 24000)
        settings = [
            f"steps={options.steps}",
            f'data.train=["{options.audio or folder}"]',
            f'data.cache="{scratch}/cache"',
            "data.batch=2",
            "data.segment_hops=12",
            "quantizer.from_step=2",
            "quantizer.kmeans_batches=8",
            "losses.mel_windows=[512]",
            "losses.mel_bins=[40]",
            "losses.complex_windows=[512]",
            "discriminator.from_step=3",
            "discriminator.generator_from_step=4",
            "run.device=cpu",
            "run.threads=1",
            "run.log_every=1",
        ]
        run = Run(
            load_config("tiny", settings), out, Display(Console(file=sys.stderr)), resume=False
        )
        codec = hopcodec.load(run.train())

    audio = shipped_speech(codec.sample_rate, codec.channels, 1.0)
    encoder, decoder = codec.encoder(), codec.decoder()
    heard = decoder.push(encoder.push(audio))
    print(f"trained {options.steps} steps: {codec.name}, weights {codec.fingerprint}")
    print(f"{audio.shape[1]} samples in, {heard.shape[1]} out so far, as any codec streams")


if __name__ == "__main__":
    main()
