"""The live bar: images per second, and when the whole run will be done."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, TQDMProgressBar

from medmae.methods.base import Batch


class Throughput(Callback):
    """Logs training samples per second, averaged over the steps since the last log."""

    def __init__(self) -> None:
        self._since = 0.0
        self._samples = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Leaves validation and checkpoints out of the clock."""
        self._since, self._samples = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Counts what this process trained on, times the number of processes."""
        self._samples += len(next(iter(batch.values()))) * trainer.world_size
        if self._due(trainer):
            now = time.perf_counter()
            rate = self._samples / max(now - self._since, 1e-9)
            module.log("images_per_second", rate, prog_bar=True, rank_zero_only=True)
            self._since, self._samples = now, 0

    @staticmethod
    def _due(trainer: pl.Trainer) -> bool:
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        return (trainer.global_step + 1) % every == 0 or trainer.is_last_batch


class ProgressBar(TQDMProgressBar):
    """Lightning's bar, with the time left for the whole run beside the epoch's."""

    def __init__(self, *, refresh_rate: int = 1) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self._started, self._first_step = 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock of the run."""
        super().on_train_start(trainer, pl_module)
        self._started, self._first_step = time.perf_counter(), trainer.global_step

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands beside the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        done = trainer.global_step - self._first_step
        if done > 0:
            left = trainer.estimated_stepping_batches - trainer.global_step
            seconds = (time.perf_counter() - self._started) / done * left
            metrics["run ends in"] = str(timedelta(seconds=round(seconds)))
        return metrics
