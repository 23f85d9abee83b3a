"""Write the page with players: two clips, as recorded, decoded at every bitrate, and from Opus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pages import write_page

import hopcodec

if TYPE_CHECKING:
    from sphinx.application import Sphinx

Audio = npt.NDArray[np.float32]
ROOT = Path(__file__).parents[3]
CLIPS = {
    "A woman's voice": ROOT / "python/hopcodec/assets/demo_en_f.flac",
    "A man's voice": ROOT / "tests/fixtures/demo_en_m.flac",
}
# libopus codes speech from 6 kbit/s upwards.
OPUS_KBPS = (6.0, 8.0, 12.0)

INTRODUCTION = """# Listen

Each table holds one clip: the recording, then `hopcodec_24khz` at every bitrate that it offers, and
Opus beside it. The audio was made when this page was built, by the code of this version.

Opus is libopus in VoIP mode with frames of 20 ms at a constant bitrate. It is made for 6 kbit/s and
more, so the lower bitrates have no Opus beside them. `kbit/s` is the payload that was counted.

Players hold lossless FLAC. Use headphones: loudspeakers hide most of the differences.
"""


@dataclass(frozen=True)
class Version:
    """One row of a table: a system at a bitrate, and the audio it gave."""

    system: str
    kbps: float | None
    audio: Audio
    sample_rate: int


def versions(path: Path) -> list[Version]:
    """Return the recording and every decoded version of a clip."""
    codec = hopcodec.load()
    audio, _ = hopcodec.read_audio(path, codec.sample_rate, codec.channels)
    found = [Version("recording", None, audio, codec.sample_rate)]
    seconds = audio.shape[1] / codec.sample_rate
    for kbps in sorted(codec.bandwidths):
        codes = codec.encode(audio, bandwidth=kbps)
        bits = codes.size * codec.bits_per_code
        decoded = codec.decode(codes, audio.shape[1])
        found.append(Version("hopcodec_24khz", bits / seconds / 1000, decoded, codec.sample_rate))
    return found + [_opus(audio, codec.sample_rate, kbps) for kbps in OPUS_KBPS]


def _opus(audio: Audio, sample_rate: int, kbps: float) -> Version:
    from hopcodec.evaluation._opus import Opus
    from hopcodec.evaluation._signals import Signal

    decoded = Opus(kbps).run(Signal(audio[0], sample_rate))
    seconds = audio.shape[1] / sample_rate
    heard = decoded.signal.at(sample_rate)[None, : audio.shape[1]]
    return Version("Opus", decoded.bits / seconds / 1000, heard, sample_rate)


def listen_page(folder: Path) -> str:
    """Write the clips into `folder`; return the page that plays them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [INTRODUCTION]
    for title, path in CLIPS.items():
        lines += [f"## {title}", ""]
        transcript = path.with_suffix(".txt")
        if transcript.exists():
            lines += [f"> {transcript.read_text(encoding='utf-8').strip()}", ""]
        lines += ['<table class="players">', "<tr><th></th><th>kbit/s</th><th></th></tr>"]
        for version in versions(path):
            name = _write_clip(folder, path.stem, version)
            kbps = "" if version.kbps is None else f"{version.kbps:.2f}"
            player = f'<audio controls preload="none" src="_static/listen/{name}"></audio>'
            lines.append(f"<tr><td>{version.system}</td><td>{kbps}</td><td>{player}</td></tr>")
        lines += ["</table>", ""]
    return "\n".join(lines)


def _write_clip(folder: Path, stem: str, version: Version) -> str:
    import soundfile

    rate = "" if version.kbps is None else f"-{version.kbps:.2f}"
    name = f"{stem}-{version.system.lower()}{rate}.flac"
    samples = np.clip(version.audio.T, -1.0, 1.0)
    soundfile.write(folder / name, samples, version.sample_rate, "PCM_16")
    return name


def _write(app: Sphinx) -> None:
    source = Path(app.srcdir)
    write_page(source / "listen.md", listen_page(source / "_generated" / "listen"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
