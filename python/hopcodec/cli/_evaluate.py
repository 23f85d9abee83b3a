"""`hopcodec eval`: judge the sound, beside peers at known bitrates."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hopcodec.cli import _options as options
from hopcodec.cli._console import err, fail, note, out, print_json, shown, to_json
from hopcodec.cli._files import check_source, check_suffix, refuse_existing, replacing
from hopcodec.errors import CommandError

if TYPE_CHECKING:
    from rich.table import Table

    from hopcodec.codec._codec import Codec
    from hopcodec.evaluation import Estimate, Metric, Report, Summary
    from hopcodec.evaluation._run import Progress as Callback

_MOST_JOBS: Final = 8  # by default, since each process holds its own networks
_NOTED_LAG_MS: Final = 1.0


Source = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="Speech: a folder with folders below it, or one file. "
        "a.txt beside a.wav is its transcript.",
    ),
]
Bandwidths = Annotated[
    str | None,
    typer.Option(
        "--bandwidth",
        "-b",
        metavar="KBPS,...",
        help="Bitrates in kbit/s, such as 1.5,3,6. Default: all that the codec offers.",
        show_default=False,
    ),
]
MetricNames = Annotated[
    str,
    typer.Option(
        metavar="NAME,...",
        help="Of pesq, estoi, si_snr, visqol, dnsmos, mel, wer; or all; or cheap: those without "
        "a network.",
    ),
]
Peers = Annotated[
    str, typer.Option(metavar="NAME,...", help="Of uncoded, opus (6 and 12 kbps), lyra; or none.")
]
LyraFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Lyra V2's TFLite files: adds that peer.", show_default=False),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Clips per folder at most, spread over it.", show_default=False),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        help=f"Processes for the metrics. Default: one per core, up to {_MOST_JOBS}.",
        show_default=False,
    ),
]
Whisper = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|DIR",
        help="A faster-whisper model for the word error rate. Default: base.",
        show_default=False,
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.json",
        help="Also write what --json prints: every clip's figures, and the means.",
        show_default=False,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE.png", help="Draw quality against bitrate.", show_default=False),
]


def evaluate(
    source: Source,
    model: options.Model = None,
    bandwidth: Bandwidths = None,
    metrics: MetricNames = "all",
    peers: Peers = "uncoded,opus",
    lyra: LyraFolder = None,
    limit: Limit = None,
    jobs: Jobs = None,
    whisper: Whisper = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Of the transcripts.")] = "en",
    precision: options.PrecisionOption = options.Precision.fp32,
    seeded: options.Seeded = False,
    report: ReportFile = None,
    plot: Plot = None,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Judge a codec on a folder of speech, beside Opus and Lyra: a table per folder."""
    from hopcodec.evaluation import evaluate as run

    check_source(source)
    for path, suffix, hint in ((report, ".json", "--report"), (plot, ".png", "--plot")):
        if path is not None:
            check_suffix(path, suffix, hint)
            refuse_existing(path, force)
    chosen, beside = _metrics(metrics), _peers(peers, lyra)
    codec = options.load_codec(model, 1, precision, seeded=seeded)
    kbps = _bandwidths(codec, bandwidth)
    with _progress() as progress:
        found = run(
            codec,
            source,
            bandwidths=kbps,
            metrics=chosen,
            peers=beside,
            lyra=lyra,
            limit=limit,
            jobs=jobs or min(_MOST_JOBS, _cores()),
            whisper=whisper,
            language=language,
            progress=progress,
        )
    fields = {**_head(codec, precision, source, language), **found.as_dict()}
    _write(found, fields, report, plot, force)
    if json:
        print_json(fields)
    elif found.rows:
        for folder in [*(found.folders if len(found.folders) > 1 else ()), None]:
            out().print(_table(source, folder, found))
    _remarks(found)
    if whisper is not None and (reason := found.unavailable.get("wer")):
        raise CommandError(f"--whisper {whisper}: {reason}")


def _head(
    codec: Codec, precision: options.Precision, source: Path, language: str
) -> dict[str, Any]:
    return {
        "command": "eval",
        "model": codec.name,
        "seeded": codec.seeded,
        "precision": precision.value,
        "folder": str(source),
        "language": language,
    }


