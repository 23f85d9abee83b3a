"""Which device sessions run on, and the sessions there."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from hopcodec import _core
from hopcodec.codec._build import Precision
from hopcodec.codec._streams import Start, zero_start
from hopcodec.errors import DeviceError

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec


def cuda_ordinal(device: str) -> int:
    """Which GPU "cuda" or "cuda:1" names; DeviceError for what names none."""
    kind, _, ordinal = device.partition(":")
    if kind != "cuda" or not (device == "cuda" or (ordinal.isascii() and ordinal.isdigit())):
        raise DeviceError(f'device: expected "cpu", "cuda" or "cuda:<number>", got "{device}"')
    return int(ordinal or 0)


def check_device(device: str) -> None:
    """DeviceError for a device that is not there, or that this build does not drive."""
    if device != "cpu":
        _core.cuda_check(cuda_ordinal(device))


def check_precision(precision: str, device: str) -> None:
    """ValueError for a precision that there is not, or not on this device."""
    if precision not in get_args(Precision):
        raise ValueError(f'precision: expected "fp32", "tf32" or "bf16", got {precision!r}')
    if precision == "tf32" and device == "cpu":
        raise ValueError('precision: expected "fp32" or "bf16" on the CPU, got "tf32"')


def encoder_on(
    codec: Codec, device: str, streams: int, start: Start, max_frames: int, books: int | None = None
) -> _core.Encoder | _core.CudaEncoder:
    """A session on any device; a GPU prepares for `books` codebooks, others cost it more.

    Without `books`, for all bandwidths on offer.
    """
    if device == "cpu":
        return codec._encoder_session(streams, start, max_frames)
    offered = {codec.codebooks_for(kbps) for kbps in codec.bandwidths}
    return _core.CudaEncoder(
        codec._encoder_layers,
        codec._quantizer,
        channels=codec.channels,
        hop_samples=codec.hop_samples,
        streams=streams,
        max_frames=max_frames,
        zero_start=zero_start(start),
        whole_hops=codec.spec.whole_hops,
        device=cuda_ordinal(device),
        codebooks=sorted(offered) if books is None else [books],
        precision=codec.precision,
    )


def decoder_on(
    codec: Codec, device: str, streams: int, start: Start, max_frames: int
) -> _core.Decoder | _core.CudaDecoder:
    """A session on any device."""
    if device == "cpu":
        return codec._decoder_session(streams, start, max_frames)
    return _core.CudaDecoder(
        codec._decoder_layers,
        codec._quantizer,
        channels=codec.channels,
        hop_samples=codec.hop_samples,
        streams=streams,
        max_frames=max_frames,
        zero_start=zero_start(start),
        whole_hops=codec.spec.whole_hops,
        device=cuda_ordinal(device),
        precision=codec.precision,
    )
