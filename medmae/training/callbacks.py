"""The live bar: samples per second, and when the whole run will be done."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, TQDMProgressBar
from pytorch_lightning.utilities import rank_zero_only

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
            module.log("samples_per_second", rate, prog_bar=True, rank_zero_only=True)
            self._since, self._samples = now, 0

    @staticmethod
    def _due(trainer: pl.Trainer) -> bool:
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        return (trainer.global_step + 1) % every == 0 or trainer.is_last_batch


class Clock:
    """When a training will be done, by the steps that it has taken."""

    def __init__(self, trainer: pl.Trainer) -> None:
        self._started, self._first_step = time.perf_counter(), trainer.global_step

    def left(self, trainer: pl.Trainer) -> str:
        """As hours, minutes and seconds; a question mark before the first step."""
        done = trainer.global_step - self._first_step
        if done < 1:
            return "?"
        steps = trainer.estimated_stepping_batches - trainer.global_step
        return str(timedelta(seconds=round((time.perf_counter() - self._started) / done * steps)))


def _epoch(trainer: pl.Trainer) -> str:
    """Which epoch runs, counted from 1, and of how many if that is known; once all are over, the last."""
    last = trainer.max_epochs or -1
    return (
        f"epoch {min(trainer.current_epoch + 1, last)} of {last}" if last > 0 else f"epoch {trainer.current_epoch + 1}"
    )


class ProgressBar(TQDMProgressBar):
    """Lightning's bar; the time left for the whole run stands first, where a narrow terminal still shows it."""

    _clock: Clock | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts the clock of the run."""
        super().on_train_start(trainer, pl_module)
        self._clock = Clock(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Writes the time left before the bar."""
        if self._clock is not None:
            self.train_progress_bar.set_description(f"{self._clock.left(trainer)} left, {_epoch(trainer)}")
        super().on_train_batch_end(trainer, *args)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands beside the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class PlainProgress(Callback):
    """A line every so often, where there is no terminal to draw a bar on.

    Args:
        every_seconds: Between two lines.
    """

    def __init__(self, *, every_seconds: float = 30.0) -> None:
        self.every_seconds = every_seconds
        self._told_at = -math.inf
        self._clock: Clock | None = None
        self._epoch = ""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Starts the clock of the run."""
        self._clock = Clock(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """After a step, if it is time."""
        self._epoch = _epoch(trainer)  # by the end of a training Lightning may have gone on to one that never runs
        if time.monotonic() - self._told_at >= self.every_seconds:
            self._tell(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """The last line."""
        self._tell(trainer)

    @rank_zero_only
    def _tell(self, trainer: pl.Trainer) -> None:
        self._told_at = time.monotonic()
        steps = f"step {trainer.global_step} of {trainer.estimated_stepping_batches:g}"
        figures = [f"{name} {float(value):.4g}" for name, value in trainer.progress_bar_metrics.items()]
        left = self._clock.left(trainer) if self._clock else "?"
        print(", ".join([self._epoch or _epoch(trainer), steps, *figures, f"{left} left"]), flush=True)
