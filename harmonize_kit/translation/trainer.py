"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from harmonize_kit.config.translation import ObjectiveConfig, TrainingConfig
from harmonize_kit.core.digest import digest_value
from harmonize_kit.errors import IntegrityError
from harmonize_kit.translation.averaging import RunningMean
from harmonize_kit.translation.batches import BatchLoader
from harmonize_kit.translation.checkpoint import (
    checkpoint_path,
    load_latest,
    remove_old,
    save_state,
)
from harmonize_kit.translation.compiled import compile_networks, differentiable_twice
from harmonize_kit.translation.cyclegan import CycleGAN, Translated, lay_out, translate
from harmonize_kit.translation.draws import draws_of
from harmonize_kit.translation.fitted_parts import fit_parts
from harmonize_kit.translation.loss_means import LossMeans, mean_over_sites
from harmonize_kit.translation.matching import match
from harmonize_kit.translation.metrics_file import MetricsFile
from harmonize_kit.translation.objectives import (
    Losses,
    discriminator_losses,
    exchange_of,
    generator_losses,
    mean_change,
)
from harmonize_kit.translation.precision import autocast, fastest_convolutions
from harmonize_kit.translation.processes import average_over_processes, place
from harmonize_kit.translation.replay import ReplayBuffer
from harmonize_kit.translation.sample_pictures import draw_samples
from harmonize_kit.translation.store import SliceStore
from harmonize_kit.translation.training_log import LogLine, TrainingLog
from harmonize_kit.translation.training_sizes import require_own_networks, require_sizes
from harmonize_kit.translation.warning_signs import WarningSigns

METRICS = "metrics.jsonl"
logger = logging.getLogger(__name__)
Progress = Callable[[int, int, dict[str, float]], None]


