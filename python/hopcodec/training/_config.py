"""What a training run is, as data: read from TOML, kept in every checkpoint.

Each class is one table of the file. Everything that changes a result is here, so that a run is its
configuration, its audio and the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hopcodec.errors import ConfigError


def _require(holds: bool, key: str, expected: str, got: object) -> None:
    if not holds:
        raise ConfigError(f"{key}: expected {expected}, got {got!r}")


@dataclass(frozen=True)
class Data:
    """Where audio comes from and what is done to it.

    `train` lists sources: a folder (searched recursively), a file, or a glob pattern for several of
    them that count as one. `weights` says how often each is drawn relative to the others; without
    it, in proportion to its hours. Paths are relative to the working directory.
    """

    train: tuple[str, ...]
    weights: tuple[float, ...] = ()
    cache: str = ""  # folder for the resampled audio; "" is the user's cache folder
    segment_hops: int = 48  # length of one item, in hops of the codec
    batch: int = 16
    gain_db: tuple[float, float] = (-10.0, 6.0)
    mix_probability: float = 0.1  # a second clip is added, as two people talk at once
    mix_gain_db: tuple[float, float] = (-15.0, 0.0)
    band_probability: float = 0.0  # low-passed, as audio of a lower rate is
    band_hz: tuple[float, float] = (3500.0, 8000.0)
    noise_probability: float = 0.0
    noise_snr_db: tuple[float, float] = (10.0, 40.0)
    silence_db: float = -50.0  # a crop below this level (dB full scale) is drawn anew
    silence_tries: int = 3  # ... so many times, then taken as it is

    def __post_init__(self) -> None:
        _require(len(self.train) > 0, "data.train", "one folder or more", self.train)
        _require(
            len(self.weights) in (0, len(self.train)) and all(w > 0 for w in self.weights),
            "data.weights",
            f"{len(self.train)} positive numbers, one for each of data.train, or none",
            self.weights,
        )
        for key in ("segment_hops", "batch", "silence_tries"):
            _require(getattr(self, key) >= 1, f"data.{key}", "at least 1", getattr(self, key))
        # A batch is held in memory many times over.
        _require(self.segment_hops <= 3000, "data.segment_hops", "up to 3000", self.segment_hops)
        _require(self.batch <= 4096, "data.batch", "up to 4096", self.batch)
        for key in ("mix_probability", "band_probability", "noise_probability"):
            value = getattr(self, key)
            _require(0 <= value <= 1, f"data.{key}", "a number from 0 to 1", value)
        for key in ("gain_db", "mix_gain_db", "band_hz", "noise_snr_db"):
            low, high = getattr(self, key)
            _require(low <= high, f"data.{key}", "[lowest, highest]", [low, high])
        _require(self.band_hz[0] > 0, "data.band_hz", "positive frequencies", self.band_hz)


@dataclass(frozen=True)
class Quantizer:
    """How the residual quantizer takes part.

    Until `from_step` the decoder sees unquantized latents; then every codebook is set by k-means on
    the latents of `kmeans_batches` batches. `dropout` is the share of items that use fewer
    codebooks than there are: as many as one of `books`, all of them equally likely.
    """

    from_step: int = 500
    kmeans_batches: int = 16
    dropout: float = 0.5
    books: tuple[int, ...] = (2, 4, 8)

    def __post_init__(self) -> None:
        _require(self.from_step >= 0, "quantizer.from_step", "0 or more", self.from_step)
        _require(
            self.kmeans_batches >= 1, "quantizer.kmeans_batches", "at least 1", self.kmeans_batches
        )
        _require(0 <= self.dropout <= 1, "quantizer.dropout", "0 to 1", self.dropout)
        _require(
            len(self.books) > 0 and all(b >= 1 for b in self.books),
            "quantizer.books",
            "one positive number or more",
            self.books,
        )


@dataclass(frozen=True)
class Losses:
    """Weights of the losses, and the spectra they look at; weight 0 leaves a loss out.

    With `balance`, each loss that acts on the decoded audio has its gradient scaled to its weight's
    share, whatever its size (EnCodec's balancer); without, the losses are multiplied and added.
    """

    mel_windows: tuple[int, ...] = (2048, 1024, 512, 256, 128, 64)
    mel_bins: tuple[int, ...] = (160, 80, 80, 40, 20, 10)
    mel: float = 15.0
    mel_linear: float = 0.0
    mel_floor: float = 1e-4  # of the spectrum's unit: white noise of variance 1 has level 1
    complex_windows: tuple[int, ...] = (1024, 512, 256)
    complex: float = 20.0
    waveform: float = 0.0
    adversarial: float = 1.0
    feature: float = 2.0
    commitment: float = 0.25
    adversarial_kind: Literal["hinge", "least_squares"] = "hinge"
    balance: bool = False

    def __post_init__(self) -> None:
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
        for key in ("mel", "mel_linear", "complex", "waveform", "adversarial", "feature"):
            value = getattr(self, key)
            _require(value >= 0, f"losses.{key}", "0 or more", value)
        _require(self.commitment >= 0, "losses.commitment", "0 or more", self.commitment)
        _require(self.mel_floor > 0, "losses.mel_floor", "a positive number", self.mel_floor)


@dataclass(frozen=True)
class Discriminator:
    """The networks that tell decoded audio from original; empty lists leave a kind out.

    They learn from `from_step` on, and the generator hears them from `generator_from_step` on: a
    discriminator that knows nothing yet teaches nothing.
    """

    from_step: int = 20000
    generator_from_step: int = 20200
    every: int = 1  # steps between adversarial ones; the others have spectral losses only
    items: int = 0  # of a batch that are judged, for speed; 0: all of them
    stft_windows: tuple[int, ...] = (1024, 512, 256)
    stft_channels: int = 16
    periods: tuple[int, ...] = ()
    period_channels: int = 16

    def __post_init__(self) -> None:
        for key in ("every", "stft_channels", "period_channels"):
            value = getattr(self, key)
            _require(value >= 1, f"discriminator.{key}", "at least 1", value)
        _require(self.items >= 0, "discriminator.items", "0 or more", self.items)
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
class Optimizer:
    """AdamW, its schedule, and the running mean of the generator's weights that is exported."""

    lr: float = 3e-4
    discriminator_lr: float = 3e-4
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = 0.0
    clip: float = 5.0  # norm of the generator's gradient
    discriminator_clip: float = 10.0
    warmup_steps: int = 200
    decay: Literal["cosine", "exponential", "constant"] = "cosine"
    final: float = 0.05  # of the rate, at the last step
    ema: float = 0.999

    def __post_init__(self) -> None:
        for key in ("lr", "discriminator_lr", "clip", "discriminator_clip"):
            value = getattr(self, key)
            _require(value > 0, f"optimizer.{key}", "a positive number", value)
        for key in ("weight_decay", "warmup_steps"):
            value = getattr(self, key)
            _require(value >= 0, f"optimizer.{key}", "0 or more", value)
        _require(all(0 <= b < 1 for b in self.betas), "optimizer.betas", "0 to below 1", self.betas)
        _require(0 < self.final <= 1, "optimizer.final", "above 0, at most 1", self.final)
        _require(0 <= self.ema < 1, "optimizer.ema", "0 to below 1", self.ema)


@dataclass(frozen=True)
class Validation:
    """Held-out audio, coded by the runtime every `every` steps once codebooks are in use."""

    folders: tuple[str, ...] = ()
    files: int = 6  # of each folder at most, spread evenly over it
    bandwidths: tuple[float, ...] = ()  # kbps; none: all that the codec offers
    every: int = 2000
    pictures: int = 3  # files whose audio and spectrograms are written

    def __post_init__(self) -> None:
        for key in ("files", "every"):
            value = getattr(self, key)
            _require(value >= 1, f"validation.{key}", "at least 1", value)
        _require(self.pictures >= 0, "validation.pictures", "0 or more", self.pictures)


@dataclass(frozen=True)
class Run:
    """The machine's side: nothing here is meant to change what is learnt."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0  # of torch on the CPU; 0 leaves it to torch
    precision: Literal["fp32", "bf16"] = "fp32"  # of the networks' arithmetic; losses stay fp32
    compile: bool = False  # torch.compile: pays on a GPU and in long runs
    graphs: bool = False  # on a GPU: whole steps as CUDA graphs, without the cost of launches
    log_every: int = 20
    checkpoint_minutes: float = 5.0
    export_dtype: Literal["fp32", "fp16"] = "fp32"

    def __post_init__(self) -> None:
        _require(self.threads >= 0, "run.threads", "0 or more", self.threads)
        _require(
            not (self.graphs and self.compile), "run.graphs", "false with run.compile", self.graphs
        )
        _require(
            not (self.graphs and self.device == "cpu"),
            "run.graphs",
            "false on the CPU",
            self.graphs,
        )
        _require(self.log_every >= 1, "run.log_every", "at least 1", self.log_every)
        value = self.checkpoint_minutes
        _require(value >= 0, "run.checkpoint_minutes", "0 or more", value)


@dataclass(frozen=True)
class Model:
    """The codec that is trained, a name `hopcodec.load` knows, and what it begins from.

    `start` is a trained codec of the same spec, as `hopcodec.load` takes it ("hopcodec_24khz" is
    the one in the package), to be adapted to other audio or other losses; its codebooks are in use
    from the first step on, whatever `quantizer.from_step` says. Without it training begins anew.
    """

    name: str = "hopcodec_24khz"
    start: str = ""


@dataclass(frozen=True)
class Config:
    """One training run."""

    data: Data
    steps: int
    seed: int = 1
    model: Model = field(default_factory=Model)
    quantizer: Quantizer = field(default_factory=Quantizer)
    losses: Losses = field(default_factory=Losses)
    discriminator: Discriminator = field(default_factory=Discriminator)
    optimizer: Optimizer = field(default_factory=Optimizer)
    validation: Validation = field(default_factory=Validation)
    run: Run = field(default_factory=Run)

    def __post_init__(self) -> None:
        _require(self.steps >= 1, "steps", "at least 1", self.steps)
        _require(0 <= self.seed < 2**63, "seed", "0 to 2**63 - 1", self.seed)
