"""MAE's linear probe: a batch norm without weights and a linear layer, trained with LARS on frozen features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.task import Task, Trainable, trainable
from medmae.training.by_epoch import epoch_batches, take_step
from medmae.training.optim import LARS
from medmae.training.schedule import WarmupCosine


@dataclass(frozen=True, kw_only=True)
class LarsProbe:
    """``probe(fold, targets, ...)``: predictions of a linear layer on features that were computed once.

    K. He et al., arXiv 2111.06377, appendix A: batch norm (epsilon 1e-6, no affine) before a linear layer, LARS
    (momentum 0.9, trust 0.001, no decay), 10 of 90 epochs of warm-up, cosine. Deviations: features of plain images,
    not of a random crop an epoch; and the peak rate is that of the paper's batch, 6.4, whatever the batch is here:
    scaled down to a small batch, LARS would take thousands of epochs to move.

    Args:
        features: Of all samples, ``(N, D)``.
        lr: Peak rate.
        epochs: Passes over the training samples.
        warmup_epochs: Of these.
        batch_size: Samples a step.
    """

    features: np.ndarray
    lr: float = 6.4
    epochs: int = 90
    warmup_epochs: float = 10.0
    batch_size: int = 64

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int) -> np.ndarray:
        """Predictions of the fold's test samples ``(len(fold.test), K)``; ``fold.val`` is not used."""
        generator = torch.Generator().manual_seed(seed)
        width = self.features.shape[1]
        linear = skip_init(nn.Linear, width, task.outputs)  # draws nothing from torch's own generator
        nn.init.trunc_normal_(linear.weight, std=0.01, generator=generator)
        nn.init.zeros_(linear.bias)
        head = nn.Sequential(nn.BatchNorm1d(width, affine=False, eps=1e-6), linear)
        learnt = trainable(task)
        self._train(head, self._rows(fold.train), learnt.tensor(targets[fold.train]), learnt, generator)
        with torch.no_grad():
            return learnt.link(head.eval()(self._rows(fold.test))).numpy()

    def _train(
        self, head: nn.Module, features: Tensor, targets: Tensor, task: Trainable, generator: torch.Generator
    ) -> None:
        optimizer = LARS(head.parameters(), lr=self.lr)
        schedule = WarmupCosine(warmup_epochs=self.warmup_epochs)
        head.train()
        for epoch in range(self.epochs):
            batches = epoch_batches(
                np.arange(len(features)),
                epoch=epoch,
                epochs=self.epochs,
                batch_size=self.batch_size,
                optimizer=optimizer,
                schedule=schedule,
                peak=self.lr,
                generator=generator,
            )
            for batch in batches:
                take_step(optimizer, task.loss(head(features[batch]), targets[batch]))

    def _rows(self, places: np.ndarray) -> Tensor:
        return torch.from_numpy(self.features[places]).float()
