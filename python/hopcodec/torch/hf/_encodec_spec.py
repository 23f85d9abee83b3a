"""Any `EncodecConfig` in the words of `hopcodec.specs._language`."""

from __future__ import annotations

from transformers import EncodecConfig

from hopcodec.specs._encodec import Seanet
from hopcodec.specs._language import CodecSpec, EuclideanRvq, Segments
from hopcodec.torch.hf._ranges import power_of_two


def encodec_spec(config: EncodecConfig) -> CodecSpec:
    """The codec that `config` describes; its bandwidths are those of 1, 2, ... codebooks.

    Raises
    ------
    ValueError
        For a combination that is none: the message names the field.
    """
    _check_sizes(config)
    if config.codebook_dim != config.hidden_size:
        raise ValueError(
            f"codebook_dim: expected hidden_size, {config.hidden_size}, got {config.codebook_dim}"
        )
    if config.pad_mode not in ("reflect", "constant"):
        raise ValueError(f'pad_mode: expected "reflect" or "constant", got {config.pad_mode!r}')
    if not (config.use_causal_conv or config.trim_right_ratio == 1.0):
        raise ValueError("`trim_right_ratio` != 1.0 only makes sense for causal convolutions")
    net = Seanet(
        channels=config.audio_channels,
        filters=config.num_filters,
        latent=config.hidden_size,
        ratios=tuple(config.upsampling_ratios),
        causal=config.use_causal_conv,
        group_norm=config.norm_type == "time_group_norm",
        conv_shortcut=config.use_conv_shortcut,
        pad_mode="reflect" if config.pad_mode == "reflect" else "zero",
        kernel=config.kernel_size,
        last_kernel=config.last_kernel_size,
        residual_kernel=config.residual_kernel_size,
        residual_layers=config.num_residual_layers,
        dilation_growth=config.dilation_growth_rate,
        compress=config.compress,
        lstm_layers=config.num_lstm_layers,
        trim_right=config.trim_right_ratio,
    )
    each = config.codebook_nbits * config.sampling_rate / config.hop_length / 1000
    books = config.num_quantizers
    return CodecSpec(
        name="encodec",
        sample_rate=config.sampling_rate,
        channels=config.audio_channels,
        hop_samples=config.hop_length,
        bandwidths=tuple(each * q for q in range(1, books + 1)),
        encoder=net.encoder(),
        decoder=net.decoder(),
        quantizer=EuclideanRvq(
            "quantizer.layers.{q}.codebook", books, config.codebook_size, config.hidden_size
        ),
        segments=_segments(config),
    )


_WIDTH, _KERNEL, _DEPTH = 1 << 16, 1 << 10, 64
_RANGES: dict[str, tuple[float, float]] = {
    "sampling_rate": (1, 1 << 20),
    "audio_channels": (1, 2),
    "hidden_size": (1, _WIDTH),
    "num_filters": (1, _WIDTH),
    "num_residual_layers": (1, _DEPTH),
    "kernel_size": (1, _KERNEL),
    "last_kernel_size": (1, _KERNEL),
    "residual_kernel_size": (1, _KERNEL),
    "dilation_growth_rate": (1, _DEPTH),
    "compress": (1, _WIDTH),
    "num_lstm_layers": (1, _DEPTH),
    "trim_right_ratio": (0.0, 1.0),
    "codebook_size": (2, _WIDTH),
    "chunk_length_s": (1e-3, 60.0),
    "overlap": (0.0, 0.999),
    "num_quantizers": (1, 1 << 13),  # last: it follows from others
}


def _check_sizes(config: EncodecConfig) -> None:
    """What is divided by, repeated or allocated: far beyond any model is no model."""
    ratios, bandwidths = config.upsampling_ratios, config.target_bandwidths
    if not 1 <= len(ratios) <= 16 or not all(1 <= ratio <= _KERNEL for ratio in ratios):
        raise ValueError(f"upsampling_ratios: expected 1 to 16 of 1 to 1024, got {ratios!r:.100}")
    if not bandwidths or not all(0 < kbps <= 1e6 for kbps in bandwidths):
        raise ValueError(f"target_bandwidths: expected positive kbps, got {bandwidths!r:.100}")
    for field, (least, most) in _RANGES.items():
        value = getattr(config, field)
        if value is not None and not least <= value <= most:
            raise ValueError(f"{field}: expected {least:g} to {most:g}, got {value!r:.100}")
    power_of_two("codebook_size", config.codebook_size)
    if config.compress > config.num_filters:
        raise ValueError(f"compress: expected 1 to num_filters, {config.num_filters}")
    if config.dilation_growth_rate ** (config.num_residual_layers - 1) > _WIDTH:
        raise ValueError(f"dilation_growth_rate: expected dilations up to {_WIDTH}")


def _segments(config: EncodecConfig) -> Segments | None:
    if config.chunk_length is None:
        return None
    stride = config.chunk_stride or config.chunk_length
    return Segments(config.chunk_length, stride, config.normalize)
