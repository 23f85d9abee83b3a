"""Load a codec by a name or a path."""

from __future__ import annotations

import os
from functools import partial

from hopcodec._checks import whole
from hopcodec._float_mode import default_float_mode
from hopcodec.codec._codec import Codec
from hopcodec.codec._device import check_device, check_precision
from hopcodec.errors import WeightsError
from hopcodec.specs._lookahead import truncations
from hopcodec.typing import Precision


@default_float_mode()
def load(
    model: str | os.PathLike[str] | None = None,
    *,
    device: str = "cpu",
    threads: int = 1,
    precision: Precision = "fp32",
    seeded: bool = False,
    full_hop: bool = False,
    low_latency: int | None = None,
) -> Codec:
    """Load a codec.

    Parameters
    ----------
    model : str or path, optional
        `None`: "hopcodec_24khz", whose weights come with the package. Another name, such as
        "encodec_24khz" or "dac_44khz": fetched once from the hub. A path: a Hugging Face folder, a
        `.safetensors` file (of a model trained here, any shape), or an original `.th`/`.pth`;
        the file itself says which codec it holds.
    device : str
        "cpu", "cuda" (the first NVIDIA GPU) or "cuda:1": where sessions run. With "fp32" the bits
        are meant to be the same. A snapshot may go from one to the other in any precision.
    threads : int
        Threads that share each step. The bits do not depend on it.
    precision : "fp32", "tf32" or "bf16"
        How the matrices of both chains are kept and multiplied. "bf16" rounds them (not the biases,
        not the codebooks) to bfloat16, which halves what a hop reads. On the CPU the arithmetic
        stays float32, and the result is that of a model with rounded weights, exact as ever. On a
        GPU "bf16" and "tf32" multiply on tensor cores: both factors of every product of at least 16
        terms and 8 columns are rounded, to 8 or 11 significant bits; sums, states, activations and
        the search in the codebooks stay float32. One GPU gives the same bits for any partition and
        any company of streams; they are not the CPU's, nor another model of GPU's. Most codes stay
        as they are; see benchmarks/. "tf32" is for GPUs only.
    seeded : bool
        Instead of trained weights, noise from a fixed seed: the shape and cost of the named codec
        without its file, for tests and benchmarks.
    full_hop : bool
        Decode every frame to `hop_samples`. A DAC at 16 or 24 kHz as published gives 8 samples
        less in all; the samples before the end are the same either way. Other codecs do so anyway.
    low_latency : int, optional
        Let encoder and decoder of a DAC look ahead by so many frames together, in the place of the
        17 to 18 that the model does: each frame is then coded and decoded as if the signal ended
        where the look-ahead does. It costs quality and about as much computing again; see
        benchmarks/.

    Raises
    ------
    TypeError, ValueError
        An argument has the wrong type or value.
    WeightsError
        The file is missing, malformed, or does not fit the codec.
    DeviceError
        The device is not available.
    """
    from hopcodec.weights._resolve import resolve

    if model is not None and not isinstance(model, (str, os.PathLike)):
        raise TypeError(f"model: expected a name or a path, got {type(model).__name__}")
    check_device(device)
    threads = whole("threads", threads, 1, 256)
    check_precision(precision, device)  # before a model is fetched for nothing
    origin = partial(resolve, _lasting(model), seeded=seeded)
    spec, weights = resolve(model, seeded=seeded)
    if spec.segments is not None:
        check_precision(precision, "cpu")  # segments are computed in "fp32" or "bf16"
    if low_latency is not None:
        truncations(spec, low_latency)  # the caller's mistake, not the file's
    try:
        return Codec(
            spec,
            weights,
            threads=threads,
            precision=precision,
            seeded=seeded,
            device=device,
            full_hop=full_hop,
            low_latency=low_latency,
            origin=origin,
        )
    except ValueError as error:  # a spec that came with a file, each field possible, not together
        raise WeightsError(f"{spec.name}: {error}") from error


def _lasting(model: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
    """Return a path that names the same file after the working folder has changed."""
    return model if model is None or not os.path.exists(model) else os.path.abspath(model)
