"""Every metric, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hopcodec.evaluation import (
    _dnsmos as dnsmos,
)
from hopcodec.evaluation import (
    _estoi as estoi,
)
from hopcodec.evaluation import (
    _mel as mel,
)
from hopcodec.evaluation import (
    _pesq_wb as pesq_wb,
)
from hopcodec.evaluation import (
    _si_snr as si_snr,
)
from hopcodec.evaluation import (
    _visqol_speech as visqol_speech,
)
from hopcodec.evaluation import (
    _wer as wer,
)
from hopcodec.evaluation._signals import Pair

# A value, or a value and its weight in the mean over clips.
Scorer = Callable[[Pair], "float | tuple[float, float]"]


@dataclass(frozen=True)
class Options:
    """What some metrics need to know. See `hopcodec.evaluation._wer.make`."""

    whisper: str | None = None
    language: str = "en"


@dataclass(frozen=True)
class Metric:
    """One figure of merit. `make` loads what it needs once and raises `Unavailable` without."""

    name: str
    title: str
    unit: str
    higher_is_better: bool
    digits: int
    make: Callable[[Options], Scorer]
    needs_transcript: bool = False


METRICS: Final = {
    metric.name: metric
    for metric in (
        Metric("pesq", "PESQ-wb", "MOS-LQO", True, 2, lambda _: pesq_wb.make()),
        Metric("estoi", "ESTOI", "", True, 3, lambda _: estoi.make()),
        Metric("si_snr", "SI-SNR", "dB", True, 2, lambda _: si_snr.make()),
        Metric("visqol", "ViSQOL", "MOS-LQO", True, 2, lambda _: visqol_speech.make()),
        Metric("dnsmos", "DNSMOS", "MOS", True, 2, lambda _: dnsmos.make()),
        Metric("mel", "mel dist.", "dB", False, 2, lambda _: mel.make()),
        Metric("wer", "WER", "%", False, 1, lambda o: wer.make(o.whisper, o.language), True),
    )
}
# Milliseconds a clip, no network: what a training run can afford at every validation.
CHEAP: Final = ("pesq", "estoi", "si_snr", "mel")


def check_metrics(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` in the table's order; ValueError for one that does not exist."""
    for name in names:
        if name not in METRICS:
            raise ValueError(f"metrics: expected some of {', '.join(METRICS)}, got {name!r}")
    if not names:
        raise ValueError(f"metrics: expected some of {', '.join(METRICS)}, got none")
    return tuple(name for name in METRICS if name in names)
