"""Which streams to open for an input and an output: how many, at what rate, in which blocks.

One device both ways runs on one clock: one duplex stream, and no drift. Two devices are two
clocks: two streams, as PortAudio would force them into one and lose samples when they part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hopcodec.errors import DeviceError
from hopcodec.live._settings import DeviceSettings
from hopcodec.live.device._jack import JackTiming, query_timing
from hopcodec.live.device._portaudio import RATES_HZ, hint_no_device

_JACK: Final = "JACK Audio Connection Kit"
_BELIEVABLE_S: Final = 2.0  # PortAudio on JACK has been seen to report 178956957 ms


@dataclass(frozen=True)
class Opened:
    """Open streams, not started; `link` is what the port is told, `report` what the user is."""

    streams: list[Any]
    link: dict[str, Any]
    report: dict[str, Any]


@dataclass(frozen=True)
class _Side:
    """One direction of one device."""

    kind: str
    index: int
    name: str
    host_api: str
    channels: int
    default_rate_hz: int

    def accepts(self, sounddevice: Any, rate_hz: int) -> bool:
        """Whether the host takes this rate, by itself or by converting."""
        check = getattr(sounddevice, f"check_{self.kind}_settings")
        try:
            check(self.index, channels=self.channels, dtype="float32", samplerate=rate_hz)
        except sounddevice.PortAudioError:
            return False
        return True


def open_streams(
    sounddevice: Any, settings: DeviceSettings, callback_address: int, userdata_address: int
) -> Opened:
    """Open what `settings` ask for with a C callback.

    Raises
    ------
    DeviceError
        There is no such device, or it takes no rate that both sides can run at.
    """
    source = _find(sounddevice, "input", settings.input, settings.channels)
    sink = _find(sounddevice, "output", settings.output, settings.channels)
    ffi = sounddevice._ffi
    common = {
        "dtype": "float32",
        "callback": ffi.cast("void *", callback_address),
        "userdata": ffi.cast("void *", userdata_address),
        "wrap_callback": None,
        "latency": "low" if settings.latency_s is None else settings.latency_s,
        # The decoder's output is clamped by us, and dither would break bit-transparency.
        "clip_off": True,
        "dither_off": True,
    }
    # All JACK clients run on their server's clock, whatever devices they name.
    jack = query_timing(source.name, sink.name) if source.host_api == _JACK else None
    if source.index == sink.index or source.host_api == sink.host_api == _JACK:
        rate_hz = _rate(sounddevice, settings, source, sink)
        asked, block = _block(settings, rate_hz, jack)
        stream = sounddevice._StreamBase(
            "duplex",
            samplerate=rate_hz,
            blocksize=asked,
            device=(source.index, sink.index),
            channels=(source.channels, sink.channels),
            **common,
        )
        opened = _opened([stream], source, sink, (rate_hz, rate_hz), (block, block), stream.latency)
        if jack is not None:
            opened.link.update(_jack_latency(jack, asked, rate_hz))
        return opened
    rates = _rate(sounddevice, settings, source), _rate(sounddevice, settings, sink)
    asks, blocks = zip(*(_block(settings, rate_hz, None) for rate_hz in rates), strict=True)
    streams = [
        sounddevice._StreamBase(
            side.kind,
            samplerate=rate_hz,
            blocksize=asked,
            device=side.index,
            channels=side.channels,
            **common,
        )
        for side, rate_hz, asked in zip((source, sink), rates, asks, strict=True)
    ]
    return _opened(streams, source, sink, rates, blocks, tuple(s.latency for s in streams))


def _find(sounddevice: Any, kind: str, wanted: int | str | None, channels: int) -> _Side:
    try:
        info = sounddevice.query_devices(wanted, kind)
    except (ValueError, sounddevice.PortAudioError) as error:
        if wanted is None:
            raise DeviceError(f"no {kind} device found: {hint_no_device()}") from None
        reason = " ".join(str(error).split())
        raise DeviceError(
            f"--{kind}: expected the number of an {kind} device or part of one name, got "
            f"{wanted!r} ({reason}); see hopcodec devices"
        ) from None
    room = info[f"max_{kind}_channels"]
    if room < 1:
        raise DeviceError(f"--{kind}: {info['name']!r} has no {kind}; see hopcodec devices")
    return _Side(
        kind=kind,
        index=info["index"],
        name=info["name"],
        host_api=sounddevice.query_hostapis(info["hostapi"])["name"],
        channels=min(room, channels),
        default_rate_hz=round(info["default_samplerate"]),
    )


def _rate(sounddevice: Any, settings: DeviceSettings, *sides: _Side) -> int:
    """The codec's own rate where the host gives it, as it converts at no cost in our path."""
    if settings.rate_hz is not None:
        wanted = [settings.rate_hz]
    else:
        wanted = [settings.codec_rate_hz, *(side.default_rate_hz for side in sides)]
        wanted += sorted(RATES_HZ, key=lambda rate_hz: (rate_hz % settings.codec_rate_hz, rate_hz))
    for rate_hz in wanted:
        if all(side.accepts(sounddevice, rate_hz) for side in sides):
            return rate_hz
    names = " and ".join(f"{side.name!r}" for side in sides)
    tried = ", ".join(f"{rate_hz}" for rate_hz in dict.fromkeys(wanted))
    raise DeviceError(
        f"{names}: expected one of {tried} Hz, mono float32, none is accepted; in use elsewhere?"
    )


def _block(settings: DeviceSettings, rate_hz: int, jack: JackTiming | None) -> tuple[int, int]:
    """Frames per callback: what to ask for, and what will come.

    JACK has a period of its own. Asked for any number of frames, even for that one, PortAudio
    buffers once more; asked for none, it does not.
    """
    if settings.block:
        return settings.block, settings.block
    if jack is not None:
        return 0, jack.period
    hop = max(16, round(settings.hop_samples * rate_hz / settings.codec_rate_hz))
    return hop, hop


def _jack_latency(jack: JackTiming, asked: int, rate_hz: int) -> dict[str, Any]:
    """JACK knows the latency of every terminal port; PortAudio's account of it is garbage."""
    return {
        "input_latency": jack.capture / rate_hz,
        "output_latency": (jack.playback + asked) / rate_hz,
        "latency_exact": True,
    }


def _opened(
    streams: list[Any],
    source: _Side,
    sink: _Side,
    rates: tuple[int, int],
    blocks: tuple[int, int],
    latency: tuple[float, float],
) -> Opened:
    believed = tuple(value if 0.0 < value < _BELIEVABLE_S else 0.0 for value in latency)
    link = {
        "input_rate": rates[0],
        "output_rate": rates[1],
        "input_channels": source.channels,
        "output_channels": sink.channels,
        "input_period": blocks[0],
        "output_period": blocks[1],
        "one_clock": len(streams) == 1,
        "input_latency": believed[0],
        "output_latency": believed[1],
        "name": f"{source.name} -> {sink.name}"[:100],
    }
    report = {
        "input": source.name,
        "input_host": source.host_api,
        "output": sink.name,
        "output_host": sink.host_api,
        "input_rate_hz": rates[0],
        "output_rate_hz": rates[1],
        "input_block": blocks[0],
        "output_block": blocks[1],
        "one_clock": len(streams) == 1,
    }
    return Opened(streams, link, report)
