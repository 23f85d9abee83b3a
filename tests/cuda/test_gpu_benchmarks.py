"""The GPU's benchmarks without a GPU: their counts against others', and every line rehearsed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from dac_models import hf_dac
from gpus import no_gpu
from shared_models import tiny_codec, tiny_spec, tiny_weights

import bench_cuda
import bench_cuda_ops
from cuda_account import Account, accounts, achieved, state_floats
from cuda_subjects import precision_of
from hopcodec import _core
from hopcodec.specs._dac import dac
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.specs._language import Conv1d, ConvTranspose1d, Lstm, Padding, Residual
from hopcodec.weights._seeded import seeded_weights
from peers.torch_batched import Batched
from peers.transformers_eager import encodec_model

# Each puts the sources ahead of what is installed, which is what tests are about: also those whose
# processes begin with a copy of this path.
for _ in (bench_cuda, bench_cuda_ops):
    sys.path.remove(str(bench_cuda.ROOT / "python"))

pytestmark = pytest.mark.slow

HOPS = 20


def flops_of(run: Callable[[], object]) -> int:
    """What torch counts; without mkldnn, whose fused LSTM it has no formula for."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            run()
    finally:
        torch._C._set_mkldnn_enabled(before)
    return int(counter.get_total_flops())


def test_flops_of_encodec_are_those_that_torch_counts() -> None:
    spec = tiny_spec()
    with torch.inference_mode():
        model = encodec_model(spec, tiny_weights())
    counted = accounts(spec, 8, 1, "fp32")
    audio = torch.randn(1, 1, HOPS * spec.hop_samples)
    codes = torch.zeros(1, 1, 8, HOPS, dtype=torch.int64)
    encoded = flops_of(lambda: model.encode(audio, bandwidth=3.6, return_dict=True))
    decoded = flops_of(lambda: model.decode(codes, [None], return_dict=True))
    assert encoded == HOPS * counted["encode"].flops
    assert decoded == HOPS * counted["decode"].flops
    assert counted["duplex"].flops * HOPS == encoded + decoded


def test_flops_of_dac_are_those_that_torch_counts() -> None:
    spec = dac("dac_44khz", sample_rate=44100, encoder_dim=2, decoder_dim=16, codebook_size=64)
    model = hf_dac(spec, seeded_weights(spec))
    counted = accounts(spec, 9, 1, "fp32")
    audio = torch.randn(1, 1, HOPS * spec.hop_samples)
    codes = torch.zeros(1, 9, HOPS, dtype=torch.int64)
    assert flops_of(lambda: model.encode(audio)) == HOPS * counted["encode"].flops
    assert flops_of(lambda: model.decode(audio_codes=codes)) == HOPS * counted["decode"].flops


CAUSAL = Padding(left=36, right=0, mode="zero", full_window=False)
LOOKS_AHEAD = Padding(left=9, right=9, mode="zero", full_window=False)


@pytest.mark.parametrize(
    ("layer", "floats"),
    [
        (Conv1d("a", 3, 5, 7, CAUSAL, dilation=6), 3 * 36),
        (Conv1d("a", 3, 5, 16, CAUSAL, stride=8), 3 * 8),
        (Conv1d("a", 3, 5, 1, CAUSAL), 0),
        (Conv1d("a", 3, 5, 2, CAUSAL, stride=4), 0),
        (ConvTranspose1d("a", 3, 5, 16, 8, 0, 8), 3),
        (ConvTranspose1d("a", 3, 5, 8, 8, 0, 0), 0),
        (Lstm("a", 6, 2, skip=True), 2 * 2 * 6),
        # What the branch needs of its input, and what the shortcut waits with.
        (Residual((Conv1d("a", 3, 3, 7, LOOKS_AHEAD, dilation=3),)), 3 * 18 + 3 * 9),
    ],
)
def test_states_of_one_layer(layer: Any, floats: int) -> None:
    assert state_floats([layer]) == floats


def test_states_are_those_of_the_stateful_torch_model_and_fit_into_the_runtimes() -> None:
    spec, weights = tiny_spec(), tiny_weights()
    batched = Batched(spec.encoder, weights, 1, "cpu")
    assert state_floats(spec.encoder) == sum(state.numel() for state in batched.states)
    # The runtime's also has a header per layer and room for rows that do not fill a stride yet.
    here = tiny_codec()
    encoder = here.sessions.cpu_encoder(1, "immediate", 1).state_bytes
    decoder = here.sessions.cpu_decoder(1, "immediate", 1).state_bytes
    assert encoder / 4 <= 4 * state_floats(spec.encoder) <= encoder
    assert decoder / 4 <= 4 * state_floats(spec.decoder) <= decoder


