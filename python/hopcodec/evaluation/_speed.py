"""Time a codec on this machine: per hop, paced by the clock, and by whole files.

The clock, `time.perf_counter_ns`, is read around one push and nothing else. Quantiles are observed
values (the next larger one), never an interpolation.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from hopcodec.typing import Audio

if TYPE_CHECKING:
    from hopcodec.codec._codec import Codec
    from hopcodec.codec._codes import AnyCodes

Progress = Callable[[str, float], None]  # the name of the step, and the share that is done

WARMUP_HOPS: Final = 75


@dataclass(frozen=True)
class HopTimes:
    """The time that one hop's work took, over many hops, in milliseconds.

    `missed` counts hops over the deadline. Run back to back, such a hop took longer than a hop
    lasts. Paced, it finished after the next hop had come.
    """

    hops: int
    deadline_ms: float
    mean_ms: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    missed: int

    @property
    def times_real_time(self) -> float:
        """Hops that this machine can compute while one hop lasts."""
        return self.deadline_ms / self.mean_ms

    def as_dict(self) -> dict[str, float]:
        """Return every figure by name, with the speed, as `--json` prints them."""
        return {**asdict(self), "times_real_time": self.times_real_time}


@dataclass(frozen=True)
class Directions:
    """Encode alone, decode alone, and one hop encoded then decoded.

    A call needs duplex. It takes more than the sum of the two alone, because both sets of weights
    together do not stay in the caches.
    """

    encode: HopTimes
    decode: HopTimes
    duplex: HopTimes


@dataclass(frozen=True)
class FileTimes:
    """The speed of whole files."""

    audio_seconds: float
    encode_seconds: float
    decode_seconds: float

    @property
    def encode_times_real_time(self) -> float:
        """Seconds of audio encoded in one second."""
        return self.audio_seconds / self.encode_seconds

    @property
    def decode_times_real_time(self) -> float:
        """Seconds of audio decoded in one second."""
        return self.audio_seconds / self.decode_seconds


@dataclass(frozen=True)
class Machine:
    """The machine on which the figures were measured."""

    cpu: str
    isa: str
    system: str
    python: str


def machine() -> Machine:
    """Describe this machine and the instruction set the core chose on it."""
    from hopcodec import _core

    return Machine(
        cpu=_cpu_name(),
        isa=_core.isa(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def hop_times(
    nanoseconds: Sequence[int] | npt.NDArray[np.int64],
    deadline_ms: float,
    missed: int | None = None,
) -> HopTimes:
    """Summarise measured durations. `missed` is counted from them by default."""
    ms = np.asarray(nanoseconds, dtype=np.float64) / 1e6
    if ms.size == 0:
        raise ValueError("expected at least one duration, got none")
    p50, p99, p999 = (float(q) for q in np.quantile(ms, (0.5, 0.99, 0.999), method="higher"))
    return HopTimes(
        hops=int(ms.size),
        deadline_ms=deadline_ms,
        mean_ms=float(ms.mean()),
        p50_ms=p50,
        p99_ms=p99,
        p999_ms=p999,
        max_ms=float(ms.max()),
        missed=int(np.count_nonzero(ms > deadline_ms)) if missed is None else missed,
    )


def hop_deadline_ms(codec: Codec) -> float:
    """Return the length of a hop: 13.33 ms for EnCodec 24 kHz."""
    return 1000.0 * codec.hop_samples / codec.sample_rate


def time_hops(
    codec: Codec,
    audio: Audio,
    *,
    bandwidth: float,
    progress: Progress | None = None,
) -> Directions:
    """Time every hop of `audio` back to back, each direction alone and both in turn.

    Parameters
    ----------
    codec
        A codec that runs hop by hop.
    audio
        float32 `(channels, samples)`, at least one hop.
    bandwidth
        In kilobits per second.
    progress
        Called with the direction and the share that is done.
    """
    hops = _hops(codec, audio)
    deadline = hop_deadline_ms(codec)
    encoder = codec.encoder(bandwidth=bandwidth, start="immediate")
    encode_ns: list[int] = []
    codes: list[AnyCodes] = []
    for k, hop in enumerate(_warmed(hops)):
        begin = time.perf_counter_ns()
        frame = encoder.push(hop)
        encode_ns.append(time.perf_counter_ns() - begin)
        codes.append(frame)
        _report(progress, "encode", k, len(hops))

    decoder = codec.decoder(start="immediate")
    decode_ns: list[int] = []
    for k, frame in enumerate(codes):
        begin = time.perf_counter_ns()
        decoder.push(frame)
        decode_ns.append(time.perf_counter_ns() - begin)
        _report(progress, "decode", k, len(hops))

    encoder = codec.encoder(bandwidth=bandwidth, start="immediate")
    decoder = codec.decoder(start="immediate")
    duplex_ns: list[int] = []
    for k, hop in enumerate(_warmed(hops)):
        begin = time.perf_counter_ns()
        decoder.push(encoder.push(hop))
        duplex_ns.append(time.perf_counter_ns() - begin)
        _report(progress, "duplex", k, len(hops))
    return Directions(
        *(hop_times(ns[WARMUP_HOPS:], deadline) for ns in (encode_ns, decode_ns, duplex_ns))
    )


def time_paced(
    codec: Codec,
    audio: Audio,
    *,
    bandwidth: float,
    seconds: float,
    progress: Progress | None = None,
) -> Directions:
    """Time hops at the pace of a sound card, one per hop duration, for `seconds`.

    The process sleeps between hops, so clocks drop and caches cool as they do in use. Encode and
    decode are timed separately within the same run. The parameters are those of `time_hops`.
    """
    hops = _hops(codec, audio)
    deadline = hop_deadline_ms(codec)
    period_ns = round(deadline * 1e6)
    encoder = codec.encoder(bandwidth=bandwidth, start="immediate")
    decoder = codec.decoder(start="immediate")
    for hop in hops[:WARMUP_HOPS]:
        decoder.push(encoder.push(hop))
    count = max(1, round(seconds * 1000.0 / deadline))
    encode_ns = np.zeros(count, dtype=np.int64)
    decode_ns = np.zeros(count, dtype=np.int64)
    missed = 0
    start = time.perf_counter_ns()
    for k in range(count):
        hop = hops[k % len(hops)]
        arrival = start + k * period_ns
        wait_until(arrival)
        begin = time.perf_counter_ns()
        codes = encoder.push(hop)
        middle = time.perf_counter_ns()
        decoder.push(codes)
        end = time.perf_counter_ns()
        encode_ns[k], decode_ns[k] = middle - begin, end - middle
        missed += end > arrival + period_ns
        _report(progress, "paced", k, count)
    return Directions(
        encode=hop_times(encode_ns, deadline),
        decode=hop_times(decode_ns, deadline),
        duplex=hop_times(encode_ns + decode_ns, deadline, missed),
    )


def time_file(codec: Codec, audio: Audio, *, bandwidth: float) -> FileTimes:
    """Time `codec.encode` and `codec.decode` of all of `audio`, after a short warm-up."""
    codec.decode(codec.encode(audio[:, : codec.sample_rate // 2].copy(), bandwidth=bandwidth))
    begin = time.perf_counter_ns()
    codes = codec.encode(audio, bandwidth=bandwidth)
    middle = time.perf_counter_ns()
    codec.decode(codes)
    end = time.perf_counter_ns()
    return FileTimes(
        audio_seconds=audio.shape[1] / codec.sample_rate,
        encode_seconds=(middle - begin) / 1e9,
        decode_seconds=(end - middle) / 1e9,
    )


def wait_until(nanoseconds: int) -> None:
    """Sleep until `time.perf_counter_ns()` has reached the given reading."""
    while (left := nanoseconds - time.perf_counter_ns()) > 0:
        time.sleep(left / 1e9)


def _hops(codec: Codec, audio: Audio) -> list[Audio]:
    n = codec.hop_samples
    hops = [
        np.ascontiguousarray(audio[:, first : first + n])
        for first in range(0, audio.shape[1] - n + 1, n)
    ]
    if not hops:
        raise ValueError(f"audio: expected at least one hop of {n} samples, got {audio.shape[1]}")
    return hops


def _warmed(hops: list[Audio]) -> list[Audio]:
    """Return `WARMUP_HOPS` hops that are not counted, then all hops."""
    return [hops[k % len(hops)] for k in range(WARMUP_HOPS)] + hops


def _report(progress: Progress | None, what: str, done: int, total: int) -> None:
    if progress is not None and done % 32 == 0:
        progress(what, min(1.0, done / total))


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
