"""How much an encoder's features say about labels while it is being pre-trained: probes between epochs."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor
from torch.utils.data import Subset

from medmae.data.evenly import evenly
from medmae.data.labels import UNLABELLED
from medmae.data.samples import Samples
from medmae.evaluate.batches import each_batch
from medmae.evaluate.features.extractor import frozen
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours
from medmae.nn.vit import MaskedViT

Item = dict[str, Tensor | int]
_FEWEST = 5  # neighbours that vote


class ProbeDuringTraining(Callback):
    """Logs ``probe/neighbours`` and ``probe/regression``: accuracies on validation images by frozen features.

    Beside them stand what they have to beat: ``probe_baseline/neighbours`` and ``probe_baseline/regression`` by the
    same encoder with weights drawn anew, and ``probe_baseline/most_frequent_class``.

    Nothing is learnt from the labels but these two figures, and nothing that training draws is touched. Where fewer
    than five training images have a class, or all have one, or no validation image has any, there is nothing to log.
    Images that cannot be read are warned of and left out.

    Args:
        train: Labelled images that the probes learn from.
        val: Others of the same classes, on which they are tested.
        every_epochs: How often; the last epoch is always probed.
        limit: At most so many images of each set, evenly spread.
        batch_size: Images at once.
    """

    def __init__(
        self,
        *,
        train: Samples,
        val: Samples,
        every_epochs: int = 10,
        limit: int = 1000,
        batch_size: int = 64,
    ) -> None:
        if every_epochs < 1 or limit < _FEWEST:
            raise ValueError(f"every_epochs must be positive and limit at least {_FEWEST}, got {every_epochs}, {limit}")
        self.every_epochs, self.batch_size = every_epochs, batch_size
        self._baselines: dict[str, float] | None = None
        self._train, self._val = (_labelled(some, limit) for some in (train, val))
        self._usable = _suffice(_labels(self._train), _labels(self._val))

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Probes, if this epoch's turn has come."""
        done = trainer.current_epoch + 1
        due = done % self.every_epochs == 0 or done == trainer.max_epochs
        if not self._usable or not due or isinstance(trainer.strategy, ModelParallelStrategy):
            return  # the parts of a sharded encoder are nobody's to call alone
        if trainer.is_global_zero:
            encoder: MaskedViT = module.method.encoder  # type: ignore[assignment, union-attr]
            found = {f"probe/{name}": value for name, value in self._scores(encoder).items()}
            found |= {f"probe_baseline/{name}": value for name, value in self._beside(encoder).items() if found}
            for name, value in found.items():
                module.log(name, value, on_epoch=True, rank_zero_only=True)

    def _beside(self, encoder: MaskedViT) -> dict[str, float]:
        """What needs no pre-training, measured once."""
        if self._baselines is None:
            classes, counts = np.unique(_labels(self._train), return_counts=True)
            frequent = float(np.mean(_labels(self._val) == classes[counts.argmax()]))
            self._baselines = {**self._scores(encoder.fresh(seed=0)), "most_frequent_class": frequent}
        return self._baselines

    def _scores(self, encoder: MaskedViT) -> dict[str, float]:
        (learn, known), (test, wanted) = (self._features(encoder, some) for some in (self._train, self._val))
        if not _suffice(known, wanted):
            return {}
        models = {"neighbours": nearest_neighbours(neighbours=_FEWEST), "regression": linear_probe()}
        return {name: float(model.fit(learn, known).score(test, wanted)) for name, model in models.items()}

    def _features(self, encoder: MaskedViT, images: Subset[Item]) -> tuple[np.ndarray, np.ndarray]:
        """``(N, D)`` and classes ``(N,)`` of those images that can be read."""
        device = next(encoder.parameters()).device
        found, labels = [np.empty((0, encoder.dim), np.float32)], [np.empty(0, np.int64)]
        with frozen(encoder):
            for _, batch in each_batch(images, device=device, batch_size=self.batch_size):
                found.append(encoder.features(batch).float().cpu().numpy())
                labels.append(batch["label"].cpu().numpy())
        return np.concatenate(found), np.concatenate(labels)


def _labels(some: Subset[Item]) -> np.ndarray:
    """Classes of these images, ``(N,)``."""
    labels: np.ndarray = some.dataset.labels[some.indices]  # type: ignore[attr-defined]
    return labels


def _suffice(known: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether there is something to learn from these classes, and to test on those."""
    return len(known) >= _FEWEST and len(np.unique(known)) > 1 and len(wanted) > 0


def _labelled(images: Samples, limit: int) -> Subset[Item]:
    """Some of the labelled images."""
    places = np.flatnonzero(images.labels != UNLABELLED)
    places = places[evenly(len(places), limit)]
    return Subset(images, places.tolist())
