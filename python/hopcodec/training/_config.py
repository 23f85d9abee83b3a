"""The configuration of a training run: read from TOML, kept in every checkpoint.

Each class is one table of the file. Everything that changes a result is here, so a run is
determined by its configuration, its audio and the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import Literal

from hopcodec._checks import number, require, whole
from hopcodec.errors import ConfigError

_MAX_HOPS, _MAX_BATCH = 3000, 4096  # a batch is held in memory many times over
_require = partial(require, error=ConfigError)
_whole = partial(whole, error=ConfigError)
_number = partial(number, error=ConfigError)


class _Table:
    """A table of the configuration. Not one of its numbers is infinite or undefined."""

    _name = ""  # without an annotation: it is no key

    def __init_subclass__(cls, *, table: str) -> None:
        cls._name = table

    def __post_init__(self) -> None:
        for key, value in vars(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            finite = all(isfinite(n) for n in numbers if isinstance(n, float))
            _require(finite, f"{self._name}.{key}", "finite numbers", value)


@dataclass(frozen=True)
class DataConfig(_Table, table="data"):
    """The source of the audio, and its augmentation.

    `train` lists sources: a folder (searched recursively), a file, or a glob pattern for several of
    them that count as one. `weights` says how often each is drawn relative to the others; by
    default, in proportion to its hours. Paths are relative to the working directory.
    """

    train: tuple[str, ...]
    weights: tuple[float, ...] = ()
    cache: str = ""  # folder for the resampled audio; "" is the user's cache folder
    segment_hops: int = 48  # length of one item, in hops of the codec
    batch: int = 16
    gain_db: tuple[float, float] = (-10.0, 6.0)
    mix_probability: float = 0.1  # a second clip is added, like a second speaker
    mix_gain_db: tuple[float, float] = (-15.0, 0.0)
    band_probability: float = 0.0  # low-passed, like audio of a lower rate
    band_hz: tuple[float, float] = (3500.0, 8000.0)
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, float] = (10.0, 40.0)
    silence_db: float = -50.0  # dB full scale; a crop below it is drawn again
    silence_tries: int = 3  # draws before a silent crop is accepted

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(len(self.train) > 0, "data.train", "one folder or more", self.train)
        _require(
            len(self.weights) in (0, len(self.train)) and all(w > 0 for w in self.weights),
            "data.weights",
            f"{len(self.train)} positive numbers, one for each of data.train, or none",
            self.weights,
        )
        _whole("data.segment_hops", self.segment_hops, 1, _MAX_HOPS)
        _whole("data.batch", self.batch, 1, _MAX_BATCH)
        _whole("data.silence_tries", self.silence_tries, 1)
        for key in ("mix_probability", "band_probability", "noise_probability"):
            _number(f"data.{key}", getattr(self, key), 0, 1)
        for key in ("gain_db", "mix_gain_db", "band_hz", "noise_snr_db"):
            low, high = getattr(self, key)
            _require(low <= high, f"data.{key}", "[lowest, highest]", [low, high])
        _require(self.band_hz[0] > 0, "data.band_hz", "positive frequencies", self.band_hz)


@dataclass(frozen=True)
class QuantizerConfig(_Table, table="quantizer"):
    """The part of the residual quantizer in training.

    Until `from_step` the decoder sees unquantized latents. Then k-means on the latents of
    `kmeans_batches` batches sets every codebook. `dropout` is the share of items that use fewer
    codebooks: a number drawn from `books`.
    """

    from_step: int = 500
    kmeans_batches: int = 16
    dropout: float = 0.5
    books: tuple[int, ...] = (2, 4, 8)

    def __post_init__(self) -> None:
        super().__post_init__()
        _whole("quantizer.from_step", self.from_step)
        _whole("quantizer.kmeans_batches", self.kmeans_batches, 1)
        _number("quantizer.dropout", self.dropout, 0, 1)
        _require(
            len(self.books) > 0 and all(b >= 1 for b in self.books),
            "quantizer.books",
            "one positive number or more",
            self.books,
        )


@dataclass(frozen=True)
class LossConfig(_Table, table="losses"):
    """Weights of the losses, and the spectra they compare. A weight of 0 leaves a loss out.

    `balance` scales the gradient of each loss on the decoded audio to its weight's share, whatever
    its size (EnCodec's balancer). Without it the weighted losses are added.
    """

    mel_windows: tuple[int, ...] = (2048, 1024, 512, 256, 128, 64)
    mel_bins: tuple[int, ...] = (160, 80, 80, 40, 20, 10)
    mel: float = 15.0
    mel_linear: float = 0.0
    mel_floor: float = 1e-4  # white noise of variance 1 has level 1
    complex_windows: tuple[int, ...] = (1024, 512, 256)
    complex: float = 20.0
    waveform: float = 0.0
    adversarial: float = 1.0
    feature: float = 2.0
    commitment: float = 0.25
    adversarial_kind: Literal["hinge", "least_squares"] = "hinge"
    balance: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(
            len(self.mel_bins) == len(self.mel_windows),
            "losses.mel_bins",
            f"{len(self.mel_windows)} numbers, one for each of losses.mel_windows",
            self.mel_bins,
        )
        for key in ("mel_windows", "complex_windows"):
            for window in getattr(self, key):
                holds = window >= 16 and window & (window - 1) == 0
                _require(holds, f"losses.{key}", "powers of two from 16 on", window)
        weights = ("mel", "mel_linear", "complex", "waveform", "adversarial", "feature")
        for key in (*weights, "commitment"):
            _number(f"losses.{key}", getattr(self, key))
        _require(self.mel_floor > 0, "losses.mel_floor", "a positive number", self.mel_floor)


@dataclass(frozen=True)
class DiscriminatorConfig(_Table, table="discriminator"):
    """The networks that tell decoded audio from original. An empty list leaves a kind out.

    They learn from `from_step` on, and the generator learns from them from `generator_from_step`
    on, since an untrained discriminator teaches nothing.
    """

    from_step: int = 20000
    generator_from_step: int = 20200
    every: int = 1  # adversarial losses act in every so many steps
    items: int = 0  # of a batch that are judged; 0 means all
    stft_windows: tuple[int, ...] = (1024, 512, 256)
    stft_channels: int = 16
    periods: tuple[int, ...] = ()
    period_channels: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("every", "stft_channels", "period_channels"):
            _whole(f"discriminator.{key}", getattr(self, key), 1)
        _whole("discriminator.items", self.items)
        _require(
            0 <= self.from_step <= self.generator_from_step,
            "discriminator.generator_from_step",
            f"discriminator.from_step ({self.from_step}) or later",
            self.generator_from_step,
        )
        _require(
            all(window >= 32 and window % 4 == 0 for window in self.stft_windows),
            "discriminator.stft_windows",
            "multiples of 4 from 32 on",
            self.stft_windows,
        )
        _require(
            all(period >= 2 for period in self.periods),
            "discriminator.periods",
            "numbers from 2 on",
            self.periods,
        )


@dataclass(frozen=True)
class OptimizerConfig(_Table, table="optimizer"):
    """AdamW, its schedule, and the running mean of the weights that is exported."""

    lr: float = 3e-4
    discriminator_lr: float = 3e-4
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = 0.0
    clip: float = 5.0  # the largest norm of the generator's gradient
    discriminator_clip: float = 10.0
    warmup_steps: int = 200
    decay: Literal["cosine", "exponential", "constant"] = "cosine"
    final: float = 0.05  # share of the rate that is left at the last step
    ema: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("lr", "discriminator_lr", "clip", "discriminator_clip"):
            value = getattr(self, key)
            _require(value > 0, f"optimizer.{key}", "a positive number", value)
        _number("optimizer.weight_decay", self.weight_decay)
        _whole("optimizer.warmup_steps", self.warmup_steps)
        _require(all(0 <= b < 1 for b in self.betas), "optimizer.betas", "0 to below 1", self.betas)
        _require(0 < self.final <= 1, "optimizer.final", "above 0, at most 1", self.final)
        _require(0 <= self.ema < 1, "optimizer.ema", "0 to below 1", self.ema)


@dataclass(frozen=True)
class ValidationConfig(_Table, table="validation"):
    """Held-out audio, which the runtime codes every `every` steps once codebooks are in use."""

    folders: tuple[str, ...] = ()
    files: int = 6  # at most, of each folder, spread evenly over it
    bandwidths: tuple[float, ...] = ()  # kbps; by default all that the codec offers
    every: int = 2000
    pictures: int = 3  # files whose audio and spectrograms are written

    def __post_init__(self) -> None:
        super().__post_init__()
        _whole("validation.files", self.files, 1)
        _whole("validation.every", self.every, 1)
        _whole("validation.pictures", self.pictures)


@dataclass(frozen=True)
class RunConfig(_Table, table="run"):
    """Settings of the machine. None is meant to change what is learnt."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0  # of torch on the CPU; 0 is torch's default
    precision: Literal["fp32", "bf16"] = "fp32"  # of the networks; losses stay fp32
    compile: bool = False  # torch.compile, for GPUs and long runs
    graphs: bool = False  # on a GPU: whole steps as CUDA graphs
    log_every: int = 20
    checkpoint_minutes: float = 5.0
    export_dtype: Literal["fp32", "fp16"] = "fp32"

    def __post_init__(self) -> None:
        super().__post_init__()
        _whole("run.threads", self.threads)
        _require(
            not (self.graphs and self.compile), "run.graphs", "false with run.compile", self.graphs
        )
        _require(
            not (self.graphs and self.device == "cpu"),
            "run.graphs",
            "false on the CPU",
            self.graphs,
        )
        _whole("run.log_every", self.log_every, 1)
        _number("run.checkpoint_minutes", self.checkpoint_minutes)


@dataclass(frozen=True)
class ModelConfig:
    """The codec that is trained, by a name `hopcodec.load` knows, and its start.

    `start` is a trained codec of the same spec, as `hopcodec.load` takes it ("hopcodec_24khz" is
    the one in the package). It is adapted to other audio or other losses, with its codebooks in
    use from the first step on, whatever `quantizer.from_step` says. By default training starts
    from random weights.
    """

    name: str = "hopcodec_24khz"
    start: str = ""


@dataclass(frozen=True)
class Config:
    """The configuration of one training run."""

    data: DataConfig
    steps: int
    seed: int = 1
    model: ModelConfig = field(default_factory=ModelConfig)
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        _whole("steps", self.steps, 1)
        _whole("seed", self.seed, 0, 2**63 - 1)
