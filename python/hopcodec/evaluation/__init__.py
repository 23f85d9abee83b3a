"""How good a codec sounds: metrics on decoded speech, beside peers at known bitrates.

The metrics' packages come with `pip install 'hopcodec[eval]'` and are imported when a metric is
first used; one that is missing is reported by name, never left out in silence.
"""

from __future__ import annotations

from hopcodec.errors import Unavailable
from hopcodec.evaluation._metrics import CHEAP, METRICS, Metric
from hopcodec.evaluation._report import Failure, Report, Row, Summary, SystemInfo
from hopcodec.evaluation._run import PEERS, evaluate
from hopcodec.evaluation._statistics import Estimate, estimate

__all__ = [
    "CHEAP",
    "METRICS",
    "PEERS",
    "Estimate",
    "Failure",
    "Metric",
    "Report",
    "Row",
    "Summary",
    "SystemInfo",
    "Unavailable",
    "estimate",
    "evaluate",
]
