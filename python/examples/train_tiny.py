"""Train the codec in the package a few steps further on a folder of audio, and run the result.

A few steps show that everything works. For a codec of your own voice use `hopcodec train speech`
and hours of audio.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

import hopcodec
from hopcodec.audio import shipped_speech, si_snr
from hopcodec.training import Display, Run, load_config


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", nargs="?", help="folder of recordings; default: one clip")
    parser.add_argument("--steps", type=int, default=3)
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
            'model.start="hopcodec_24khz"',
            "losses.mel_windows=[512]",
            "losses.mel_bins=[40]",
            "losses.complex_windows=[512]",
            "discriminator.from_step=1",
            "discriminator.generator_from_step=2",
            "run.device=cpu",
            "run.threads=1",
            "run.log_every=1",
        ]
        run = Run(
            load_config("tiny", settings), out, Display(Console(file=sys.stderr)), resume=False
        )
        codec = hopcodec.load(run.train())

    audio = shipped_speech(codec.sample_rate, codec.channels, 3.0)
    decoded = codec.decode(codec.encode(audio, bandwidth=6.0), audio.shape[1])
    print(f"trained {options.steps} steps: {codec.name}, weights {codec.fingerprint}")
    print(f"the clip at 6 kbit/s: SI-SNR {si_snr(audio, decoded):.1f} dB")


if __name__ == "__main__":
    main()
