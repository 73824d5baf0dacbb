"""The one LightningModule: makes any method learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from medmae.methods.base import Batch, Method, StepOutput
from medmae.training.optim import OptimizerSpec
from medmae.training.schedule import Schedule, WarmupCosine

Augment = Callable[..., Tensor]  # augment(data, generator=...) -> data

_VALIDATION_SEED = 2**31 - 1


class MaskedModule(pl.LightningModule):
    """Wraps a method: optimiser groups, schedule, teacher update, logging.

    Args:
        method: The system to train.
        optimizer: Its optimiser.
        schedule: Its learning rate over time.
        augment: Training-time transforms of whole batches by name, e.g. ``{"image": MRPretrainAugment()}``.
        seed: Of masks and augmentation. Validation always draws the same masks, so that its losses compare.
    """

    def __init__(
        self,
        *,
        method: Method,
        optimizer: OptimizerSpec | None = None,
        schedule: Schedule | None = None,
        augment: Mapping[str, Augment] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.method = method
        self.optimizer_spec = optimizer or OptimizerSpec()
        self.schedule = schedule or WarmupCosine()
        self.augment = dict(augment or {})
        self.seed = seed
        self.generator = torch.Generator()  # on the CPU: one seed, the same masks on every device

    @property
    def progress(self) -> float:
        """Share of the planned optimiser steps that is done."""
        return min(self.global_step / max(self.trainer.estimated_stepping_batches, 1), 1.0)

    def setup(self, stage: str) -> None:
        """Gives each process its own masks; runs before a checkpoint is restored, which may then overwrite it."""
        self.generator.manual_seed(self.seed + self.global_rank)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step; logs the loss, its terms and the learning rate."""
        data = {name: self._augmented(name, value) for name, value in batch.items()}
        output = self.method(data, generator=self.generator, progress=self.progress)
        self._log("train", output, on_step=True)
        return output.loss

    def on_validation_epoch_start(self) -> None:
        """Fixes the masks of validation."""
        self._validation_generator = torch.Generator().manual_seed(_VALIDATION_SEED)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """The loss on held-out data, under the same masks every epoch."""
        output = self.method(batch, generator=self._validation_generator, progress=1.0)
        self._log("val", output, on_step=False)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Steps, then moves the teacher of methods that have one."""
        super().optimizer_step(*args, **kwargs)
        self.method.update_teacher(progress=self.progress)

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """The optimiser, and a schedule that is updated at every step from the fractional epoch."""
        steps = self.trainer.estimated_stepping_batches  # also makes Lightning load the training loader
        epochs = float(self.trainer.max_epochs or 1)
        batch_size = self._effective_batch()
        optimizer = self.optimizer_spec.build(self.method, batch_size=batch_size)
        peak = self.optimizer_spec.peak_lr(batch_size=batch_size)

        def factor(step: int) -> float:
            return self.schedule.value(step * epochs / steps, peak=peak, epochs=epochs) / peak

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the state of the mask generator."""
        checkpoint["mask_generator"] = self.generator.get_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on with the masks that would have come next."""
        self.generator.set_state(checkpoint["mask_generator"])

    def _augmented(self, name: str, value: Tensor) -> Tensor:
        return self.augment[name](value, generator=self.generator) if name in self.augment else value

    def _effective_batch(self) -> int:
        loader: DataLoader = self.trainer.train_dataloader  # type: ignore[assignment]
        return int(loader.batch_size or 1) * self.trainer.world_size * self.trainer.accumulate_grad_batches

    def _log(self, stage: str, output: StepOutput, *, on_step: bool) -> None:
        size = len(output.mask.visible)
        terms = {f"{stage}/{name}": value.detach() for name, value in output.terms.items()}
        kwargs: dict[str, Any] = {
            "on_step": on_step,
            "on_epoch": not on_step,
            "batch_size": size,
            "sync_dist": not on_step,
        }
        self.log(f"{stage}/loss", output.loss.detach(), prog_bar=True, **kwargs)
        self.log_dict(terms, **kwargs)
        if on_step:
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], on_step=True)
