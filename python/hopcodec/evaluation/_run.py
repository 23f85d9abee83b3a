"""Run an evaluation: clips through systems, their output through metrics."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hopcodec._checks import whole
from hopcodec.errors import HopcodecError, Unavailable
from hopcodec.evaluation._clips import Clip, find_clips
from hopcodec.evaluation._lyra import FRAME_BITS, Lyra, LyraGraphs
from hopcodec.evaluation._metrics import CHEAP, METRICS, Options, check_metrics
from hopcodec.evaluation._opus import KBPS as OPUS_KBPS
from hopcodec.evaluation._opus import Opus
from hopcodec.evaluation._report import Failure, Report, Row, SystemInfo
from hopcodec.evaluation._scoring import Scores, Submit, scoring
from hopcodec.evaluation._signals import Pair, Signal
from hopcodec.evaluation._systems import Decoded, Hopcodec, System, Uncoded, label

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec

PEERS: Final = ("uncoded", "opus", "lyra")
_RATE_HZ: Final = 24000  # of the reference where no codec says otherwise
# Clips decoded ahead of the metrics, per process. It keeps a process busy and memory small.
_AHEAD: Final = 2

Progress = Callable[[int, int, str], None]


def evaluate(
    codec: Codec | None,
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    bandwidths: Sequence[float] | None = None,
    metrics: Sequence[str] = CHEAP,
    peers: Sequence[str] = (),
    lyra: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    jobs: int = 1,
    whisper: str | None = None,
    language: str = "en",
    progress: Progress | None = None,
) -> Report:
    """Judge a codec, and peers beside it, on speech.

    Each clip is read as one channel at the codec's rate (24 kHz without a codec) and coded whole.
    The result is clamped to +-1, as a sound card would, and compared with the clip.

    Parameters
    ----------
    codec
        The codec to judge; None judges peers alone.
    files
        A folder, a file, or several files; see `hopcodec.evaluation._clips` for transcripts.
    bandwidths
        In kilobits per second. By default all that the codec offers.
    metrics
        Names from `METRICS`. By default those that take milliseconds.
    peers
        Some of "uncoded", "opus" (6 and 12 kbps) and "lyra" (3.2, 6 and 9.2 kbps, needs `lyra`).
    lyra
        Folder of Lyra V2's TFLite files.
    limit
        The largest number of clips per folder, spread evenly.
    jobs
        Processes for the metrics. More than 1 needs `if __name__ == "__main__":` in a script.
    whisper, language
        For the word error rate: see `hopcodec.evaluation._wer.make`.
    progress
        Called as `progress(done, clips, name)` after each clip.

    Returns
    -------
    Report
        It lists failures and systems that cannot run. Neither stops the run.

    Raises
    ------
    ValueError
        A metric, peer, bandwidth or limit does not exist, or there are no files or no system.

    Examples
    --------
    >>> from hopcodec.evaluation import evaluate
    >>> report = evaluate(codec, "speech/dev", bandwidths=[6.0])  # doctest: +SKIP
    >>> report.mean("pesq")  # doctest: +SKIP
    """
    jobs = whole("jobs", jobs, 1)
    names = check_metrics(tuple(metrics))
    systems = _systems(codec, bandwidths, peers, lyra)
    clips = find_clips(files, limit)
    rate = codec.sample_rate if codec is not None else _RATE_HZ
    infos = tuple(SystemInfo(label(s), s.family, s.kbps) for s in systems)
    report = Report(names, infos, rate)
    run = _Run(report, systems)
    with scoring(names, Options(whisper, language), jobs) as submit:
        run.over(clips, submit, _AHEAD * jobs if jobs > 1 else 0, progress)
    for name in names:
        if METRICS[name].needs_transcript and not run.transcripts:
            report.unavailable[name] = "no clip has a transcript (a.txt beside a.wav)"
    return report


@dataclass(frozen=True, eq=False)
class _Coded:
    """The output of one system for a clip."""

    system: str
    pair: Pair
    bits: int


class _Run:
    """The work on each clip, and the report that collects the results."""

    def __init__(self, report: Report, systems: Sequence[System]) -> None:
        self._report, self._systems = report, systems
        self.transcripts = 0

    def over(
        self, clips: list[Clip], submit: Submit, ahead: int, progress: Progress | None
    ) -> None:
        """Code all clips, `ahead` of the metrics, which may run in other processes."""
        pending: deque[tuple[Clip, list[_Coded], Future[list[Scores]]]] = deque()
        for begun, clip in enumerate(clips, 1):
            coded = self._code(clip)
            pending.append((clip, coded, submit([item.pair for item in coded])))
            while len(pending) > (ahead if begun < len(clips) else 0):
                done, coded, future = pending.popleft()
                self._collect(done, coded, future)
                if progress is not None:
                    progress(begun - len(pending), len(clips), done.path.name)

    def _code(self, clip: Clip) -> list[_Coded]:
        """Code the clip with every system that can run."""
        try:
            signal, transcript = clip.read(self._report.sample_rate_hz), clip.transcript()
        except (HopcodecError, ValueError, OSError) as error:
            self._fail(clip, None, None, str(error))
            return []
        self.transcripts += transcript is not None
        coded = []
        for system in self._systems:
            name = label(system)
            if name in self._report.unavailable:
                continue
            try:
                decoded = system.run(signal)
                pair = Pair(signal, _clamped(decoded), transcript)
            except Unavailable as error:
                self._report.unavailable[name] = str(error)
                continue
            except Exception as error:  # a peer's library may raise anything; the other clips go on
                self._fail(clip, name, None, str(error) or type(error).__name__)
                continue
            coded.append(_Coded(name, pair, decoded.bits))
        return coded

    def _collect(self, clip: Clip, coded: list[_Coded], future: Future[list[Scores]]) -> None:
        """Put the scores of a clip into the report."""
        for item, scores in zip(coded, future.result(), strict=True):
            seconds = item.pair.reference.seconds
            self._report.rows.append(
                Row(
                    file=str(clip.path),
                    folder=clip.folder,
                    system=item.system,
                    seconds=seconds,
                    kbps=1e-3 * item.bits / seconds,
                    lag_ms=scores.lag_ms,
                    scores=scores.values,
                    weights=scores.weights,
                )
            )
            for metric, error in scores.errors.items():
                self._fail(clip, item.system, metric, error)
            self._report.unavailable.update(scores.unavailable)

    def _fail(self, clip: Clip, system: str | None, metric: str | None, error: str) -> None:
        reason = " ".join(error.split()).removeprefix(f"{clip.path}: ")
        self._report.failures.append(Failure(str(clip.path), system, metric, reason))


def _clamped(decoded: Decoded) -> Signal:
    return Signal(np.clip(decoded.signal.samples, -1.0, 1.0), decoded.signal.rate_hz)


def _systems(
    codec: Codec | None,
    bandwidths: Sequence[float] | None,
    peers: Sequence[str],
    lyra: str | os.PathLike[str] | None,
) -> list[System]:
    """List the systems, in the order of the table."""
    for peer in peers:
        if peer not in PEERS:
            raise ValueError(f"peers: expected some of {', '.join(PEERS)}, got {peer!r}")
    found: list[System] = [Uncoded()] if "uncoded" in peers else []
    if codec is not None:
        chosen = codec.bandwidths if bandwidths is None else bandwidths
        for kbps in chosen:
            codec.codebooks_for(kbps)  # refuses an unknown bandwidth before any work
        found += [Hopcodec(codec, kbps) for kbps in sorted(set(chosen))]
    elif bandwidths is not None:
        raise ValueError(f"bandwidths: expected none without a codec, got {list(bandwidths)}")
    if "opus" in peers:
        found += [Opus(kbps) for kbps in OPUS_KBPS]
    if "lyra" in peers:
        if lyra is None:
            raise ValueError("lyra: expected the folder of its TFLite files, got none")
        graphs = LyraGraphs(lyra)
        found += [Lyra(graphs, kbps) for kbps in FRAME_BITS]
    if not found:
        raise ValueError("expected a codec or peers, got neither")
    return found
