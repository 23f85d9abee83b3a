"""Who is timed in bench_cuda.py: hopcodec in each precision, and EnCodec in torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cuda_place import Place
from hopcodec import Codec
from hopcodec.specs._encodec import causal_encodec
from hopcodec.specs._language import CodecSpec


def small_encodec() -> CodecSpec:
    """EnCodec 24 kHz at an eighth of its width: what a rehearsal has the patience for."""
    return causal_encodec(
        "encodec_24khz",
        sample_rate=24000,
        bandwidths=(1.8, 3.6),
        codebooks=8,
        codebook_size=64,
        filters=4,
        latent=16,
    )


# Name -> (audio (batch, channels, hop) -> codes, codes (batch, books, 1) -> audio)
Subjects = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Job:
    """A codec, and where it is timed."""

    spec: CodecSpec
    weights: Any
    place: Place
    kbps: float
    books: int
    deadline_ms: float
    warm_up: int  # hops until a stream that starts at once runs evenly, and some more

    @staticmethod
    def of(spec: CodecSpec, weights: Any, place: Place) -> Job:
        codec = Codec(spec, weights)
        kbps = codec.default_bandwidth
        return Job(
            spec,
            weights,
            place,
            kbps,
            codec.codebooks_for(kbps),
            1000 * spec.hop_samples / spec.sample_rate,
            place.effort.warm_up - (-codec.lookahead_samples // spec.hop_samples),
        )

    def codec(self, precision: str = "fp32") -> Codec:
        return Codec(self.spec, self.weights, device=self.place.device, precision=precision)

    def noise(self, *shape: int, seed: int) -> Any:
        """Audio (..., channels, hop)."""
        shape = (*shape, self.spec.channels, self.spec.hop_samples)
        return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def precision_of(subject: str) -> str:
    """How a subject multiplies: its name says so, unless it is float32."""
    last = subject.split()[-1]
    return last if last in ("tf32", "bf16") else "fp32"


def subjects(job: Job, batch: int, with_peers: bool) -> Subjects:
    found: Subjects = {}
    for precision in job.place.precisions:
        streams = job.codec(precision).streams(batch, bandwidth=job.kbps, start="immediate")
        found["hopcodec" if precision == "fp32" else f"hopcodec {precision}"] = (
            lambda x, s=streams: s.encode(x)[0],
            lambda c, s=streams: s.decode(c)[0],
        )
    return {**found, **peers(job, batch)} if with_peers else found


def peers(job: Job, batch: int) -> Subjects:
    """EnCodec in torch; in float32 unless its name says otherwise."""
    import torch
    from peers.torch_batched import BatchedEncodec, Captured
    from peers.transformers_eager import encodec_model

    found: Subjects = {}
    place, device = job.place, job.place.torch_device

    def on_device(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            with torch.inference_mode():
                return step(place.to_torch(x)).cpu().numpy()

        return run

    def as_codes(c: Any) -> Any:
        return np.ascontiguousarray(c.astype(np.int64).transpose(1, 0, 2))

    allow_tf32(False)
    eager = BatchedEncodec(job.spec, job.weights, job.books, batch, device)
    found["torch stateful"] = (
        on_device(eager.encode),
        lambda c: on_device(eager.decode)(as_codes(c)),
    )
    hop = (batch, job.spec.channels, job.spec.hop_samples)
    for tf32 in (False, True):
        allow_tf32(tf32)  # what a graph was captured with, it keeps
        other = BatchedEncodec(job.spec, job.weights, job.books, batch, device)
        encode = Captured(other.encode, torch.zeros(hop, device=device), place.capture)
        codes = torch.zeros(job.books, batch, 1, device=device, dtype=torch.int64)
        decode = Captured(other.decode, codes, place.capture)
        allow_tf32(False)
        found["torch stateful, CUDA graphs" + (", tf32" if tf32 else "")] = (
            on_device(encode),
            lambda c, run=decode: on_device(run)(as_codes(c)),
        )
    with torch.inference_mode():
        model = encodec_model(job.spec, job.weights).to(device)
    found["transformers (stateless)"] = (
        on_device(lambda x: model.encode(x, bandwidth=job.kbps, return_dict=True).audio_codes[0]),
        lambda c: on_device(lambda d: model.decode(d[None], [None], return_dict=True).audio_values)(
            c.astype(np.int64)
        ),
    )
    return found


def allow_tf32(wanted: bool) -> None:
    """For torch's matrix products and convolutions."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = wanted
