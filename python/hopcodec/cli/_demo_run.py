"""The demo's run: a clip through encoder and decoder as it would arrive, timed step by step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from hopcodec.cli._demo_step import Step, step_of
from hopcodec.codec._codes import AnyCodes, code_arrays, same_codes
from hopcodec.evaluation._speed import wait_until
from hopcodec.typing import Audio, CodeArray

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec


class Display(Protocol):
    """The view of a run while it goes on."""

    def update(
        self, hop: Audio, sound: Audio, codes: list[CodeArray], compute_ms: float | None
    ) -> None:
        """Take in one hop's input, its output, and the time of a step that it ended."""
        ...


@dataclass(frozen=True)
class DemoRun:
    """Input, output and times of a run. Times are in ns, one per whole step of input.

    `missed` counts steps that were not done when the next one came. `first_sound_samples` is the
    number of samples pushed before the first sample came out.
    """

    step: Step
    audio: Audio
    decoded: Audio
    codes: AnyCodes
    encode_ns: npt.NDArray[np.int64]
    decode_ns: npt.NDArray[np.int64]
    missed: int
    first_sound_samples: int


class _Duplex:
    """Encoder and decoder of one stream, and all their output."""

    def __init__(self, codec: Codec, bandwidth: float) -> None:
        self._encoder, self._decoder = codec.encoder(bandwidth=bandwidth), codec.decoder()
        self.codes: list[AnyCodes] = []
        self.decoded: list[Audio] = []

    def push(self, piece: Audio) -> tuple[int, int, int]:
        """Code a piece; return nanoseconds to encode and to decode, and the clock after it."""
        begin = time.perf_counter_ns()
        codes = self._encoder.push(piece)
        middle = time.perf_counter_ns()
        sound = self._decoder.push(codes)
        end = time.perf_counter_ns()
        self.codes.append(codes)
        self.decoded.append(sound)
        return middle - begin, end - middle, end

    def flush(self) -> None:
        self.codes.append(self._encoder.flush())
        self.decoded += [self._decoder.push(self.codes[-1]), self._decoder.flush()]


def run_demo(
    codec: Codec, audio: Audio, bandwidth: float, panel: Display | None, *, paced: bool
) -> DemoRun:
    """Push `audio` hop by hop, each when the clock says its last sample has arrived.

    The time of a segment is that of the pushes of its hops, which are cut where it ends, so that it
    waits for nothing else. The rest behind the last whole step is pushed, but not timed.

    Parameters
    ----------
    codec
        The codec to run.
    audio
        float32 `(channels, samples)`.
    bandwidth
        In kilobits per second.
    panel
        Shows the run.
    paced
        Wait for the clock.
    """
    step, total = step_of(codec), audio.shape[1]
    ends = step.ends(total)
    spent_ns = np.zeros((len(ends) + 1, 2), dtype=np.int64)
    missed = first_sound = 0
    stream = _Duplex(codec, bandwidth)
    start = time.perf_counter_ns()

    def arrival(samples: int) -> int:
        return start + samples * 1_000_000_000 // codec.sample_rate

    for k, (begin, end) in enumerate(pairwise([0, *ends, total])):
        for first in range(begin, end, codec.hop_samples):
            piece = audio[:, first : min(first + codec.hop_samples, end)].copy()
            pushed = first + piece.shape[1]
            if paced:
                wait_until(arrival(pushed))
            encode_ns, decode_ns, now = stream.push(piece)
            spent_ns[k] += encode_ns, decode_ns
            complete = k < len(ends) and pushed == end
            missed += paced and complete and now > arrival(end + step.interval)
            sound, codes = stream.decoded[-1], stream.codes[-1]
            first_sound = first_sound or (pushed if sound.shape[1] else 0)
            if panel is not None:
                took_ms = float(spent_ns[k].sum()) / 1e6 if complete else None
                panel.update(piece, sound, code_arrays(codes), took_ms)
    stream.flush()
    return DemoRun(
        step=step,
        audio=audio,
        decoded=np.ascontiguousarray(np.concatenate(stream.decoded, axis=1)[:, :total]),
        codes=codec.join(stream.codes),
        encode_ns=spent_ns[: len(ends), 0],
        decode_ns=spent_ns[: len(ends), 1],
        missed=missed,
        first_sound_samples=first_sound,
    )


def equals_whole_file(codec: Codec, bandwidth: float, run: DemoRun) -> bool:
    """Return True if `encode` and `decode` of the whole clip give the bits of the run."""
    whole = codec.encode(run.audio, bandwidth=bandwidth)
    same = same_codes(whole, run.codes)
    return same and np.array_equal(codec.decode(whole, samples=run.audio.shape[1]), run.decoded)
