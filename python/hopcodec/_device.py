"""Which device sessions run on, and the sessions there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hopcodec import _core
from hopcodec.errors import DeviceError
from hopcodec.streaming import Start, zero_start

if TYPE_CHECKING:
    from hopcodec.codec import Codec


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


def encoder_on(
    codec: Codec, device: str, streams: int, start: Start, max_frames: int, books: int | None = None
) -> _core.Encoder | _core.CudaEncoder:
    """A session on any device; a GPU prepares for `books` codebooks, others cost it more.

    Without `books`, for all bandwidths on offer.
    """
    if device == "cpu":
        return codec._encoder_session(streams, start, max_frames)
    _check_kind(codec)
    offered = {codec.codebooks_for(kbps) for kbps in codec.bandwidths}
    return _core.CudaEncoder(
        codec._encoder_layers,
        codec._quantizer,
        channels=codec.channels,
        hop_samples=codec.hop_samples,
        streams=streams,
        max_frames=max_frames,
        zero_start=zero_start(start),
        device=cuda_ordinal(device),
        codebooks=sorted(offered) if books is None else [books],
    )


def decoder_on(
    codec: Codec, device: str, streams: int, start: Start, max_frames: int
) -> _core.Decoder | _core.CudaDecoder:
    """A session on any device."""
    if device == "cpu":
        return codec._decoder_session(streams, start, max_frames)
    _check_kind(codec)
    return _core.CudaDecoder(
        codec._decoder_layers,
        codec._quantizer,
        channels=codec.channels,
        hop_samples=codec.hop_samples,
        streams=streams,
        max_frames=max_frames,
        zero_start=zero_start(start),
        device=cuda_ordinal(device),
    )


def _check_kind(codec: Codec) -> None:
    if codec.spec.whole_hops:
        raise DeviceError(
            f"{codec.name}: expected the CPU as the device, as a GPU does not fill its last hop yet"
        )
