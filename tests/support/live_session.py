"""A loopback between a virtual card's microphone and speaker, and what became of the sound."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]
from live_servers import virtual_card

import hopcodec
from hopcodec.live import LiveStats
from hopcodec.live._latency import find_offset

Audio = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Session:
    """`mic` and `speaker` on the card's clock; `captured` and `heard` as the port saw them."""

    mic: Audio
    speaker: Audio
    captured: Audio
    heard: Audio
    stats: LiveStats
    xruns: list[int]

    def latency(self, answer: Audio) -> tuple[int, float]:
        """Samples from a microphone's sample to its answer at the speaker, and the correlation.

        `answer` is what the codec makes of `captured`, sample for sample: known, as streaming is
        exact. Of several stretches that are looked for on both sides, the one that is surest: an
        xrun of a busy machine cuts through some.
        """
        found = []
        for first in range(24000, min(len(self.captured), len(answer)) - 9000, 6000):
            stretch = slice(first, first + 6000)
            into, sure_in = find_offset(self.captured[stretch], self.mic)
            out, sure_out = find_offset(answer[stretch], self.speaker)
            found.append((min(sure_in, sure_out), out - into))
        correlation, samples = max(found)
        return samples, correlation


def noise(seconds: float, rate_hz: int = 24000, seed: int = 0) -> Audio:
    """White noise that never repeats within `seconds`, `(samples,)`."""
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(round(seconds * rate_hz))).astype(np.float32)


def through_codec(codec: hopcodec.Codec, captured: Audio, bandwidth: float) -> Audio:
    """What the codec makes of `(samples,)`, as a live stream starts."""
    encoder = codec.encoder(bandwidth, start="immediate")
    decoder = codec.decoder(start="immediate")
    whole = len(captured) // codec.hop_samples * codec.hop_samples
    heard = decoder.push(encoder.push(np.ascontiguousarray(captured[None, :whole])))
    return np.ascontiguousarray(heard[0])


def run_session(
    codec: hopcodec.Codec,
    folder: Path,
    *,
    seconds: float = 4.0,
    during: Callable[[hopcodec.live.Loopback], None] = lambda live: None,
    **options: Any,
) -> Session:
    """Run `hopcodec.live.Loopback` on the virtual card of the JACK server that is running."""
    with virtual_card(noise(60.0), folder) as card:
        live = hopcodec.live.Loopback(
            codec, input="virtualcard", output="virtualcard", record=folder / "rec", **options
        )
        with live:
            during(live)
            time.sleep(seconds)
            stats = live.stats()
        mic, speaker, xruns = card.stop()
    captured, heard = (
        soundfile.read(folder / "rec" / name, dtype="float32")[0]
        for name in ("captured.wav", "heard.wav")
    )
    return Session(mic, speaker, captured, heard, stats, xruns)


def wait_for(what: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait until `what` holds; how long it took. Fails if it never does."""
    begin = time.monotonic()
    while not what():
        assert time.monotonic() - begin < seconds, f"still not so after {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - begin
