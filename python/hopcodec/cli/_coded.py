"""Files of codes: the kind of an output, the kind of an input, and the codec that made it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import typer

from hopcodec.cli._console import names_file, note
from hopcodec.errors import CommandError

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec
    from hopcodec.codec._codes import AnyCodes
    from hopcodec.files import EcdcWriter, HopWriter
    from hopcodec.files.dac._audio import Decodes, Encodes
    from hopcodec.typing import Audio


Kind = Literal["hop", "ecdc", "dac"]
KINDS: Final[dict[str, Kind]] = {".hop": "hop", ".ecdc": "ecdc", ".dac": "dac"}
DAC_DEFAULT: Final = "dac_44khz"  # as the original command's


def check_name(output: Path) -> None:
    """Refuse, as a usage error, an output that is not named like a file of codes."""
    if output.suffix.lower() not in KINDS:
        raise typer.BadParameter(
            f"expected a name ending in {', '.join(KINDS)}, got {output.name!r}", param_hint="OUT"
        )


def default_output(source: Path, codec: Codec) -> Path:
    """Name a file beside the source: `.ecdc` if that format knows the codec, else `.hop`."""
    from hopcodec.files.ecdc._file import LAYOUTS

    return source.with_suffix(".ecdc" if codec.name in LAYOUTS else ".hop")


def kind_for(output: Path, codec: Codec) -> Kind:
    """Return the kind of file that `output` names, if it can hold this codec's codes."""
    from hopcodec.files.ecdc._file import LAYOUTS
    from hopcodec.specs._language import ProjectedRvq

    kind = KINDS[output.suffix.lower()]
    other = output.with_suffix(".hop").name
    if kind == "ecdc" and codec.name not in LAYOUTS:
        raise CommandError(
            f"{output}: .ecdc files hold codes of {', '.join(LAYOUTS)}, not of {codec.name}: "
            f"write {other}"
        )
    if kind == "dac" and not (isinstance(codec.spec.quantizer, ProjectedRvq)):
        raise CommandError(
            f"{output}: .dac files hold codes of a DAC, not of {codec.name}: write {other}"
        )
    return kind


def writer_for(codec: Codec, kind: Kind, output: Path, codebooks: int) -> EcdcWriter | HopWriter:
    """Make the writer for the codes of one stream."""
    from hopcodec.files import EcdcWriter, HopHeader, HopWriter

    if kind == "hop":
        return HopWriter(output, HopHeader.of(codec, codebooks))
    # Files of the original command's models have the original command's bytes.
    weights = "" if codec.name in ("encodec_24khz", "encodec_48khz") else codec.fingerprint
    return EcdcWriter(output, model=codec.name, codebooks=codebooks, weights=weights)


def kind_of(path: Path) -> Kind | None:
    """Recognise a file of codes by its first bytes, else by its name; None for others."""
    from hopcodec.files.dac._file import MAGIC as DAC
    from hopcodec.files.ecdc._file import MAGIC as ECDC
    from hopcodec.files.hop._header import MAGIC as HOP

    with path.open("rb") as file:
        head = file.read(8)
    magics: dict[Kind, bytes] = {"hop": HOP, "ecdc": ECDC, "dac": DAC}
    for kind, magic in magics.items():
        if head.startswith(magic):
            return kind
    return KINDS.get(path.suffix.lower())


def model_for(path: Path, kind: Kind, model: str | None) -> str:
    """Return the argument of `hopcodec.load`: `model`, or else the codec that the file names.

    The file's header is checked first, before a model is downloaded.
    """
    from hopcodec.files import EcdcReader, HopReader
    from hopcodec.specs._names import SPECS

    if kind == "dac":
        if model is None:
            note(f"a .dac file does not say which model made it: taken for {DAC_DEFAULT}'s")
        return model or DAC_DEFAULT
    with names_file(path), EcdcReader(path) if kind == "ecdc" else HopReader(path) as reader:
        name = reader.header.model
    if model is None and name not in SPECS:
        raise CommandError(f"{path}: was made with {name}: name its weights file with --model")
    return model or name


def check_maker(path: Path, model: str, weights: str, codec: Codec) -> None:
    """Raise CommandError unless `codec` is the one that made the file."""
    if model != codec.name:
        raise CommandError(
            f"{path}: was made with {model}, but {codec.name} is loaded (--model {model})"
        )
    if weights not in ("", codec.fingerprint):
        raise CommandError(
            f"{path}: was made with other weights of {model} ({weights}) than "
            f"those loaded ({codec.fingerprint}): name their file with --model"
        )


class Stopwatch:
    """Time spent in a codec's own calls."""

    def __init__(self) -> None:
        self._nanoseconds = 0

    @property
    def seconds(self) -> float:
        return self._nanoseconds / 1e9

    def __enter__(self) -> Stopwatch:
        self._begin = time.perf_counter_ns()
        return self

    def __exit__(self, *_: object) -> None:
        self._nanoseconds += time.perf_counter_ns() - self._begin


class TimedEncoder:
    """A stream from audio to codes under a stopwatch."""

    def __init__(self, stream: Encodes, watch: Stopwatch) -> None:
        self._stream, self._watch = stream, watch

    def push(self, audio: Audio) -> AnyCodes:
        with self._watch:
            return self._stream.push(audio)

    def flush(self) -> AnyCodes:
        with self._watch:
            return self._stream.flush()


class TimedDecoder:
    """A stream from codes to audio under a stopwatch."""

    def __init__(self, stream: Decodes, watch: Stopwatch) -> None:
        self._stream, self._watch = stream, watch

    def push(self, codes: AnyCodes) -> Audio:
        with self._watch:
            return self._stream.push(codes)

    def flush(self) -> Audio:
        with self._watch:
            return self._stream.flush()

    def reset(self) -> None:
        self._stream.reset()
