"""A pre-trained encoder on labelled images: frozen and fine-tuned, all labels and few, beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medmae.data.samples import Samples
from medmae.evaluate.classify.protocol import Protocol, evaluate_encoders
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.nn.encoder import Pool
from medmae.recipes.evaluation import Evaluation
from medmae.weights.pretrained import load_encoder


class OnLabels(Evaluation):
    """An encoder on labelled samples: all labels, and few.

    Args:
        train: Labelled samples to learn from.
        dataset: Others of the same classes, of other patients.
        few: Labels a class (or in all) of a second evaluation; None leaves it out.
        seeds: One a repetition.
        evaluation: Arguments of :class:`Evaluation`.
    """

    wants = "classes"

    def __init__(
        self,
        *,
        train: Samples,
        dataset: Samples,
        few: int | None = None,
        seeds: Sequence[int] = (0, 1, 2),
        **evaluation: Any,
    ) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        self.train, self.dataset, self.seeds = train, dataset, list(seeds)
        self.labels = [None] if few is None else [None, few]
        self.record = {"seeds": self.seeds, "labels_a_class": few, **self.record}

    def load(self, path: Path) -> None:
        """The encoder."""
        load_encoder(self.method, path)


class Downstream(OnLabels):
    """The protocol of :func:`~medmae.evaluate.classify.protocol.evaluate_encoders` on one encoder.

    Args:
        few: Labels a class of the second task.
        fine_tune: False leaves out what takes nearly all the time.
        epochs: Of fine-tuning.
        attentive: True adds an attentive probe; see :class:`~medmae.evaluate.classify.protocol.Protocol`.
        pool: See :class:`~medmae.nn.encoder.Encoder`.
        evaluation: Arguments of :class:`OnLabels`.
    """

    def __init__(
        self,
        *,
        few: int | None = 10,
        fine_tune: bool = True,
        epochs: int = 100,
        attentive: bool = False,
        pool: Pool = "mean",
        **evaluation: Any,
    ) -> None:
        super().__init__(few=few, **evaluation)
        self.pool = pool
        self.protocol = Protocol(
            labels=self.labels,
            seeds=self.seeds,
            fine_tune=fine_tune,
            tuning={"epochs": epochs},
            attentive=attentive,
        )
        told = {"labels_a_class": few, "epochs_of_fine_tuning": epochs if fine_tune else None}
        self.record = {"seeds": self.seeds, "pool": pool, **told, **self.record}

    def evaluate(self, out: Path) -> None:
        """Every classifier on every task."""
        extract = FeatureExtractor(encoder=self.method.encoder, pool=self.pool, device=self.device)
        evaluate_encoders({"pretrained": extract}, train=self.train, test=self.dataset, out=out, protocol=self.protocol)
