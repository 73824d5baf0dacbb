"""Starts a training only after what it needs has been checked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger

from medmae.allocator import keep_freed_memory
from medmae.training.checkpoints import Checkpoints
from medmae.training.guard import require_batches, require_writable
from medmae.training.loader import Loader
from medmae.training.lock import locked
from medmae.training.log import continue_log, tell
from medmae.training.module import MaskedModule
from medmae.training.out_of_memory import explaining_out_of_memory, training_advice
from medmae.training.resume import find_checkpoint
from medmae.training.settings import require_resumable, require_same_shapes
from medmae.training.signals import ended_by_signals


def fit(
    *,
    trainer: pl.Trainer,
    module: MaskedModule,
    train_loader: Loader,
    val_loader: Loader | None = None,
    checkpoint: str | Path | None = None,
    allow_changes: bool = False,
) -> None:
    """Trains, after checking the loader, the output folder and the checkpoint.

    Args:
        trainer: Lightning's trainer.
        module: What to train.
        train_loader: Training batches; refused if it gives none. Only with a :class:`ResumableLoader` does a resumed
            run go on at the very batch at which it was stopped.
        val_loader: Held-out batches; an empty one (a cohort too small to have any) is left out.
        checkpoint: Resume from this file; ``newest``: from the newest complete one of the run.
        allow_changes: Resume although settings changed; what changed is printed in any case.

    Raises:
        DataError: If there is nothing to train on, nowhere to write, another training writes there, or the checkpoint
            does not fit.
    """
    keep_freed_memory()
    require_writable(trainer.default_root_dir, _folder(trainer))
    require_batches(train_loader, name="training")
    batch_size = int(train_loader.batch_size or 1)
    advice = partial(
        training_advice,
        module.method,
        batch_size=batch_size,
        accumulate=trainer.accumulate_grad_batches,
        precision=trainer.precision,
    )
    explained = explaining_out_of_memory(method=module.method, batch_size=batch_size, advice=advice)
    alone = locked(trainer.default_root_dir) if trainer.is_global_zero else nullcontext()
    with alone, explained, _teachers_may_rest(), ended_by_signals():
        path = None
        if checkpoint is not None:
            path = _resume(trainer, module, train_loader, checkpoint, allow_changes=allow_changes)
        validation = val_loader if val_loader is not None and len(val_loader) else None
        trainer.fit(module, train_loader, validation, ckpt_path=str(path) if path else None, weights_only=True)


@contextmanager
def _teachers_may_rest() -> Iterator[None]:
    """Keeps Lightning from wondering about a momentum teacher or a frozen part: never in training mode."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")
        yield


def _folder(trainer: pl.Trainer) -> Path:
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    keeper = next((callback for callback in callbacks if isinstance(callback, Checkpoints)), None)
    return keeper.folder if keeper else Path(trainer.default_root_dir) / "checkpoints"


def _resume(
    trainer: pl.Trainer, module: MaskedModule, loader: Loader, wanted: str | Path, *, allow_changes: bool
) -> Path:
    path, content = find_checkpoint(wanted, folder=_folder(trainer))
    shapes = {name: list(value.shape) for name, value in content["state_dict"].items()}
    require_same_shapes(shapes, {name: list(value.shape) for name, value in module.state_dict().items()}, path=path)
    now = module.describe(trainer=trainer, loader=loader)
    for line in require_resumable(content["medmae"]["settings"], now, path=path, allow_changes=allow_changes):
        tell(f"changed since the checkpoint: {line}")
    tell(f"resuming from {path}, after step {content['global_step']}")
    tell(f"this goes on with run {content['medmae'].get('run_id', 'unknown')}")
    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger):
            continue_log(logger, step=content["global_step"])
    return path
