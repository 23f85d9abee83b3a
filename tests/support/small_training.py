"""A training run of twelve steps of a small codec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import torch
from hopcodec.specs import _names as names
from hopcodec.specs._language import CodecSpec
from hopcodec.specs._lapped import lapped_codec
from hopcodec.training._config import Config
from hopcodec.training._progress import Display
from hopcodec.training._run import Run


def small_spec() -> CodecSpec:
    return lapped_codec(
        "small_24khz",
        step_widths=(16, 16),
        frame_widths=(24, 24),
        encoder_steps=(1,),
        encoder_frames=(1,),
        decoder_frames=(1,),
        decoder_steps=(1,),
        latent=16,
        codebooks=4,
        codebook_size=64,
        bandwidths=(0.9, 1.8),
    )


@contextmanager
def repeatable() -> Iterator[None]:
    """Give the small codec a name, and torch one thread: with more, sums change their order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names.SPECS, "small_24khz", small_spec)
        yield
    torch.set_num_threads(threads)


def run(config: Config, out: Path, *, resume: bool = False) -> tuple[Run, str]:
    heard = StringIO()
    made = Run(config, out, Display(Console(file=heard)), resume=resume)
    made.train()
    return made, heard.getvalue()
