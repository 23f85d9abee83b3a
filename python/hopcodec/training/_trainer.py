"""One training step, and the state that steps change.

The losses act on the decoded audio only, so each is differentiated with respect to it, the
gradients are put together there, and one backward pass takes the sum through the codec. The
discriminators judge the same audio once: one forward pass serves their own update and the
generator's, with the weights of before both.

Nothing in a step waits for the device: figures stay on it until they are logged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch._functorch.config

import torch
from hopcodec.torch.nn import Quantized, TrainableCodec
from hopcodec.training import _checkpoint as checkpoint
from hopcodec.training._average import AveragedCodec
from hopcodec.training._balance import Balancer, weighted_gradient
from hopcodec.training._batches import Batches
from hopcodec.training._captured import CapturedStep, Figures
from hopcodec.training._config import Config
from hopcodec.training._discriminators import Discriminators, Judgement
from hopcodec.training._losses import (
    SpectralLosses,
    discriminator_loss,
    feature_loss,
    generator_loss,
)
from hopcodec.training._schedule import books_in_use, rate_factor
from torch import Tensor, nn


class Trainer:
    """A codec in training.

    Parameters
    ----------
    config
        The run.
    model
        The codec, on `device`; trained in place.
    batches
        Audio on `device`.
    device
        Where everything happens.
    """

    def __init__(
        self, config: Config, model: TrainableCodec, batches: Batches, device: torch.device
    ) -> None:
        self.config = config
        self.device = device
        self.model = model.train()
        self.batches = batches
        self.steps_done = 0
        self._captured: dict[tuple[bool, bool, bool], CapturedStep] = {}
        self._audio = self._books = torch.empty(0)
        self.average = AveragedCodec(model, config.optimizer.ema)
        self.spectral = SpectralLosses(config.losses, model.spec.sample_rate).to(device)
        self.discriminators = Discriminators(config.discriminator).to(device)
        self.balancer = Balancer()
        self.optimizer = self._adamw(model, config.optimizer.lr)
        self.judge_optimizer = self._adamw(self.discriminators, config.optimizer.discriminator_lr)
        fast = _compiled if config.run.compile else _plain
        self._encode, self._decode = fast(model.encoder), fast(model.decoder)
        self._judge = fast(self.discriminators)

    def _adamw(self, module: nn.Module, rate: float | Tensor) -> torch.optim.AdamW:
        settings = self.config.optimizer
        if self.config.run.graphs:  # a graph reads it from memory at every replay
            rate = torch.tensor(rate, device=self.device)
        # AdamW wants something to hold even when there are no discriminators.
        parameters = list(module.parameters()) or [nn.Parameter(torch.zeros(0))]
        return torch.optim.AdamW(
            parameters,
            rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
            capturable=self.config.run.graphs,
        )

    def _adapt(self, optimizer: torch.optim.AdamW) -> None:
        """To this machine, after the state of another's was loaded."""
        graphs = self.config.run.graphs
        for group in optimizer.param_groups:
            rate = float(group["lr"])
            group["lr"] = torch.tensor(rate, device=self.device) if graphs else rate
            group["capturable"] = graphs

    @property
    def quantizing(self) -> bool:
        """Whether the next step uses the quantizer."""
        return bool(self.config.model.start) or (self.steps_done >= self.config.quantizer.from_step)

    @property
    def has_codebooks(self) -> bool:
        """Whether the codebooks hold what was learnt: by a step, or by what training began from."""
        return bool(self.config.model.start) or self.steps_done > self.config.quantizer.from_step

    @property
    def judging(self) -> bool:
        """Whether the next step trains the discriminators."""
        late = self.steps_done - self.config.discriminator.from_step
        return (
            late >= 0
            and late % self.config.discriminator.every == 0
            and len(self.discriminators.members) > 0
        )

    @property
    def heard(self) -> bool:
        """Whether the generator hears the discriminators in the next step."""
        return self.steps_done >= self.config.discriminator.generator_from_step

    def step(self) -> Figures:
        """One update of everything; figures by name, on the device."""
        step = self.steps_done
        if step == self.config.quantizer.from_step and not self.config.model.start:
            self._initialise_codebooks()
        self._set_rates(step)
        self._set_inputs(step)
        figures = self._captured_update()() if self.config.run.graphs else self._update()
        self.average.follow(step)
        self.steps_done += 1
        return figures

    def _set_inputs(self, step: int) -> None:
        books = books_in_use(
            self.config.quantizer,
            self.model.spec.quantizer.codebooks,
            self.config.data.batch,
            self.config.seed,
            step,
        )
        inputs = self.batches.batch(step), self.batches.moved(torch.from_numpy(books))
        if self.config.run.graphs and len(self._audio):
            self._audio.copy_(inputs[0])
            self._books.copy_(inputs[1])
        else:
            self._audio, self._books = inputs

    def _captured_update(self) -> CapturedStep:
        """A graph for each phase of the run."""
        phase = (self.quantizing, self.judging, self.heard)
        return self._captured.setdefault(phase, CapturedStep(self._update))

    def _update(self) -> Figures:
        """From the inputs of the step to new weights."""
        decoded, quantized = self._reconstruct(self._audio)
        audio = self._audio[..., : decoded.shape[-1]]  # a DAC of odd strides gives a few less
        leaf = decoded.detach().requires_grad_()
        figures, gradient = self._judgement(leaf, audio)
        self.optimizer.zero_grad(set_to_none=True)
        targets, gradients = [decoded], [gradient]
        if quantized is not None:
            figures["commitment"] = quantized.commitment.detach()
            for stage, snr in enumerate(quantized.snr_db.detach().unbind(), 1):
                figures[f"snr_{stage}"] = snr
            weight = torch.full_like(quantized.commitment, self.config.losses.commitment)
            targets.append(quantized.commitment)
            gradients.append(weight)
        torch.autograd.backward(targets, gradients)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip)
        figures["gradient"] = norm.detach()
        self.optimizer.step()
        return figures

    def _autocast(self) -> torch.autocast:
        half = self.config.run.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _reconstruct(self, audio: Tensor) -> tuple[Tensor, Quantized | None]:
        """Decoded audio, float32, and what the quantizer said."""
        with self._autocast():
            latents = self._encode(audio)
        latents = latents.float()
        quantized: Quantized | None = None
        if self.quantizing:
            quantized = self.model.quantizer(latents, self._books)
            latents = cast(Quantized, quantized).quantized
        with self._autocast():
            decoded = self._decode(latents)
        return decoded.float(), quantized

    def _judgement(self, leaf: Tensor, audio: Tensor) -> tuple[Figures, Tensor]:
        """Losses, and their gradient with respect to `leaf`; the discriminators take a step."""
        losses: Figures = self.spectral(leaf, audio)
        figures = {name: loss.detach() for name, loss in losses.items()}
        judges: Tensor | None = None
        if self.judging:
            judged = self.config.discriminator.items or len(audio)
            with self._autocast():
                real: Judgement = self._judge(audio[:judged])
                fake: Judgement = self._judge(leaf[:judged])
            kind = self.config.losses.adversarial_kind
            judges = discriminator_loss(_floats(real.scores), _floats(fake.scores), kind)
            figures["discriminator"] = judges.detach()
            if self.heard:
                losses["adversarial"] = generator_loss(_floats(fake.scores), kind)
                losses["feature"] = feature_loss(_floats(fake.features), _floats(real.features))
                figures |= {name: losses[name].detach() for name in ("adversarial", "feature")}
        weights = {name: getattr(self.config.losses, name) for name in losses}
        losses = {name: loss for name, loss in losses.items() if weights[name] > 0}
        combine: Callable[..., Tensor] = (
            self.balancer.gradient if self.config.losses.balance else weighted_gradient
        )
        gradient = combine(losses, weights, leaf, retain=judges is not None)
        if judges is not None:
            self._teach_judges(judges, figures)
        return figures, gradient

    def _teach_judges(self, loss: Tensor, figures: Figures) -> None:
        parameters = list(self.discriminators.parameters())
        self.judge_optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=parameters)  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(parameters, self.config.optimizer.discriminator_clip)
        figures["discriminator_gradient"] = norm.detach()
        self.judge_optimizer.step()

    def _set_rates(self, step: int) -> None:
        factor = rate_factor(self.config, step)
        settings = self.config.optimizer
        for optimizer, rate in (
            (self.optimizer, settings.lr),
            (self.judge_optimizer, settings.discriminator_lr),
        ):
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate * factor)
                else:
                    group["lr"] = rate * factor

    @torch.no_grad()
    def _initialise_codebooks(self) -> None:
        """k-means over the latents of the coming batches."""
        latents = []
        for ahead in range(self.config.quantizer.kmeans_batches):
            with self._autocast():
                part = self._encode(self.batches.batch(self.steps_done + ahead))
            latents.append(part.float())
        self.model.quantizer.initialise(torch.cat(latents))
        self.average.take_codebooks(self.model)

    @torch.no_grad()
    def codebook_figures(self) -> Figures:
        """Perplexity of every codebook in use: so many entries, used equally, say as much.

        It is the first sign of a collapse. From the running counts, so it costs a step nothing.
        """
        figures: Figures = {}
        if self.has_codebooks:
            for stage, quantizer in enumerate(self.model.quantizer.quantizers, 1):
                share = quantizer.get_buffer("cluster_size")
                share = share / share.sum()
                figures[f"perplexity_{stage}"] = torch.special.entr(share).sum().exp()
        return figures

    def state_dict(self) -> dict[str, Any]:
        """Everything `load_state_dict` needs to go on exactly."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "judge_optimizer": self.judge_optimizer.state_dict(),
            "balancer": self.balancer.state_dict(),
            "rng": checkpoint.rng_state(self.device),
        }

    def load_state_dict(self, step: int, state: dict[str, Any]) -> None:
        """Go on after `step` steps from what `state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.discriminators.load_state_dict(state["discriminators"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.judge_optimizer.load_state_dict(state["judge_optimizer"])
        for optimizer in (self.optimizer, self.judge_optimizer):
            self._adapt(optimizer)
        self.balancer.load_state_dict(state["balancer"], self.device)
        checkpoint.set_rng_state(state["rng"], self.device)
        self.steps_done = step


def _plain(module: nn.Module) -> Callable[..., Any]:
    return module


def _compiled(module: nn.Module) -> Callable[..., Any]:
    # The discriminators' graph is walked twice: for the generator's gradient, then for their own.
    torch._functorch.config.donated_buffer = False
    compiled: Callable[..., Any] = torch.compile(module)
    return compiled


def _floats(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.float() for tensor in tensors]
