"""When checkpoints are written, which are kept, and how a run ends when it is told to."""

from __future__ import annotations

import itertools
import signal
import time
import warnings
from pathlib import Path
from types import FrameType

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities import rank_zero_warn

from medmae.errors import DataError, ExitCode, Stopped
from medmae.training.signals import CODES, write_line

_RETRY_MINUTES = 1.0


class Checkpoints(Checkpoint):
    """Writes ``step-00000120.ckpt`` every so often, at the end, and on SIGTERM, SIGUSR1, SIGINT, SIGHUP.

    A checkpoint is taken between optimiser steps only, so that nothing half accumulated is lost. After a signal the
    step under way is finished (validation, too), its checkpoint is written, and the process ends with the exit code of
    that signal; a second one stops at once. A save that fails (a full disk) is tried again every minute while training
    goes on; older files stay until a newer one is complete.

    Those of ``folder`` are of one training. What another left there, or the same beyond the step from which it is
    resumed, is put into ``earlier-1``, ``earlier-2``, ... before the first step: never deleted, never ``newest``.

    Args:
        folder: Of the checkpoints.
        every_minutes: Between two checkpoints.
        every_steps: Optimiser steps between two checkpoints, besides.
        keep: How many of the newest stay, at least 2: the one before the last is there if the last cannot be read.
        tries: Saves that may fail in a row.
    """

    def __init__(
        self,
        *,
        folder: str | Path,
        every_minutes: float = 10.0,
        every_steps: int | None = None,
        keep: int = 2,
        tries: int = 5,
    ) -> None:
        if keep < 2 or tries < 1 or every_minutes <= 0 or (every_steps is not None and every_steps < 1):
            raise ValueError(
                f"keep must be at least 2, tries and every_steps at least 1, every_minutes positive; "
                f"got keep={keep}, tries={tries}, every_steps={every_steps}, every_minutes={every_minutes}"
            )
        self.folder, self.every_minutes, self.every_steps = Path(folder), every_minutes, every_steps
        self.keep, self.tries = keep, tries
        self.failures = 0
        self._due_at = 0.0
        self._saved_at_step = -1
        self._told: ExitCode | None = None
        self._heard: list[signal.Signals] = []

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Starts the clock, tidies up, and listens to signals; Lightning would stop amid an accumulation."""
        self._saved_at_step = trainer.global_step
        self._wait(self.every_minutes)
        if trainer.is_global_zero:
            for half in self.folder.glob(".step-*.part"):  # a kill within a save left it
                half.unlink()
            put_aside(self.folder, resumed=Path(trainer.ckpt_path) if trainer.ckpt_path else None)
        self._heard = [number for number in CODES if signal.getsignal(number) is not signal.SIG_IGN]  # as nohup has it
        for number in self._heard:
            signal.signal(number, self._note_signal)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Between two steps."""
        if trainer.fit_loop._should_accumulate():
            return
        # Processes learn of a signal, and look at their clocks, at different moments.
        decide = trainer.strategy.reduce_boolean_decision
        if not decide(self._told is not None or self._is_due(trainer), all=False):
            return
        stop = decide(self._told is not None, all=False)
        self._save(trainer, last_chance=stop)
        if stop:
            raise Stopped(self._told or ExitCode.TERMINATED, checkpoint=checkpoints(self.folder)[0])

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """The last one."""
        self._save(trainer, last_chance=True)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._told = CODES[signal.Signals(number)]
        for again in self._heard:
            signal.signal(again, signal.SIG_DFL)
        write_line("stopping after this step; once more stops at once")

    def _is_due(self, trainer: pl.Trainer) -> bool:
        by_steps = self.every_steps is not None and trainer.global_step % self.every_steps == 0
        return by_steps or time.monotonic() >= self._due_at

    def _wait(self, minutes: float) -> None:
        self._due_at = time.monotonic() + 60 * minutes

    def _save(self, trainer: pl.Trainer, *, last_chance: bool) -> None:
        if self._saved_at_step == trainer.global_step and checkpoints(self.folder):
            return
        for logger in trainer.loggers:
            logger.save()  # a resumed run goes on from a log that reaches as far as its checkpoint
        path = self.folder / f"step-{trainer.global_step:08d}.ckpt"
        failure = _try_to_save(trainer, path)
        if trainer.strategy.reduce_boolean_decision(failure is not None, all=False):  # all go on, or all stop
            self._fail(failure or OSError("in the process that writes"), path, give_up=last_chance)
            return
        self.failures, self._saved_at_step = 0, trainer.global_step
        self._wait(self.every_minutes)
        if trainer.is_global_zero:
            for old in checkpoints(self.folder)[self.keep :]:
                old.unlink()

    def _fail(self, error: OSError, path: Path, *, give_up: bool) -> None:
        self.failures += 1
        if give_up or self.failures >= self.tries:
            newest = next(iter(checkpoints(self.folder)), "none")
            raise DataError(
                f"the checkpoint could not be written ({error.strerror or error})",
                path=path,
                field="saves that failed, newest complete checkpoint",
                value=(self.failures, str(newest)),
                remedy="free space or mend the disk, then resume with --checkpoint newest",
            ) from error
        warnings.warn(f"{path} could not be written ({error}); training goes on, another try follows", stacklevel=2)
        self._wait(min(_RETRY_MINUTES, self.every_minutes))


def _try_to_save(trainer: pl.Trainer, path: Path) -> OSError | None:
    try:
        trainer.save_checkpoint(path, weights_only=False)  # the optimiser, too
    except OSError as error:
        trainer.strategy.barrier("Trainer.save_checkpoint")  # where the other processes wait
        return error
    return None


def checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints of a folder, the newest first."""
    return sorted(Path(folder).glob("step-*.ckpt"), key=lambda path: path.name, reverse=True)


def put_aside(folder: Path, *, resumed: Path | None) -> None:
    """Makes room for those of a training that begins, or goes on from one of them.

    Args:
        folder: Of the checkpoints.
        resumed: What is gone on from: it and what lies before it in the same folder are this training's own.
    """
    found = checkpoints(folder)
    own = resumed is not None and resumed.resolve().parent == folder.resolve()
    others = [path for path in found if not own or path.name > str(resumed and resumed.name)]
    if not others:
        return
    count = next(count for count in itertools.count(1) if not (folder / f"earlier-{count}").exists())
    aside = folder / f"earlier-{count}"
    aside.mkdir()
    for path in others:
        path.rename(aside / path.name)
    rank_zero_warn(
        f"{folder} held checkpoints of an earlier training, which lie in {aside.name} now: to go on from them instead, "
        f"stop this one and pass --checkpoint {aside / others[0].name}"
    )