def test_bytes_of_encodec() -> None:
    spec, streams, books = encodec_24khz(), 64, 8
    shapes = spec.tensors()
    floats = {
        side: sum(prod(s) for n, s in shapes.items() if n.startswith(side))
        for side in ("encoder", "decoder")
    }
    biases = sum(s[0] for n, s in shapes.items() if n.startswith("encoder") and len(s) == 1)
    full, half = (accounts(spec, books, streams, precision) for precision in ("fp32", "bf16"))
    assert full["encode"].weight_bytes == 4 * (floats["encoder"] + books * 1024 * 128)
    # Of each codebook no more than 64 entries can be named by 64 streams; all, by many.
    assert full["decode"].weight_bytes == 4 * (floats["decoder"] + books * 64 * 128)
    many = accounts(spec, books, 4096, "fp32")["decode"]
    assert many.weight_bytes == 4 * (floats["decoder"] + books * 1024 * 128)
    saved = full["encode"].weight_bytes - half["encode"].weight_bytes
    assert saved == 2 * (floats["encoder"] - biases)
    for account in (full["encode"], full["decode"]):
        assert account.signal_bytes == 64 * (320 * 4 + 8 * 2)
    assert full["encode"].state_bytes == 2 * 64 * 4 * state_floats(spec.encoder)
    assert full["duplex"].least_bytes == full["encode"].least_bytes + full["decode"].least_bytes


def test_rates_and_their_shares() -> None:
    account = Account(flops=3 * 10**12, weight_bytes=10**9, state_bytes=10**9, signal_bytes=0)
    ceilings = {"copy_tb_per_s": 4.0, "float32_tflops": 12.0, "tf32_tflops": 24.0}
    found = achieved(account, 500.0, "tf32", ceilings)
    assert found == pytest.approx(
        {"tflops": 6.0, "tb_per_s": 0.004, "share_of_matmul": 0.25, "share_of_copy": 0.001}
    )


def test_a_subjects_name_says_how_it_multiplies() -> None:
    names = ("hopcodec", "hopcodec bf16", "torch stateful, CUDA graphs, tf32", "torch stateful")
    assert [precision_of(name) for name in names] == ["fp32", "bf16", "tf32", "fp32"]


def test_the_sessions_benchmark_rehearsed(tmp_path: Path) -> None:
    output = tmp_path / "cuda.json"
    bench_cuda.main(["--rehearse", "--batches", "2", "--seconds", "0.01", "--output", str(output)])
    result = json.loads(output.read_text())
    assert result["rehearsal"]
    precisions = {"fp32", "tf32", "bf16"} if _core.cuda.stand_in() else {"fp32", "bf16"}
    assert set(result["most_streams"]) == precisions
    rows = result["batches"]["2"]
    assert len(rows) == len(precisions) + 4  # and torch in three ways, and transformers
    for kinds in rows.values():
        assert set(kinds) == {"encode", "decode", "duplex"}
        assert all(value > 0 for kind in kinds.values() for value in kind.values())
    account = result["accounts"]["2"]["fp32"]["encode"]
    rate = rows["hopcodec"]["encode"]
    assert rate["tflops"] == pytest.approx(account["flops"] / rate["p50"] / 1e9)
    assert rate["tb_per_s"] == pytest.approx(account["least_bytes"] / rate["p50"] / 1e9)


def test_the_operators_benchmark_rehearsed(tmp_path: Path) -> None:
    output = tmp_path / "ops.json"
    bench_cuda_ops.main(["--rehearse", "--seconds", "3", "--output", str(output)])
    result = json.loads(output.read_text())
    assert result["rehearsal"]
    assert result["cases"]
    assert len(result["cases"]) + len(result["left_out"]) == 19
    for row in result["cases"].values():
        assert set(row) == {"hopcodec", "torch eager", "torch.compile"}


def test_without_a_gpu_a_benchmark_ends_with_one_sentence(tmp_path: Path) -> None:
    if not no_gpu() and not _core.cuda.stand_in():
        pytest.skip("there is a GPU here")
    with pytest.raises(SystemExit, match=r"^cuda: expected .*, got .* \(--rehearse does with"):
        bench_cuda.main(["--output", str(tmp_path / "none.json")])
    assert not (tmp_path / "none.json").exists()