def _metrics(text: str) -> tuple[str, ...]:
    from hopcodec.evaluation import CHEAP, METRICS

    if text in ("all", "cheap"):
        return tuple(METRICS) if text == "all" else CHEAP
    return _names(text, tuple(METRICS), "--metrics")


def _peers(text: str, lyra: Path | None) -> tuple[str, ...]:
    from hopcodec.evaluation import PEERS

    names = () if text == "none" else _names(text, PEERS, "--peers")
    if "lyra" in names and lyra is None:
        raise typer.BadParameter("lyra needs its files: --lyra DIR", param_hint="--peers")
    return names if lyra is None or "lyra" in names else (*names, "lyra")


def _names(text: str, known: tuple[str, ...], param_hint: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"expected some of {', '.join(known)}, got {name!r}", param_hint=param_hint
            )
    return names


def _bandwidths(codec: Codec, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"expected numbers with commas between them, got {text!r}", param_hint="--bandwidth"
        ) from None
    for kbps in found:
        options.chosen_bandwidth(codec, kbps)
    return found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _progress() -> Iterator[Callback]:
    """Make a bar over clips on stderr. It shows on a terminal only."""
    console = err()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("evaluating", total=None)

        def update(done: int, clips: int, name: str) -> None:
            bar.update(task, completed=done, total=clips, description=shown(name or "scoring"))

        yield update


def _write(
    found: Report,
    fields: dict[str, Any],
    report: Path | None,
    plot: Path | None,
    force: bool,
) -> None:
    from hopcodec.evaluation._plot import draw

    if report is not None:
        with replacing(report, source=None, force=force) as temporary:
            temporary.write_text(to_json(fields) + "\n")
    if plot is not None:
        with replacing(plot, source=None, force=force) as temporary:
            draw(temporary, found, f"{fields['folder']}: {fields['model']} and peers")


def _table(source: Path, folder: str | None, found: Report) -> Table:
    from rich import box
    from rich.table import Table

    from hopcodec.evaluation import METRICS

    summaries = found.summaries(folder)
    clips, seconds = max((s.clips, s.seconds) for s in summaries)
    table = Table(
        title=shown(f"{folder or source}: {clips} clips, {seconds:.0f} s; 95 % intervals"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    table.add_column("system", no_wrap=True)
    table.add_column("kbps", justify="right", no_wrap=True)
    metrics = [METRICS[name] for name in found.metrics]
    for metric in metrics:
        table.add_column(
            f"{metric.title} {'↑' if metric.higher_is_better else '↓'}", justify="right"
        )
    for summary in summaries:
        table.add_row(
            shown(summary.system), f"{summary.kbps:.2f}", *(_cell(summary, m) for m in metrics)
        )
    return table


def _cell(summary: Summary, metric: Metric) -> str:
    """Format mean and half the interval. A narrow terminal breaks the line between them."""
    estimate: Estimate | None = summary.scores.get(metric.name)
    if estimate is None:
        return "-"
    text = f"{estimate.mean:.{metric.digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ±{(estimate.high - estimate.low) / 2:.{metric.digits}f}"


def _remarks(found: Report) -> None:
    """Print what the table lacks and why; exit with code 1 if clips failed."""
    from hopcodec.evaluation import METRICS

    for name, reason in found.unavailable.items():
        note(f"{METRICS[name].title if name in METRICS else name}: {reason}")
    for summary in found.summaries():
        if summary.lag_ms is not None and abs(summary.lag_ms) >= _NOTED_LAG_MS:
            note(
                f"{summary.system}: correlates best {summary.lag_ms:+.1f} ms off; "
                "figures that compare waveforms suffer"
            )
    for failure in found.failures:
        what = ", ".join(part for part in (failure.system, failure.metric) if part)
        fail(f"{failure.file}: {what + ': ' if what else ''}{failure.error}")
    if not found.rows:
        raise CommandError("nothing could be evaluated")
    if found.failures:
        raise typer.Exit(1)
