"""A codec inside a running engine: the base of the loopback and the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from hopcodec import _core
from hopcodec._checks import check_audio
from hopcodec.codec._codec import Codec
from hopcodec.live._arguments import check_codec
from hopcodec.typing import Audio

_Self = TypeVar("_Self", bound="LiveCodec")


class LiveCodec(ABC):
    """Start and stop a codec, and change it while it runs. A context manager."""

    _codec: Codec
    _bandwidth: float

    def __init__(self, engine: _core.live.Engine, codec: Codec, bandwidth: float | None) -> None:
        check_codec(codec)
        self._engine = engine
        self.switch(codec, codec.default_bandwidth if bandwidth is None else bandwidth)

    @abstractmethod
    def start(self) -> None:
        """Begin from a fresh state."""

    @abstractmethod
    def stop(self) -> None:
        """Stop. A later `start` begins anew."""

    @abstractmethod
    def _account(self) -> str:
        """Return the state, and what the session is linked to, for `repr`."""

    def __repr__(self) -> str:
        codec = self._codec
        coded = f"{codec.name} {codec.precision}, {self._bandwidth:g} kbps"
        return f"<{type(self).__name__} of {coded}: {self._account()}>"

    def __enter__(self: _Self) -> _Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def codec(self) -> Codec:
        """The codec that runs now."""
        return self._codec

    def switch(self, codec: Codec, bandwidth: float | None = None) -> None:
        """Run another codec with as many channels from the next hop on, cross-faded.

        This thread prepares it, and frees the old one later. The worker takes it at a hop boundary.
        """
        check_codec(codec)
        kbps = self._bandwidth if bandwidth is None else bandwidth
        codebooks = codec.codebooks_for(kbps)
        self._engine.set_coder(
            codec.sessions.cpu_encoder(1, "immediate", 1),
            codec.sessions.cpu_decoder(1, "immediate", 1),
            codebooks=codebooks,
            sample_rate=codec.sample_rate,
            hop_samples=codec.hop_samples,
        )
        self._codec, self._bandwidth = codec, codec.bandwidth_for(codebooks)

    @property
    def bandwidth(self) -> float:
        """Kilobits per second. It may be set at any time and applies from the next hop on."""
        return self._bandwidth

    @bandwidth.setter
    def bandwidth(self, kbps: float) -> None:
        codebooks = self._codec.codebooks_for(kbps)
        self._engine.codebooks = codebooks
        self._bandwidth = self._codec.bandwidth_for(codebooks)

    @property
    def bypass(self) -> bool:
        """True to hear the input instead of the codec, at the same latency."""
        return self._engine.bypass

    @bypass.setter
    def bypass(self, value: bool) -> None:
        self._engine.bypass = value

    @property
    def input_gain(self) -> float:
        """Factor on the input of the codec. Recordings are not changed."""
        return self._engine.input_gain

    @input_gain.setter
    def input_gain(self, value: float) -> None:
        self._engine.input_gain = value

    def add_to_output(self, audio: Audio) -> int:
        """Mix `(channels, samples)` at the codec's rate into the output; return how many fit."""
        return self._engine.inject(check_audio(audio, self._codec.channels))

    def reset_stats(self) -> None:
        """Count from zero again."""
        self._engine.reset_stats()
