"""How close decoded audio is to the original."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.floating]


def si_snr(reference: Audio, estimate: Audio) -> float:
    """Scale-invariant signal-to-noise ratio in dB, in float64.

    Both signals lose their mean; the estimate is split into its projection `s` on the reference
    and the rest `n`; the result is `10 log10(|s|^2 / |n|^2)` (Le Roux et al. 2019, "SDR -
    half-baked or well done?", eq. 3 with means removed). Channels are taken one by one and their
    ratios averaged in dB.

    Parameters
    ----------
    reference, estimate
        `(samples,)` or `(channels, samples)`, of the same shape.

    Returns
    -------
    float
        `inf` for a perfect estimate, `-inf` for one unrelated to the reference (a constant one
        too), `nan` if the reference is constant, when the ratio has no meaning.
    """
    if reference.shape != estimate.shape:
        raise ValueError(f"estimate: expected shape {reference.shape}, got {estimate.shape}")
    if reference.ndim not in (1, 2) or reference.shape[-1] == 0:
        raise ValueError(f"expected (samples,) or (channels, samples), got {reference.shape}")
    r = np.atleast_2d(np.asarray(reference, dtype=np.float64))
    e = np.atleast_2d(np.asarray(estimate, dtype=np.float64))
    r = r - r.mean(axis=1, keepdims=True)
    e = e - e.mean(axis=1, keepdims=True)
    values = []
    for r_channel, e_channel in zip(r, e, strict=True):
        power = float(r_channel @ r_channel)
        if power == 0.0:
            return math.nan
        projection = (float(e_channel @ r_channel) / power) * r_channel
        noise = e_channel - projection
        values.append(_ratio_db(float(projection @ projection), float(noise @ noise)))
    return sum(values) / len(values)


class SiSnrMeter:
    """`si_snr` of signals that come in pieces, in constant memory.

    The two sides may be pushed at different times and in different pieces, as a codec's delay
    makes them: the meter keeps the samples of the side that is ahead. It sums moments, so a ratio
    beyond about 140 dB drowns in float64 rounding; `si_snr` has no such limit.
    """

    def __init__(self, channels: int = 1) -> None:
        self._waiting = np.zeros((channels, 0))
        self._reference_ahead = True
        self._count = 0
        # Per channel: sum r, sum e, sum rr, sum ee, sum re.
        self._sums = np.zeros((5, channels))

    def push_reference(self, audio: Audio) -> None:
        """Append original samples `(channels, samples)`."""
        self._push(audio, is_reference=True)

    def push_estimate(self, audio: Audio) -> None:
        """Append decoded samples `(channels, samples)`."""
        self._push(audio, is_reference=False)

    def _push(self, audio: Audio, *, is_reference: bool) -> None:
        samples = np.asarray(audio, dtype=np.float64)
        if samples.ndim != 2 or samples.shape[0] != self._waiting.shape[0]:
            raise ValueError(f"expected ({self._waiting.shape[0]}, samples), got {np.shape(audio)}")
        if self._waiting.shape[1] == 0:
            self._reference_ahead = is_reference
        if is_reference == self._reference_ahead:
            self._waiting = np.concatenate((self._waiting, samples), axis=1)
            return
        pairs = min(samples.shape[1], self._waiting.shape[1])
        ahead, behind = self._waiting[:, :pairs], samples[:, :pairs]
        r, e = (ahead, behind) if self._reference_ahead else (behind, ahead)
        self._sums += np.stack(
            [part.sum(axis=1) for part in (r, e, r * r, e * e, r * e)],
        )
        self._count += pairs
        self._waiting = self._waiting[:, pairs:].copy()
        if samples.shape[1] > pairs:
            self._waiting = samples[:, pairs:].copy()
            self._reference_ahead = is_reference

    def db(self) -> float:
        """The ratio over all samples seen on both sides; as `si_snr`, and `nan` for none."""
        if self._count == 0:
            return math.nan
        values = []
        for r, e, rr, ee, re in self._sums.T:
            power = rr - r * r / self._count
            if power <= 1e-14 * rr or rr == 0.0:
                return math.nan
            cross = re - r * e / self._count
            signal = cross * cross / power
            total = ee - e * e / self._count
            # A noise below the rounding of the sums is no noise at all.
            noise = total - signal
            values.append(_ratio_db(signal, noise if noise > 1e-15 * ee else 0.0))
        return float(sum(values) / len(values))


def _ratio_db(signal: float, noise: float) -> float:
    if signal == 0.0:
        return -math.inf
    return math.inf if noise == 0.0 else 10.0 * math.log10(signal / noise)
