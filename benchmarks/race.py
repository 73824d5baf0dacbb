"""A race: contestants that train in turns, each by its own clock, on the same pictures in the same order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.evaluate.features.extractor import FeatureExtractor, frozen
from medmae.methods.base import Batch, Method

Augment = Callable[..., Batch]


class Contestant:
    """A method in training, with a clock of its own.

    Args:
        name: For the table.
        method: Trained in place.
        images: ``(N, C, S, S)``.
        batch_size: Images a step.
        lr: Constant after a warm-up of 50 steps.
        seed: Of the order of images, of masks and of augmentation.
        augment: Of a batch ``{"image": ...}``: ``augment(batch, generator=...)``; its time counts.
        budget: Seconds that the method takes for the whole of training; None tells it that it is at the end.
    """

    def __init__(
        self,
        *,
        name: str,
        method: Method,
        images: Tensor,
        batch_size: int,
        lr: float,
        seed: int,
        augment: Augment | None = None,
        budget: float | None = None,
    ) -> None:
        self.name, self.method, self.seed, self.lr = name, method, seed, lr
        self.augment, self.budget = augment, budget
        self.images, self.batch_size = images, batch_size
        self.optimizer = torch.optim.AdamW(method.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
        self.order = torch.Generator().manual_seed(seed)
        self.masks = torch.Generator().manual_seed(seed + 1000)
        self.batches = self._endless()
        self.seconds, self.steps = 0.0, 0

    def _endless(self) -> Iterator[Tensor]:
        while True:
            for part in torch.randperm(len(self.images), generator=self.order).split(self.batch_size):
                if len(part) == self.batch_size:
                    yield self.images[part]

    def train_until(self, clock: float) -> None:
        """Steps until the own clock shows at least ``clock`` seconds."""
        while self.seconds < clock:
            started = time.process_time()
            for group in self.optimizer.param_groups:
                group["lr"] = self.lr * min((self.steps + 1) / 50, 1.0)
            self._step(min(self.seconds / self.budget, 1.0) if self.budget else 1.0)
            self.seconds += time.process_time() - started
            self.steps += 1

    def _step(self, progress: float) -> None:
        batch: Batch = {"image": next(self.batches)}
        if self.augment is not None:
            batch = self.augment(batch, generator=self.masks)
        self.method(batch, generator=self.masks, progress=progress).loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.update_teacher(progress=progress)

    def about(self, mark: float) -> dict[str, Any]:
        """Who, when and how fast, for the table."""
        row = {"variant": self.name, "seed": self.seed, "time": mark, "seconds": round(self.seconds, 2)}
        rate = self.steps * self.batch_size / self.seconds if self.seconds else 0.0
        return {**row, "steps": self.steps, "samples_per_second": round(rate, 2)}

    def features(self, images: Tensor) -> np.ndarray:
        """Frozen features of whole images ``(N, C, S, S)``."""
        with frozen(self.method.encoder):
            return FeatureExtractor(encoder=self.method.encoder).in_batches(images)


def race(field: list[Contestant], *, marks: Sequence[float], turn: float) -> Iterator[tuple[float, Contestant]]:
    """Trains all in turns of ``turn`` seconds, each round in the reverse order of the last.

    Yields a mark and a contestant whose clock has just passed it.
    """
    clock, order = 0.0, list(field)
    for mark in marks:
        while clock < mark:
            clock = min(clock + turn, mark)
            for contestant in order:
                contestant.train_until(clock)
            order.reverse()
        yield from ((mark, contestant) for contestant in field)
