"""EnCodec's configuration, field by field as `transformers` has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hopcodec.torch.hf._pretrained import PretrainedConfig

NORMS = ("weight_norm", "time_group_norm")


@dataclass(init=False)
class EncodecConfig(PretrainedConfig):
    """What an EnCodec is made of; the defaults are those of facebook/encodec_24khz.

    Parameters
    ----------
    target_bandwidths : sequence of float
        Bandwidths on offer, kbps, the lowest first.
    sampling_rate, audio_channels : int
        Hz; 1 for mono, 2 for stereo.
    normalize : bool
        Divide each chunk by its loudness, which then goes with the codes.
    chunk_length_s : float, optional
        Code chunks of so many seconds, each on its own (1.0 in the 48 kHz model).
    overlap : float, optional
        Of neighbouring chunks, as a fraction of one.
    hidden_size, num_filters, num_residual_layers, upsampling_ratios
        Latent size; channels after the first layer; residual blocks per stride; strides of the
        decoder, the encoder's in reverse.
    norm_type : "weight_norm" or "time_group_norm"
    kernel_size, last_kernel_size, residual_kernel_size, dilation_growth_rate
        Of the first, the last and the residual convolutions; dilation of residual block j is the
        rate to the power of j.
    use_causal_conv : bool
        Pad on the left only.
    pad_mode : str
        "reflect" or "constant".
    compress, num_lstm_layers, trim_right_ratio, codebook_size, codebook_dim, use_conv_shortcut
        Narrowing inside a residual block; stacked LSTMs; how much of a causal transposed
        convolution's surplus is cut from its right; entries per codebook and their size
        (`hidden_size` without it); a learned shortcut instead of the identity.

    Examples
    --------
    >>> from hopcodec.torch.hf import EncodecConfig
    >>> EncodecConfig().hop_length, EncodecConfig().num_quantizers
    (320, 32)
    """

    model_type: ClassVar[str] = "encodec"

    target_bandwidths: Sequence[float] = (1.5, 3.0, 6.0, 12.0, 24.0)
    sampling_rate: int = 24_000
    audio_channels: int = 1
    normalize: bool = False
    chunk_length_s: float | None = None
    overlap: float | None = None
    hidden_size: int = 128
    num_filters: int = 32
    num_residual_layers: int = 1
    upsampling_ratios: Sequence[int] = (8, 5, 4, 2)
    norm_type: str = "weight_norm"
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    dilation_growth_rate: int = 2
    use_causal_conv: bool = True
    pad_mode: str = "reflect"
    compress: int = 2
    num_lstm_layers: int = 2
    trim_right_ratio: float = 1.0
    codebook_size: int = 1024
    codebook_dim: int | None = None
    use_conv_shortcut: bool = True

    def __post_init__(self) -> None:
        if self.codebook_dim is None:
            self.codebook_dim = self.hidden_size
        if self.norm_type not in NORMS:
            raise ValueError(
                f'self.norm_type must be one of `"weight_norm"`, `"time_group_norm"`), got '
                f"{self.norm_type}"
            )

    def least_bytes(self) -> int:
        """Two per number: files may be of half precision."""
        from hopcodec.torch.hf._encodec_spec import encodec_spec

        return 2 * sum(math.prod(shape) for shape in encodec_spec(self).tensors().values())

    @property
    def chunk_length(self) -> int | None:
        """Samples of a chunk; None where the whole signal is one."""
        if self.chunk_length_s is None:
            return None
        return int(self.chunk_length_s * self.sampling_rate)

    @property
    def chunk_stride(self) -> int | None:
        """Samples from one chunk's beginning to the next's."""
        if self.chunk_length is None or self.overlap is None:
            return None
        return max(1, int((1.0 - self.overlap) * self.chunk_length))

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return math.prod(self.upsampling_ratios)

    @property
    def codebook_nbits(self) -> int:
        """Bits of a code."""
        return math.ceil(math.log2(self.codebook_size))

    @property
    def frame_rate(self) -> int:
        """Frames per second, rounded up."""
        return math.ceil(self.sampling_rate / self.hop_length)

    @property
    def num_quantizers(self) -> int:
        """Codebooks at the highest bandwidth, which is the last."""
        return int(1000 * self.target_bandwidths[-1] // (self.frame_rate * self.codebook_nbits))
