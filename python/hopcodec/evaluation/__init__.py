"""Measure how good a codec sounds, beside peers at known bitrates, and how fast it is.

The metrics' packages come with `pip install 'hopcodec[eval]'` and are imported when a metric is
first used. A missing package is reported by name.
"""

from __future__ import annotations

from hopcodec.errors import Unavailable
from hopcodec.evaluation._metrics import CHEAP, METRICS, Metric
from hopcodec.evaluation._report import Failure, Report, Row, Summary, SystemInfo
from hopcodec.evaluation._run import PEERS, evaluate
from hopcodec.evaluation._speed import (
    Directions,
    FileTimes,
    HopTimes,
    Machine,
    machine,
    time_file,
    time_hops,
    time_paced,
)
from hopcodec.evaluation._statistics import Estimate, estimate

__all__ = [
    "CHEAP",
    "METRICS",
    "PEERS",
    "Directions",
    "Estimate",
    "Failure",
    "FileTimes",
    "HopTimes",
    "Machine",
    "Metric",
    "Report",
    "Row",
    "Summary",
    "SystemInfo",
    "Unavailable",
    "estimate",
    "evaluate",
    "machine",
    "time_file",
    "time_hops",
    "time_paced",
]
