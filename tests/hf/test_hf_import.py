"""What is said where transformers is missing, or is another than what the models stand on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hopcodec

ABSENT = "import sys; sys.modules['transformers'] = None; import hopcodec.torch.hf"
OLD = """
import sys, types
sys.modules["transformers"] = types.SimpleNamespace(__version__="4.57.1")
import hopcodec.torch.hf
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (ABSENT, "hopcodec.torch.hf needs transformers 5: pip install 'hopcodec[hf]'"),
        (OLD, "hopcodec.torch.hf needs transformers 5, got 4.57.1: pip install 'hopcodec[hf]'"),
    ],
    ids=["absent", "old"],
)
def test_one_sentence_says_what_to_install(program: str, said: str) -> None:
    where = str(Path(hopcodec.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": where},
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == f"ImportError: {said}"
