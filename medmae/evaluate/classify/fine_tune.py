"""The whole encoder trained on few labels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import default_collate

from medmae.evaluate.batches import Items
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.mixing import Mixing
from medmae.evaluate.classify.predict import predict
from medmae.nn.blocks import set_drop_path
from medmae.nn.encoder import Pool
from medmae.nn.heads import Classifier
from medmae.nn.seeding import drawn_by
from medmae.nn.vit import MaskedViT
from medmae.training.by_epoch import epoch_batches, take_step
from medmae.training.optim import layer_decay_groups
from medmae.training.schedule import WarmupCosine

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """``fine_tune(fold, labels, ...)``: probabilities of a classifier that was trained on the fold.

    AdamW with a rate that falls from layer to layer, linear warm-up, cosine; the epoch of the best balanced accuracy on
    ``fold.val`` is kept (of equal ones the one of the least loss), without validation the last one. Every sample is
    used in every epoch. The defaults are MMAE's.

    Args:
        encoder: Copied for every fit, and left as it is.
        samples: By number, items with an ``image`` ``(C, H, W)`` in [0, 1].
        augment: Of batches ``{"image": ...}`` in training: ``augment(batch, generator=...)``.
        pool: See :class:`medmae.nn.heads.Classifier`.
        epochs: Passes over the training samples.
        warmup_epochs: Of these.
        batch_size: Samples a step.
        base_lr: Rate per 256 samples.
        min_lr: Rate at the end.
        layer_decay: Factor of the rate from layer to layer.
        weight_decay: AdamW's.
        mixing: None learns from plain images and labels.
        drop_path: Stochastic depth of the last block; None keeps the encoder's own.
        learn_positions: Whether position tables are trained, too, as in MAE's fine-tuning.
        device: Where to compute.
    """

    encoder: MaskedViT
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

    def __call__(self, fold: Fold, labels: np.ndarray, *, num_classes: int, seed: int = 0) -> np.ndarray:
        """Probabilities of the fold's test samples.

        Args:
            fold: What to learn from and to judge on.
            labels: Of all samples, ``(N,)``.
            num_classes: K.
            seed: Of the head, the order of samples, augmentation, mixing and drop-path.

        Returns:
            ``(len(fold.test), K)`` float32.
        """
        # A new head and drop-path draw from torch's own generators, which are given back as they were.
        with drawn_by(seed, device=self.device):
            model = self._fit(fold, labels, num_classes=num_classes, seed=seed)
            return self._predict(model, fold.test)

    def _fit(self, fold: Fold, labels: np.ndarray, *, num_classes: int, seed: int) -> Classifier:
        generator = torch.Generator().manual_seed(seed)
        model = self._model(num_classes)
        optimizer = self._optimizer(model)
        best, kept = (-1.0, 0.0), None
        for epoch in range(self.epochs):
            self._train(model, optimizer, fold.train, labels, epoch=epoch, num_classes=num_classes, generator=generator)
            if len(fold.val):
                score = self._score(model, fold.val, labels)
                if score > best:
                    best, kept = score, _copy(model)
        if kept is not None:
            model.load_state_dict(kept)
        return model.eval()

    def _model(self, num_classes: int) -> Classifier:
        encoder = copy.deepcopy(self.encoder)
        if self.drop_path is not None:
            set_drop_path(encoder.blocks, self.drop_path)
        if self.learn_positions:
            encoder.train_positions()
        return Classifier(encoder=encoder, num_classes=num_classes, pool=self.pool).to(self.device)

    def _optimizer(self, model: Classifier) -> torch.optim.Optimizer:
        groups = layer_decay_groups(
            model, model.encoder.layers(), layer_decay=self.layer_decay, weight_decay=self.weight_decay
        )
        return torch.optim.AdamW(groups, lr=0.0, fused=True)

    def _train(
        self,
        model: Classifier,
        optimizer: torch.optim.Optimizer,
        samples: np.ndarray,
        labels: np.ndarray,
        *,
        epoch: int,
        num_classes: int,
        generator: torch.Generator,
    ) -> None:
        """One epoch."""
        model.train()
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
            images, targets = self._batch(batch, labels, num_classes=num_classes, generator=generator)
            take_step(optimizer, F.cross_entropy(model(images), targets))

    def _batch(
        self, batch: np.ndarray, labels: np.ndarray, *, num_classes: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Augmented and mixed images ``(B, C, H, W)``, and what they show ``(B, K)``."""
        images = default_collate([self.samples[number]["image"] for number in batch.tolist()])
        owned = torch.from_numpy(labels[batch]).long()
        if self.augment is not None:
            images = self.augment({"image": images}, generator=generator)["image"]
        if self.mixing is None:
            targets = F.one_hot(owned, num_classes).float()
        else:
            images, targets = self.mixing(images, owned, num_classes=num_classes, generator=generator)
        return images.to(self.device), targets.to(self.device)

    def _score(self, model: Classifier, val: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Balanced accuracy, and the negative loss."""
        shares, truth = self._predict(model, val), labels[val]
        right = recall_score(truth, shares.argmax(axis=1), labels=np.unique(truth), average="macro", zero_division=0)
        return float(right), float(np.log(shares[np.arange(len(truth)), truth].clip(1e-30)).mean())

    def _predict(self, model: Classifier, numbers: np.ndarray) -> np.ndarray:
        """Probabilities ``(len(numbers), K)``, without augmentation."""
        return predict(model, self.samples, numbers.tolist(), device=self.device)


def _copy(model: nn.Module) -> State:
    return {name: value.clone() for name, value in model.state_dict().items()}
