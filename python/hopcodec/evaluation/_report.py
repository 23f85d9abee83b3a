"""What an evaluation found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from hopcodec.evaluation._metrics import METRICS
from hopcodec.evaluation._statistics import Estimate, estimate


@dataclass(frozen=True)
class Row:
    """One clip through one system. `weights` holds those that are not 1."""

    file: str
    folder: str
    system: str
    seconds: float
    kbps: float
    lag_ms: float | None
    scores: dict[str, float]
    weights: dict[str, float]


@dataclass(frozen=True)
class Failure:
    """What could not be done: read a clip, run a system on it, or score the result."""

    file: str
    system: str | None
    metric: str | None
    error: str


@dataclass(frozen=True)
class SystemInfo:
    """A system as the report names it; see `hopcodec.evaluation._systems.System`."""

    label: str
    family: str
    nominal_kbps: float | None


@dataclass(frozen=True)
class Summary:
    """One system over one folder, or over all clips (`folder` None).

    `kbps` is payload bits over seconds; `lag_ms` the median delay that was found.
    """

    folder: str | None
    system: str
    clips: int
    seconds: float
    kbps: float
    lag_ms: float | None
    scores: dict[str, Estimate]


@dataclass(frozen=True)
class Report:
    """Everything an evaluation found. `unavailable` maps a metric or system to the reason."""

    metrics: tuple[str, ...]
    systems: tuple[SystemInfo, ...]
    sample_rate_hz: int
    rows: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def folders(self) -> list[str]:
        """Folders with results, in order of first appearance."""
        return list(dict.fromkeys(row.folder for row in self.rows))

    def summaries(self, folder: str | None = None) -> list[Summary]:
        """Means per system over a folder's clips, or over all."""
        found = []
        for system in self.systems:
            rows = [
                row
                for row in self.rows
                if row.system == system.label and folder in (None, row.folder)
            ]
            if rows:
                found.append(self._summary(folder, system.label, rows))
        return found

    def mean(self, metric: str, system: str | None = None, folder: str | None = None) -> float:
        """One mean. `system` is a label, such as "Opus 6"; it may be left out if there is one.

        Raises
        ------
        ValueError
            No such figure; the message says which there are.
        """
        if system is None and len(self.systems) == 1:
            system = self.systems[0].label
        for summary in self.summaries(folder):
            if summary.system == system and metric in summary.scores:
                return summary.scores[metric].mean
        reason = self.unavailable.get(metric) or self.unavailable.get(str(system))
        raise ValueError(
            f"expected a metric of {', '.join(self.metrics)} and a system of "
            f"{', '.join(s.label for s in self.systems)} with results, got {metric!r} and "
            f"{system!r}" + (f": {reason}" if reason else "")
        )

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        chosen = (METRICS[name] for name in self.metrics)
        folders = [None, *self.folders] if self.rows else []
        return {
            "sample_rate_hz": self.sample_rate_hz,
            "metrics": [
                {
                    "name": m.name,
                    "title": m.title,
                    "unit": m.unit,
                    "higher_is_better": m.higher_is_better,
                }
                for m in chosen
            ],
            "systems": [asdict(system) for system in self.systems],
            "summaries": [asdict(s) for folder in folders for s in self.summaries(folder)],
            "files": [asdict(row) for row in self.rows],
            "failed": [asdict(failure) for failure in self.failures],
            "unavailable": self.unavailable,
        }

    def _summary(self, folder: str | None, system: str, rows: list[Row]) -> Summary:
        seconds = sum(row.seconds for row in rows)
        lags = [row.lag_ms for row in rows if row.lag_ms is not None]
        scores = {}
        for metric in self.metrics:
            scored = [row for row in rows if metric in row.scores]
            if scored:
                scores[metric] = estimate(
                    [row.scores[metric] for row in scored],
                    [row.weights.get(metric, 1.0) for row in scored],
                )
        return Summary(
            folder=folder,
            system=system,
            clips=len(rows),
            seconds=seconds,
            kbps=sum(row.kbps * row.seconds for row in rows) / seconds,
            lag_ms=median(lags) if lags else None,
            scores=scores,
        )
