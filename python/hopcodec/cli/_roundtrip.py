"""`hopcodec roundtrip`: a file, or a folder of them, through encoder and decoder."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopcodec.cli import _options as options
from hopcodec.cli._console import audio_progress, describe, fail, print_json
from hopcodec.cli._files import check_source, check_suffix
from hopcodec.cli._roundtrip_run import Result, Settings, roundtrip_file
from hopcodec.cli._roundtrip_tables import print_many, print_one
from hopcodec.errors import CommandError

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec


def roundtrip(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Audio file, or a folder of them.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="16-bit WAV file to write, or a folder.")
    ],
    model: options.Model = None,
    bandwidth: options.Bandwidth = None,
    start: Annotated[
        options.Start,
        typer.Option(help="Begin as the released model does, or at once from silence."),
    ] = options.Start.exact,
    threads: options.Threads = 1,
    device: options.Device = "cpu",
    precision: options.DevicePrecisionOption = options.DevicePrecision.fp32,
    seeded: options.Seeded = False,
    rescale: options.Rescale = False,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Encode and decode hop by hop; print quality, bitrate and time per hop."""
    check_source(source)
    if not source.is_dir():
        check_suffix(output, ".wav", "OUT")
    codec = options.load_codec(model, threads, precision, device=device, seeded=seeded)
    kbps = options.chosen_bandwidth(codec, bandwidth)
    settings = Settings(kbps, start, rescale, force)
    head = {
        "command": "roundtrip",
        "model": codec.name,
        "seeded": codec.seeded,
        "bandwidth_kbps": kbps,
        "start": start.value,
    }
    if not source.is_dir():
        with audio_progress() as progress:
            result = roundtrip_file(codec, source, output, settings, progress)
        if json:
            print_json({**head, **asdict(result)})
        else:
            print_one(result, by_hops=codec.segments is None)
        return
    results, failures = _run_folder(codec, source, output, settings)
    if json:
        print_json({**head, "files": [asdict(result) for result in results], "failed": failures})
    else:
        print_many(source, results)
    if failures:
        fail(f"{len(failures)} of {len(failures) + len(results)} files failed")
        raise typer.Exit(1)


def _run_folder(
    codec: Codec, source: Path, output: Path, settings: Settings
) -> tuple[list[Result], list[dict[str, str]]]:
    jobs = _jobs(source, output)
    results: list[Result] = []
    failures: list[dict[str, str]] = []
    with audio_progress() as progress:
        for at, (path, target) in enumerate(jobs, 1):
            label = f"{at}/{len(jobs)} {path.name}"
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                results.append(roundtrip_file(codec, path, target, settings, progress, label))
            except Exception as error:  # one bad file does not stop the rest
                reason = describe(error)
                failures.append({"input": str(path), "error": reason})
                fail(reason if str(path) in reason else f"{path}: {reason}")
            for task in progress.task_ids:
                progress.remove_task(task)
    return results, failures


def _jobs(source: Path, output: Path) -> list[tuple[Path, Path]]:
    """List every audio file under `source` with its place under `output`, in order of names."""
    from hopcodec.audio import audio_files

    if output.exists() and not output.is_dir():
        raise CommandError(f"{output}: expected a folder, as the input is one")
    root, target = source.resolve(), output.resolve()
    if root == target:
        raise CommandError(f"{output}: input and output are the same folder")
    found = audio_files(root)
    if root in target.parents:  # what an earlier run made is no input
        found = [path for path in found if target not in path.parents]
    if not found:
        raise CommandError(f"{source}: no audio files in this folder")
    names = _unique({path: path.with_suffix("") for path in found})
    inputs = {path.resolve() for path in found}
    jobs = []
    for path in found:
        place = names[path].relative_to(root)
        made = output / place.parent / f"{place.name}.wav"
        if made.resolve() in inputs:
            raise CommandError(f"{made}: is an input as well: expected another output folder")
        jobs.append((source / path.relative_to(root), made))
    return jobs


def _unique(names: dict[Path, Path]) -> dict[Path, Path]:
    """Give files whose names without suffix are equal their whole names: a.flac beside a.wav."""
    while True:
        count = Counter(names.values())
        equal = [path for path, name in names.items() if count[name] > 1]
        if not equal:
            return names
        names.update({path: path for path in equal})
