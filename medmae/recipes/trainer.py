"""Lightning's trainer as every training of medmae has it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Timer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]

from medmae.errors import DataError
from medmae.evaluate.provenance import write_made_by
from medmae.recipes.loggers import loggers
from medmae.training import Checkpoints
from medmae.training.callbacks import PlainProgress, ProgressBar, Throughput
from medmae.training.resume import AtomicCheckpointIO


class Trainer(pl.Trainer):
    """Checkpoints that a kill cannot halve, logs, tables and curves of a run, and a bar that tells when it ends.

    Args:
        default_root_dir: The run directory; receives ``checkpoints/``, ``logs/`` and ``tensorboard/``.
        max_epochs: How long to train, a whole number; -1 or None only beside ``max_steps`` or ``max_time``.
        devices: See Lightning; 1, or -1 for all.
        precision: See Lightning.
        log_every_n_steps: Steps between two lines of the log.
        callbacks: Besides those of every training.
        plugins: Besides the writer of checkpoints.
        logger: Beside a table of the figures: ``tensorboard``, ``wandb``, ``mlflow``, or ``csv`` for none; see
            :func:`medmae.recipes.loggers.loggers`. Lightning's own loggers are taken instead of all these; False
            keeps no log.
        lightning: Any other argument of :class:`pytorch_lightning.Trainer`.

    Raises:
        ValueError: If a training would have no end, a step no batch, or a callback is none.
        DataError: If this machine has no such devices, or there is no such logger.
        ModuleNotFoundError: If the package of a logger is not installed.
    """

    def __init__(
        self,
        *,
        default_root_dir: str | Path,
        max_epochs: int | None,
        devices: int | str | Sequence[int] = 1,
        precision: Any = "32-true",  # noqa: ANN401 (Lightning's own list of words and numbers)
        log_every_n_steps: int = 10,
        callbacks: Sequence[Callback] = (),
        plugins: Sequence[Any] = (),
        logger: Logger | Sequence[Logger] | bool | str | None = None,
        **lightning: Any,
    ) -> None:
        if lightning.get("accumulate_grad_batches", 1) < 1:
            raise ValueError(
                f"a step has at least 1 batch, got {lightning['accumulate_grad_batches']}: set --accumulate"
            )
        if strange := [one for one in callbacks if not isinstance(one, Callback)]:
            raise ValueError(f"callbacks are Lightning's, each of a class ({{_target_: ...}}), got {strange[0]!r}")
        _check_epochs(max_epochs, has_end=lightning.get("max_steps", -1) > 0 or lightning.get("max_time") is not None)
        root = str(default_root_dir)
        if logger is None or isinstance(logger, str):
            logger = loggers(logger, root=root)
        own: list[Callback] = [Checkpoints(folder=f"{root}/checkpoints"), Timer(), Throughput(), _OwnLog()]
        shown = lightning.pop("enable_progress_bar", True)
        terminal = sys.stdout.isatty()
        if shown:
            own.append(ProgressBar() if terminal else PlainProgress())
        options = {
            "num_sanity_val_steps": 0,
            "enable_model_summary": False,
            "enable_progress_bar": shown and terminal,
            **lightning,
        }
        try:
            super().__init__(
                default_root_dir=root,
                max_epochs=max_epochs,
                devices=devices,  # type: ignore[arg-type]
                precision=precision,
                log_every_n_steps=log_every_n_steps,
                callbacks=[*own, *callbacks],
                plugins=[AtomicCheckpointIO(), *plugins],
                logger=logger,
                **options,
            )
        except (MisconfigurationException, TypeError) as error:
            raise DataError(
                f"Lightning cannot train so on this machine ({error})",
                field="devices",
                value=devices,
                remedy="see medmae doctor for what there is; train.yaml alone trains on one device, or on the CPU",
            ) from error


class _OwnLog(Callback):
    """Says in the folder of the log of which training it is; a resumed one has the id of the first."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """When checkpoints are read."""
        if trainer.is_global_zero and trainer.loggers and isinstance(run := getattr(module, "run_id", None), str):
            write_made_by(Path(trainer.default_root_dir) / "logs", {"run": run})


def _check_epochs(max_epochs: object, *, has_end: bool) -> None:
    endless = max_epochs is None or max_epochs == -1
    if not (has_end if endless else isinstance(max_epochs, int) and max_epochs > 0):
        raise ValueError(f"max_epochs must be a positive whole number, got {max_epochs}: a training has an end")
