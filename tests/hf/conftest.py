"""Quiet imports of transformers: its extractors import torchaudio, which no test needs."""

from __future__ import annotations

import transformers
from without_torchaudio import without_torchaudio

with without_torchaudio():
    import hopcodec.torch.hf._features  # noqa: F401

transformers.utils.logging.disable_progress_bar()
