"""Hear yourself through the codec. Without a microphone, a clip takes its place.

Wear headphones: a microphone that hears its own loudspeaker howls.
"""

from __future__ import annotations

import argparse

import hopcodec
from hopcodec.audio import shipped_speech
from hopcodec.live import Loopback, query_devices


def has_devices() -> bool:
    """Whether there is a microphone and a speaker."""
    try:
        system = query_devices()
    except hopcodec.DeviceError as error:
        print(f"no audio devices: {error}")
        return False
    return bool(system.inputs and system.outputs)


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clip", action="store_true", help="do not open a device")
    options = parser.parse_args()

    codec = hopcodec.load()
    clip = None
    if options.clip or not has_devices():
        print("playing a clip in the place of a microphone")
        clip = shipped_speech(codec.sample_rate, codec.channels, options.seconds)

    with Loopback(codec, input=clip, bandwidth=6.0) as live:
        live.wait(options.seconds / 2)
        live.bandwidth = 1.5  # from the next hop on
        live.wait(options.seconds / 2)
        stats = live.stats()

    print(f"{stats.hops} hops, {stats.late_hops} late, {stats.underruns} underruns")
    print(f"computing a hop took {stats.compute.p99_ms:.2f} of {stats.deadline_ms:.2f} ms (p99)")
    print(
        f"latency {stats.latency.total:.1f} ms, of which the codec adds {stats.latency.added:.1f}"
    )
    if clip is not None:
        hopcodec.write_audio("heard.wav", live.heard(), codec.sample_rate)
        print("what came out: heard.wav")


if __name__ == "__main__":
    main()
