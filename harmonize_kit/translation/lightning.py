"""The training for those who want Lightning's Trainer: its loop, and our steps.

Needs lightning: ``pip install 'harmonize-kit[lightning]'``.

Examples
--------
>>> module = LightningCycleGAN(networks, store, objective, config, folder)  # doctest: +SKIP
>>> lightning.Trainer(max_epochs=1, enable_checkpointing=False).fit(module)  # doctest: +SKIP
>>> save_translator(translator_of(module.loop, ["t1"]), folder)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import LightningModule
from torch.optim import Optimizer

from harmonize_kit.config.translation import ObjectiveConfig, TrainingConfig
from harmonize_kit.errors import ConfigError
from harmonize_kit.translation.batches import BatchLoader
from harmonize_kit.translation.cyclegan import CycleGAN
from harmonize_kit.translation.store import SliceStore
from harmonize_kit.translation.trainer import Trainer
from harmonize_kit.translation.training_log import TrainingLog


class LightningCycleGAN(LightningModule):
    """A CycleGAN as a LightningModule, fitted in one epoch.

    Every step is one of :class:`.trainer.Trainer`, and so are ``metrics.jsonl``, the checkpoints,
    the running mean and the pictures: a folder that one has begun the other goes on from, and both
    end with the same weights. What Lightning saves of itself holds the networks alone.

    Lightning counts the moves of each optimizer, so that its ``max_steps`` is twice the steps.
    Precision and accumulation are those of ``config``.

    Parameters
    ----------
    networks, store, objective, config, folder, logs
        As of :class:`.trainer.Trainer`.

    Attributes
    ----------
    loop : Trainer
        From the start of the fit; what :func:`.model.translator_of` takes.
    """

    loop: Trainer
    loader: BatchLoader

    def __init__(
        self,
        networks: CycleGAN,
        store: SliceStore,
        objective: ObjectiveConfig,
        config: TrainingConfig,
        folder: Path,
        logs: Sequence[TrainingLog] = (),
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.networks = networks
        self._told = (store, objective, config, folder)
        self._logs = logs
        self._open = ExitStack()

    def setup(self, stage: str) -> None:
        """Refuse what Lightning would do beside the steps.

        Raises
        ------
        ConfigError
            If several devices are to train, or Lightning is to choose the precision.
        """
        del stage
        if self.trainer.world_size > 1:
            raise ConfigError(
                f"expected one device, got {self.trainer.world_size}; several train together "
                "without Lightning, started by torchrun"
            )
        if self.trainer.precision != "32-true":
            raise ConfigError(
                f"Lightning's precision is {self.trainer.precision}; say it in the configuration "
                "of the training instead: precision: bf16"
            )

    def configure_optimizers(self) -> list[Optimizer]:
        """Take up what the folder holds; return both optimizers."""
        store, objective, config, folder = self._told
        self.loop = Trainer(
            self.networks, store, objective, config, folder, self.device, logs=self._logs
        )
        self.loop.resume()
        return list(self.loop.optimizers.values())

    def train_dataloader(self) -> list[int]:
        """Return the numbers of the steps to go: each draws its batches by its number."""
        return list(range(self.loop.step, self.loop.config.steps))

    def on_train_start(self) -> None:
        """Begin to read batches."""
        self.loader = self._open.enter_context(self.loop.loader())

    def training_step(self, batch: int, batch_idx: int) -> None:
        """Do one step of the loop, its optimizers moving by Lightning's hands, who counts them."""
        del batch, batch_idx
        wrapped = cast(list[Any], self.optimizers())
        self.loop.optimizers = dict(zip(self.loop.optimizers, wrapped, strict=True))
        losses = self.loop.advance(self.loader)
        self.log_dict(dict(losses), logger=True, batch_size=1)

    def on_train_end(self) -> None:
        """Stop reading, and end the logs."""
        self._open.close()
        self.loop.end_logs()
