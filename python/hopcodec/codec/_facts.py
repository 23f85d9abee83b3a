"""What every codec says of itself, out of its spec."""

from __future__ import annotations

from hopcodec.specs._language import CodecSpec


class SpecFacts:
    """The numbers of a codec, hop by hop or by segments."""

    spec: CodecSpec

    @property
    def name(self) -> str:
        """Name of the architecture, as `hopcodec.load` takes it."""
        return self.spec.name

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.spec.sample_rate

    @property
    def channels(self) -> int:
        """Audio channels."""
        return self.spec.channels

    @property
    def hop_samples(self) -> int:
        """Samples per frame of codes."""
        return self.spec.hop_samples

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.spec.frame_rate

    @property
    def codebooks(self) -> int:
        """Codebooks at the highest bandwidth."""
        return self.spec.quantizer.codebooks

    @property
    def codebook_size(self) -> int:
        """Entries per codebook; codes are below it."""
        return self.spec.quantizer.codebook_size

    @property
    def bandwidths(self) -> tuple[float, ...]:
        """Bandwidths on offer, kilobits per second."""
        return self.spec.bandwidths

    @property
    def bits_per_code(self) -> int:
        """Bits that a code takes in a packed stream; 10 for 1024 entries."""
        return (self.codebook_size - 1).bit_length()
