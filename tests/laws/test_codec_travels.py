"""A codec is copied, pickled and sent to workers."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from operator import methodcaller
from pathlib import Path

import numpy as np
import pytest
from shared_models import Array, tiny_codec

import hopcodec
from hopcodec import WeightsError
from hopcodec.weights import save_weights, seeded_weights


def test_it_goes_to_a_process_that_was_started_afresh(speech: Array) -> None:
    codec, audio = hopcodec.load(), np.ascontiguousarray(speech[:, :9600])
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(methodcaller("encode", audio), codec).result()
    np.testing.assert_array_equal(found, codec.encode(audio))


def test_options_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the file is found from another folder."""
    spec = tiny_codec().spec
    save_weights(tmp_path / "codec.safetensors", spec, seeded_weights(spec))
    monkeypatch.chdir(tmp_path)
    codec = hopcodec.load("codec.safetensors", threads=2, precision="bf16", full_hop=True)
    blob = pickle.dumps(codec)
    assert len(blob) < 1000  # no weights
    os.chdir(tmp_path.parent)
    again = pickle.loads(blob)
    assert (again.threads, again.precision, again.full_hop) == (2, "bf16", True)
    assert again.fingerprint == codec.fingerprint

    save_weights(tmp_path / "codec.safetensors", spec, seeded_weights(spec, seed=2))
    with pytest.raises(
        WeightsError, match=rf"expected weights {codec.fingerprint}, .* has changed"
    ):
        pickle.loads(blob)


def test_a_copy_is_the_codec_itself() -> None:
    codec = tiny_codec()
    assert copy.copy(codec) is codec
    assert copy.deepcopy(codec) is codec


def test_a_codec_made_of_arrays_cannot_be_read_again() -> None:
    with pytest.raises(pickle.PicklingError, match=r"expected a codec of hopcodec\.load"):
        pickle.dumps(tiny_codec())
