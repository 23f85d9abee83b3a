"""Open the streams for an input and an output: their number, rates and blocks.

One device both ways has one clock, so it gets one duplex stream without drift. Two devices have
two clocks, so they get two streams: PortAudio would lose samples in one when the clocks part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from hopcodec.errors import DeviceError
from hopcodec.live._device_settings import DeviceSettings
from hopcodec.live.device._jack import JackTiming, query_timing
from hopcodec.live.device._portaudio import JACK, RATES_HZ, default_device, hint_no_device

_BELIEVABLE_S: Final = 2.0  # PortAudio on JACK has been seen to report 178956957 ms


@dataclass(frozen=True)
class Opened:
    """Open streams, not started. `link` is for the port, `report` for the user."""

    streams: list[Any]
    link: dict[str, Any]
    report: dict[str, Any]


@dataclass(frozen=True)
class _Side:
    """One direction of one device, with all its channels or those that are opened."""

    kind: str
    index: int
    name: str
    host_api: str
    channels: int
    default_rate_hz: int

    def accepts(self, sounddevice: Any, rate_hz: int) -> bool:
        """Return True if the host takes this rate, by itself or by converting."""
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
        There is no such device, or no rate fits both sides.
    """
    wanted = {"input": settings.input, "output": settings.output}
    if wanted["input"] is None and wanted["output"] is None:  # one host for both has one clock
        wanted = {kind: default_device(sounddevice, kind) for kind in wanted}
    source = _record_from(_find(sounddevice, "input", wanted["input"]), settings)
    sink = _play_on(_find(sounddevice, "output", wanted["output"]), settings)
    ffi = sounddevice._ffi
    common = {
        "dtype": "float32",
        "callback": ffi.cast("void *", callback_address),
        "userdata": ffi.cast("void *", userdata_address),
        "wrap_callback": None,
        "latency": "low" if settings.latency_s is None else settings.latency_s,
        # We clamp the decoder's output ourselves. Dither would change its bits.
        "clip_off": True,
        "dither_off": True,
    }
    # All JACK clients run on the clock of their server.
    on_jack = JACK in (source.host_api, sink.host_api)
    jack = query_timing(source.name, sink.name) if on_jack else None
    one_clock = source.index == sink.index or source.host_api == sink.host_api == JACK
    opening = _open_one if one_clock else _open_two
    return opening(sounddevice, settings, source, sink, jack, common)


def _open_one(
    sounddevice: Any,
    settings: DeviceSettings,
    source: _Side,
    sink: _Side,
    jack: JackTiming | None,
    common: dict[str, Any],
) -> Opened:
    """Open one stream for both directions."""
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
    delivered = _delivered(block, jack)
    opened = _opened(
        [stream],
        source,
        sink,
        settings,
        rates=(rate_hz, rate_hz),
        blocks=(block, block),
        periods=(delivered, delivered),
        latency=stream.latency,
    )
    if jack is not None:
        opened.link.update(_jack_latency(jack, asked, rate_hz))
        # Blocks that divide the period always come as one period.
        opened.report["grouped_block"] = 0 if delivered in (block, jack.period) else block
    return opened


def _open_two(
    sounddevice: Any,
    settings: DeviceSettings,
    source: _Side,
    sink: _Side,
    jack: JackTiming | None,
    common: dict[str, Any],
) -> Opened:
    """Open a stream for each direction."""
    streams, rates, blocks, periods = [], [], [], []
    for side in (source, sink):
        timing = jack if side.host_api == JACK else None
        rate_hz = _rate(sounddevice, settings, side)
        asked, block = _block(settings, rate_hz, timing)
        stream = sounddevice._StreamBase(
            side.kind,
            samplerate=rate_hz,
            blocksize=asked,
            device=side.index,
            channels=side.channels,
            **common,
        )
        streams.append(stream)
        rates.append(rate_hz)
        blocks.append(block)
        periods.append(_delivered(block, timing))
    return _opened(
        streams,
        source,
        sink,
        settings,
        rates=(rates[0], rates[1]),
        blocks=(blocks[0], blocks[1]),
        periods=(periods[0], periods[1]),
        latency=(streams[0].latency, streams[1].latency),
    )


