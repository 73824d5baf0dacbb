"""The whole encoder trained on few labels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.mixing import Mixing
from medmae.evaluate.classify.predict import predict
from medmae.evaluate.classify.task import Task, Trainable, trainable
from medmae.nn.classifiers import CloudEncoder, classifier_of
from medmae.nn.encoder import Pool, data_of
from medmae.nn.seeding import drawn_by
from medmae.nn.vit import MaskedViT
from medmae.training.by_epoch import epoch_batches, take_step
from medmae.training.optim import layer_decay_groups
from medmae.training.reading import Items
from medmae.training.schedule import WarmupCosine

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """``fine_tune(fold, targets, ...)``: predictions of a network that was trained on the fold.

    AdamW with a rate that falls from layer to layer, linear warm-up, cosine; the epoch that is best on ``fold.val``
    by :meth:`~medmae.evaluate.classify.task.Trainable.validation` is kept, without validation the last one. Every
    sample is used in every epoch. The defaults are MMAE's.

    Args:
        encoder: A masked ViT, or an encoder of clouds; copied for every fit, and left as it is.
        samples: By number, items with the encoder's kind of data, ``(C, *size)``; what draws anew in each epoch, such
            as clips, does so in training, and is tested as in the first.
        augment: Of batches of that kind by its name in training: ``augment(batch, generator=...)``.
        pool: See :class:`medmae.nn.heads.Classifier`.
        epochs: Passes over the training samples.
        warmup_epochs: Of these.
        batch_size: Samples a step.
        base_lr: Rate per 256 samples.
        min_lr: Rate at the end.
        layer_decay: Factor of the rate from layer to layer.
        weight_decay: AdamW's.
        mixing: Of images and classes, where the task mixes; None learns from plain ones.
        drop_path: Stochastic depth of the last block of a masked ViT; None, and others, keep the encoder's own.
        learn_positions: Whether position tables of a masked ViT are trained, too, as in MAE's fine-tuning.
        device: Where to compute.
    """

    encoder: MaskedViT | CloudEncoder
    samples: Items[Mapping[str, Any]]
    augment: Callable[..., dict[str, Tensor]] | None = None
    pool: Pool = "mean"
    epochs: int = 100
    warmup_epochs: float = 5.0
    batch_size: int = 32
    base_lr: float = 3e-3
    min_lr: float = 6e-5
    layer_decay: float = 0.65
    weight_decay: float = 0.05
    mixing: Mixing | None = Mixing()  # noqa: RUF009 - it is immutable
    drop_path: float | None = None
    learn_positions: bool = False
    device: torch.device | str = "cpu"

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int = 0) -> np.ndarray:
        """Predictions of the fold's test samples.

        Args:
            fold: What to learn from and to test on.
            targets: Of all samples, ``(N, ...)``.
            task: What is learnt.
            seed: Of the head, the order of samples, augmentation, mixing and drop-path.

        Returns:
            ``(len(fold.test), K)`` float32.
        """
        learnt = trainable(task).fitted(targets[fold.train])
        # A new head and drop-path draw from torch's own generators, which are given back as they were.
        with drawn_by(seed, device=self.device):
            model = self._fit(fold, targets, task=learnt, seed=seed)
            return self._predict(model, fold.test, learnt)

    def _fit(self, fold: Fold, targets: np.ndarray, *, task: Trainable, seed: int) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        model = self._model(task.outputs)
        optimizer = self._optimizer(model)
        best, kept = (-np.inf, 0.0), None
        for epoch in range(self.epochs):
            self._train(model, optimizer, fold.train, targets, epoch=epoch, task=task, generator=generator)
            if len(fold.val):
                score = task.validation(targets[fold.val], self._predict(model, fold.val, task))
                if score > best:
                    best, kept = score, _copy(model)
        if kept is not None:
            model.load_state_dict(kept)
        return model.eval()

    def _model(self, outputs: int) -> nn.Module:
        encoder: Any = copy.deepcopy(self.encoder)
        if self.learn_positions and isinstance(encoder, MaskedViT):
            encoder.train_positions()
        model = classifier_of(encoder, num_classes=outputs, pool=self.pool, drop_path=self.drop_path)
        return model.to(self.device)

    def _optimizer(self, model: Any) -> torch.optim.Optimizer:  # noqa: ANN401 - with an encoder of its own
        groups = layer_decay_groups(
            model, model.encoder.layers(), layer_decay=self.layer_decay, weight_decay=self.weight_decay
        )
        return torch.optim.AdamW(groups, lr=0.0, fused=True)

    def _train(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        samples: np.ndarray,
        targets: np.ndarray,
        *,
        epoch: int,
        task: Trainable,
        generator: torch.Generator,
    ) -> None:
        """One epoch."""
        model.train()
        _move_to(self.samples, epoch)
        batches = epoch_batches(
            samples,
            epoch=epoch,
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=optimizer,
            schedule=WarmupCosine(warmup_epochs=self.warmup_epochs, min_lr=self.min_lr),
            peak=self.base_lr * self.batch_size / 256,
            generator=generator,
        )
        for batch in batches:
            images, wanted = self._batch(batch, targets, task=task, generator=generator)
            take_step(optimizer, task.loss(model(images), wanted))

    def _batch(
        self, batch: np.ndarray, targets: np.ndarray, *, task: Trainable, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Augmented images ``(B, C, H, W)`` and their targets, mixed where the task allows it."""
        name = self._name
        encoder: Any = self.encoder
        images = default_collate([data_of(self.samples[number], encoder) for number in batch.tolist()])
        wanted = task.tensor(targets[batch])
        if self.augment is not None:
            images = self.augment({name: images}, generator=generator)[name]
        if self.mixing is not None and task.mixes:
            images, wanted = self.mixing(images, wanted, num_classes=task.outputs, generator=generator)
        return images.to(self.device), wanted.to(self.device)

    @property
    def _name(self) -> str:
        """Of the encoder's kind of data."""
        encoder: Any = self.encoder
        return str(encoder.kind.name)

    def _predict(self, model: nn.Module, numbers: np.ndarray, task: Trainable) -> np.ndarray:
        """Predictions ``(len(numbers), K)``, without augmentation."""
        _move_to(self.samples, 0)
        name = self._name
        return predict(model, self.samples, numbers.tolist(), name=name, link=task.link, device=self.device)


def _move_to(samples: Any, epoch: int) -> None:  # noqa: ANN401 - data sets, or some samples of them
    """Tells data sets that draw anew which epoch it is."""
    if hasattr(samples, "set_epoch"):
        samples.set_epoch(epoch)
    for inner in (*getattr(samples, "datasets", ()), *filter(None, [getattr(samples, "dataset", None)])):
        _move_to(inner, epoch)


def _copy(model: nn.Module) -> State:
    return {name: value.clone() for name, value in model.state_dict().items()}
