"""SI-SNR in dB at the codec's rate: see `hopcodec.audio.si_snr`."""

from __future__ import annotations

from collections.abc import Callable

from hopcodec.evaluation._signals import Pair


def make() -> Callable[[Pair], float]:
    """The ratio; infinite for an identical signal."""
    from hopcodec.audio import si_snr

    def score(pair: Pair) -> float:
        reference, decoded = pair.at(pair.rate_hz)
        if reference.min() == reference.max():
            raise ValueError("SI-SNR is undefined: the reference is constant")
        return si_snr(reference, decoded)

    return score