def _find(sounddevice: Any, kind: str, wanted: int | str | None) -> _Side:
    try:
        info = sounddevice.query_devices(wanted, kind)
    except (ValueError, sounddevice.PortAudioError) as error:
        if wanted is None:
            raise DeviceError(f"no {kind} device found: {hint_no_device()}") from None
        reason = " ".join(str(error).split())
        raise DeviceError(
            f"{kind}: expected the number of an {kind} device or part of one name, got "
            f"{wanted!r} ({reason}); see hopcodec devices"
        ) from None
    room = info[f"max_{kind}_channels"]
    if room < 1:
        raise DeviceError(f"{kind}: {info['name']!r} has no {kind}; see hopcodec devices")
    return _Side(
        kind=kind,
        index=info["index"],
        name=info["name"],
        host_api=sounddevice.query_hostapis(info["hostapi"])["name"],
        channels=room,
        default_rate_hz=round(info["default_samplerate"]),
    )


def _record_from(source: _Side, settings: DeviceSettings) -> _Side:
    """Open the input's channels up to the last that the codec takes."""
    most = (settings.input_channel or 1) - 1 + settings.channels
    if settings.input_channel is not None:
        _expect_channel("input_channel", most, source)
    return replace(source, channels=min(source.channels, most))


def _play_on(sink: _Side, settings: DeviceSettings) -> _Side:
    """Open the output's channels up to the last that plays: both ears for a mono codec.

    Few hosts play the sound of one channel on both.
    """
    if settings.output_channels is None:
        return replace(sink, channels=min(sink.channels, max(2, settings.channels)))
    most = max(settings.output_channels)
    _expect_channel("output_channels", most, sink)
    return replace(sink, channels=most)


def _expect_channel(name: str, channel: int, side: _Side) -> None:
    if channel > side.channels:
        raise DeviceError(
            f"{name}: expected 1 to {side.channels}, the channels of {side.name!r}, got {channel}"
        )


def _output_sources(sink: _Side, settings: DeviceSettings) -> list[int]:
    """Return the codec's channel for each opened one, -1 for silence; empty for their order."""
    if settings.output_channels is None:
        return []
    sources = [-1] * sink.channels
    for at, channel in enumerate(settings.output_channels):
        sources[channel - 1] = min(at, settings.channels - 1)
    return sources


def _rate(sounddevice: Any, settings: DeviceSettings, *sides: _Side) -> int:
    """Choose the codec's own rate where the host offers it, since then nothing is resampled."""
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
    cure = (
        "its clients cannot choose the rate of a JACK server"
        if sides[0].host_api == JACK
        else "in use elsewhere?"
    )
    raise DeviceError(f"{names}: expected one of {tried} Hz, float32, none is accepted; {cure}")


def _block(settings: DeviceSettings, rate_hz: int, jack: JackTiming | None) -> tuple[int, int]:
    """Return the frames per callback to ask for, and those that will come.

    JACK has a period of its own. PortAudio buffers once more if it is asked for any number of
    frames, even for that one, and does not if it is asked for none.
    """
    if settings.block:
        return settings.block, settings.block
    if jack is not None:
        return 0, jack.period
    hop = max(16, round(settings.hop_samples * rate_hz / settings.codec_rate_hz))
    return hop, hop


def _delivered(block: int, jack: JackTiming | None) -> int:
    """Return the most frames that a host delivers at once.

    Within one period of JACK, PortAudio calls back as often as the samples permit. So a queue for
    one block would be empty at the second.
    """
    return block if jack is None else -(-jack.period // block) * block


def _jack_latency(jack: JackTiming, asked: int, rate_hz: int) -> dict[str, Any]:
    """Take latencies from JACK, which knows them for every port; PortAudio's are garbage."""
    return {
        "input_latency": jack.capture / rate_hz,
        "output_latency": (jack.playback + asked) / rate_hz,
        "latency_exact": True,
    }


def _opened(
    streams: list[Any],
    source: _Side,
    sink: _Side,
    settings: DeviceSettings,
    *,
    rates: tuple[int, int],
    blocks: tuple[int, int],
    periods: tuple[int, int],
    latency: tuple[float, float],
) -> Opened:
    believed = tuple(value if 0.0 < value < _BELIEVABLE_S else 0.0 for value in latency)
    link = {
        "input_rate": rates[0],
        "output_rate": rates[1],
        "input_channels": source.channels,
        "output_channels": sink.channels,
        "first_input_channel": min(settings.input_channel or 1, source.channels) - 1,
        "output_sources": _output_sources(sink, settings),
        "input_period": periods[0],
        "output_period": periods[1],
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
        "grouped_block": 0,
    }
    return Opened(streams, link, report)