@dataclass
class Trainer:
    """Train the networks of a CycleGAN on the slices of a store.

    Parameters
    ----------
    networks : CycleGAN
        Made with a seed of the caller's; :func:`seeded` does so.
    store : SliceStore
        Of training cases alone.
    objective : ObjectiveConfig
    config : TrainingConfig
    folder : Path
        Where ``metrics.jsonl`` and ``checkpoints/`` go. What is there is taken up again if it was
        made by the same choices on the same slices.
    device : torch.device
    progress : callable
        Told step, steps in all and the newest losses, as means over sites.
    logs : sequence of TrainingLog
        Told of the losses beside ``metrics.jsonl``.

    Notes
    -----
    A step is a function of the state and of its number: batches are drawn by the seed and the step
    (:mod:`.matching`), and everything else that remembers is in the checkpoint. On a processor,
    with as many threads, a run that was stopped and taken up again ends with the weights it would
    have had, bit by bit.

    Several processes (torchrun) train as one with a batch as many times as large: losses are means
    over images, so the mean of gradients is the gradient of the mean, and what compares with means
    of a batch exchanges them. Images that are shown again each process keeps for itself.
    """

    networks: CycleGAN
    store: SliceStore
    objective: ObjectiveConfig
    config: TrainingConfig
    folder: Path
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Progress = lambda step, steps, losses: None
    logs: Sequence[TrainingLog] = ()

    def __post_init__(self) -> None:
        config = self.config
        self.step = 0
        self.networks.to(self.device)
        fit_parts(self.networks, self.store)
        lay_out(self.networks, self.networks.dimensions, self.device)
        self.generators = nn.ModuleList([self.networks.forwards, self.networks.backwards])
        self.average = RunningMean(self.generators, config.average, lambda: self.step)
        self.optimizers = {
            name: torch.optim.Adam(
                [{"params": list(network.parameters()), "initial_lr": rate}],
                rate,
                config.betas,
                fused=True,
            )
            for name, network, rate in (
                ("generator", self.generators, config.generator_rate),
                ("discriminator", self.networks.judges, config.discriminator_rate),
            )
        }
        scaled = config.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        self.buffers = {
            site: ReplayBuffer(self.objective.replay, config.seed + place)
            for place, site in enumerate((self.networks.reference, *self.networks.others))
        }
        self.means = LossMeans()
        self.signs = WarningSigns()
        self.logs = (MetricsFile(self.folder / METRICS), *self.logs)
        if config.compile:
            compile_networks(self.networks)

    def train(self, until: int | None = None) -> None:
        """Train to step ``until``, or to the end, from where the last checkpoint stands."""
        self.resume()
        end = self.config.steps if until is None else until
        with self.loader() as loader:
            while self.step < end:
                self.advance(loader)
        self.end_logs()

    def loader(self) -> BatchLoader:
        """Return what reads the batches of this process.

        Raises
        ------
        ConfigError
            If the networks could not halve the slices, one of the user's own is not as it must be,
            or a case has nobody to be matched with.
        """
        require_sizes(self.networks, self.store, self.config)
        require_own_networks(self.networks, self.objective, self.config, self.store)
        config, networks = self.config, self.networks
        matching = match(
            self.store, networks.reference, config.bandwidth, config.seed,
            same_place=config.same_place,
        )  # fmt: skip
        return BatchLoader(
            matching, config, networks.slices // 2, self.device, *place(),
            places=networks.wants_places, dimensions=networks.dimensions,
        )  # fmt: skip

    def advance(self, loader: BatchLoader) -> Losses:
        """Do the step that comes next, and what is due after it; return its losses."""
        config, sites = self.config, self.networks.others
        site = sites[self.step % len(sites)]
        with fastest_convolutions(self.device):
            losses = self.one_step(loader, site, self.step)
        self.means.add(site, losses)
        self.step += 1
        if self.step % config.log_every == 0 or self.step == config.steps:
            self._note()
        if self.step % config.checkpoint_every == 0 or self.step == config.steps:
            self.save()
        return losses

    def one_step(self, loader: BatchLoader, site: str, step: int) -> Losses:
        """Move the generators, then the two discriminators that judge them."""
        parts, objective = self.config.accumulate, self.objective
        # Sites take turns; each is penalised in every so many of its own, and so is the reference.
        turn = step // len(self.networks.others)
        penalise = objective.r1 > 0 and turn % objective.r1_every == 0
        batches = [loader.batch(site, step, part) for part in range(parts)]
        following = self.networks.others[(step + 1) % len(self.networks.others)]
        for part in range(parts):
            loader.expect(following, step + 1, part)
        told: Losses = {}
        made: list[Translated] = []

        self.networks.judges.requires_grad_(False)
        self.optimizers["generator"].zero_grad()
        draws = self._draws(site, step)
        for x, r in batches:
            with self._autocast():
                images = translate(self.networks, site, x, r, draws, objective.cycle_field)
                losses = generator_losses(self.networks, site, x, r, images, objective, draws)
            self._backward(losses, told)
            made.append(images)
        last = batches[-1][0]
        own = self.networks.middle(last.images)
        told["change"] = mean_change(own, made[-1].to_reference, last.mask)
        self._move("generator", self.generators)
        self.networks.judges.requires_grad_(True)

        self.optimizers["discriminator"].zero_grad()
        for (x, r), images in zip(batches, made, strict=True):
            with self._autocast(), differentiable_twice(penalise):
                losses = discriminator_losses(
                    self.networks, site, x, r, images, objective, exchange_of(self.buffers),
                    penalise=penalise,
                )  # fmt: skip
            self._backward(losses, told)
        told["discriminator_gradient"] = self._move("discriminator", self.networks.judges)

        self.scaler.update()
        self.average.update_parameters(self.generators)
        return told

    def _draws(self, site: str, step: int) -> torch.Generator | None:
        drawn = self.objective.draws or self.networks.degradation_of(site) is not None
        return draws_of(self.config.seed, step, self.device) if drawn else None

    def _backward(self, losses: Losses, told: Losses) -> None:
        total = torch.stack(list(losses.values())).sum() / self.config.accumulate
        self.scaler.scale(total).backward()  # pyright: ignore[reportUnknownMemberType]
        for name, loss in losses.items():
            share = loss.detach() / self.config.accumulate
            told[name] = told[name] + share if name in told else share

    def _move(self, name: str, networks: nn.Module) -> Tensor:
        """Let the optimizer step; return the norm of the gradient, without waiting for it."""
        optimizer = self.optimizers[name]
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * self._rate_at(self.step)
        gradients = [w.grad for w in networks.parameters() if w.grad is not None]
        average_over_processes(gradients)
        self.scaler.unscale_(optimizer)
        norm = nn.utils.get_total_norm(gradients)
        self.scaler.step(optimizer)
        return norm

    def _autocast(self) -> torch.autocast:
        return autocast(self.config.precision, self.device)

    def _rate_at(self, step: int) -> float:
        """Return the share of the learning rate at a step: whole, then falling to zero."""
        start = self.config.decay_from * self.config.steps
        return min(1.0, (self.config.steps - step) / max(1.0, self.config.steps - start))

    def _note(self) -> None:
        """Tell the mean losses since the last note, by site: what alone waits for a GPU."""
        told = self.means.take()
        average_over_processes([mean for _, means in told.values() for mean in means.values()])
        sites: list[dict[str, float]] = []
        for site, (steps, means) in told.items():
            values = {name: float(mean) for name, mean in means.items()}
            sites.append(values)
            warnings = self.signs.read(self.step, site, steps, values)
            if place()[0] == 0:
                for warning in warnings:
                    logger.warning("step %d: %s", self.step, warning)
                for log in self.logs:
                    log.note(LogLine(self.step, site, values, tuple(warnings)))
        self.progress(self.step, self.config.steps, mean_over_sites(sites))

    def save(self) -> None:
        """Write a checkpoint, remove older ones, and draw samples; all processes do so together."""
        state = self._state()
        if place()[0] != 0:
            return
        folder = self.folder / "checkpoints"
        save_state(checkpoint_path(folder, self.step), state)
        remove_old(folder, self.config.keep)
        if self.config.samples:
            path = self.folder / "samples" / f"step_{self.step:06d}.png"
            # The mean is never trained, so that nothing minds its being set to be used.
            means = cast(nn.ModuleList, self.average.module)
            draw_samples(
                path, self.networks, means, self.store, self.config.samples, self.config.crop
            )

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "made_by": self._made_by(),
            "networks": dict(self.networks.state_dict()),
            "average": dict(self.average.state_dict()),
            "optimizers": {name: one.state_dict() for name, one in self.optimizers.items()},
            "scaler": self.scaler.state_dict(),
            "buffers": {site: one.state_dict() for site, one in self.buffers.items()},
            "means": self.means.state_dict(),
            "signs": self.signs.state_dict(),
        }

    def resume(self) -> None:
        """Take up the newest whole checkpoint of the folder, if there is one.

        Raises
        ------
        IntegrityError
            If it was made with other choices or on other slices.
        """
        state = load_latest(self.folder / "checkpoints")
        if state is None:
            self._begin_logs()
            return
        if state["made_by"] != self._made_by():
            raise IntegrityError(
                f"{self.folder}: the checkpoints there come from other choices or other slices; "
                "train into another folder"
            )
        self.step = state["step"]
        self.networks.load_state_dict(state["networks"])
        self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
            _lay_out_alike(optimizer)
        self.scaler.load_state_dict(state["scaler"])
        for site, buffer in self.buffers.items():
            buffer.load_state_dict(state["buffers"][site])
        # Older checkpoints tell of no means; what is watched then begins anew.
        if "means" in state:
            self.means.load_state_dict(state["means"], self.device)
            self.signs.load_state_dict(state["signs"])
        self._begin_logs()

    def end_logs(self) -> None:
        """Tell the logs that there is nothing more to come."""
        if place()[0] == 0:
            for log in self.logs:
                log.end()

    def _begin_logs(self) -> None:
        if place()[0] == 0:
            for log in self.logs:
                log.begin(self.step)

    def _made_by(self) -> str:
        # Neither pictures nor a compiler make another training; nor does a choice that came later.
        plain = self.config.model_copy(update={"compile": False})
        left_out = {"samples"} if plain.augmentation else {"samples", "augmentation"}
        return digest_value({
            "training": plain.model_dump(mode="json", exclude=left_out),
            "objective": self.objective.model_dump(mode="json"),
            "networks": [[name, list(w.shape)] for name, w in self.networks.state_dict().items()],
            "sites": [self.networks.reference, *self.networks.others],
            "slices": self.store.digest,
        })  # fmt: skip


def _lay_out_alike(optimizer: torch.optim.Optimizer) -> None:
    """Lay moments out in memory as their weights are, which a fused step takes for granted."""
    for weight, moments in optimizer.state.items():
        for name, moment in moments.items():
            if moment.shape == weight.shape:
                moments[name] = torch.empty_like(weight).copy_(moment)
