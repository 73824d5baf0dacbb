"""Starts a training only after what it needs has been checked."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from medmae.training.guard import require_batches, require_writable
from medmae.training.module import MaskedModule


def fit(
    *,
    trainer: pl.Trainer,
    module: MaskedModule,
    train_loader: DataLoader,
    val_loader: DataLoader | None = None,
    checkpoint: str | Path | None = None,
) -> None:
    """Trains, after checking the loader and the output folder.

    Args:
        trainer: Lightning's trainer.
        module: What to train.
        train_loader: Training batches; refused if it gives none.
        val_loader: Held-out batches; an empty one (a cohort too small to have any) is left out.
        checkpoint: Resume from this file.

    Raises:
        DataError: If there is nothing to train on or nowhere to write.
    """
    require_writable(trainer.default_root_dir)
    require_batches(train_loader, name="training")
    validation = val_loader if val_loader is not None and len(val_loader) else None
    trainer.fit(module, train_loader, validation, ckpt_path=str(checkpoint) if checkpoint else None, weights_only=True)
