"""Which epoch of a fine-tuning counts: the one that is best on validation samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from medmae.evaluate.classify.task import Trainable
from medmae.methods.base import Batch
from medmae.training.module import MaskedModule


class Judge(Protocol):
    """Says how good an epoch was."""

    @property
    def name(self) -> str:
        """Of the first figure of :meth:`score`."""

    def said(self, outputs: Mapping[str, Tensor], batch: Batch) -> tuple[np.ndarray, ...]:
        """What is kept of a batch: arrays of a row a sample, of what the method predicts and of what is right."""

    def score(self, *said: np.ndarray) -> tuple[float, float]:
        """Of all batches together: the greater, the better; the second where the first is equal."""


@dataclass(frozen=True)
class ByTask:
    """Logits judged by :meth:`~medmae.evaluate.classify.task.Trainable.validation`.

    Args:
        task: What is learnt.
    """

    task: Trainable

    @property
    def name(self) -> str:
        """The headline."""
        return self.task.headline.replace("_", " ")

    def said(self, outputs: Mapping[str, Tensor], batch: Batch) -> tuple[np.ndarray, ...]:
        """Labels and predictions."""
        return batch["label"].cpu().numpy(), self.task.link(outputs["logits"].float()).cpu().numpy()

    def score(self, *said: np.ndarray) -> tuple[float, float]:
        """See :class:`Judge`."""
        return self.task.validation(*said)


class BestEpoch(Callback):
    """Keeps the weights after the best epoch.

    They lie in checkpoints, so that a resumed run knows them, and training goes on from the last ones. Samples that are
    tested choose nothing.

    Args:
        judge: Says how good each was, on the validation samples.

    Attributes:
        epoch: The best, counted from 1; None before a validation, and without validation samples.
        score: Its validation.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.epoch: int | None = None
        self.score = (-np.inf, 0.0)
        self._weights: dict[str, Tensor] = {}
        self._seen: list[tuple[np.ndarray, ...]] = []

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Forgets what was said an epoch ago."""
        self._seen = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's name for whatever a step gives
        batch: Batch,
        *places: int,
    ) -> None:
        """Notes what is said of a batch."""
        self._seen.append(self.judge.said(outputs, batch))

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keeps the weights if none were better; all processes see what all have said, and decide alike."""
        if trainer.sanity_checking:  # before the first epoch
            return
        assert isinstance(module, MaskedModule)
        everyone = [self._seen] * trainer.world_size
        if trainer.world_size > 1:
            torch.distributed.all_gather_object(everyone, self._seen)
        score = self.judge.score(*(np.concatenate(rows) for rows in zip(*chain(*everyone), strict=True)))
        if score > self.score:
            self.epoch, self.score = trainer.current_epoch + 1, score
            self._weights = {key: value.detach().cpu().clone() for key, value in module.whole().state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"epoch": self.epoch, "score": list(map(float, self.score)), "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Of a checkpoint."""
        first, second = state_dict["score"]
        self.epoch, self.score, self._weights = state_dict["epoch"], (first, second), state_dict["weights"]

    def restore(self, module: MaskedModule) -> dict[str, Any]:
        """Puts the best weights into the method, when training is over; gives what a record says of the choice."""
        if self.epoch is None:
            return {"selected_epoch": "the last, without validation samples"}
        module.method.load_state_dict(self._weights)
        by = f"{self.judge.name} {self.score[0]:.3f} of validation"
        return {"selected_epoch": self.epoch, "selected_by": by}
