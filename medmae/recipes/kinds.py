"""What is looked at of encoders of several kinds of data: each kind alone and together, and one found by the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.classify.of_kinds import evaluate_each_kind
from medmae.evaluate.retrieval.of_kinds import evaluate_kinds_found
from medmae.methods.base import Method
from medmae.recipes.downstream import OnLabels
from medmae.recipes.evaluation import Evaluation
from medmae.weights.io import load_weights


class KindsDownstream(OnLabels):
    """A linear model on frozen features of every choice of kinds; see :func:`evaluate_each_kind`."""

    def evaluate(self, out: Path) -> None:
        """Every choice of kinds."""
        evaluate_each_kind(
            self.method.encoder,
            train=self.train,
            test=self.dataset,
            out=out,
            labels=self.labels,
            seeds=self.seeds,
            device=self.device,
        )


class KindsFound:
    """One kind of data found by another, of held-out samples, when a pre-training is over.

    Args:
        between: Names of the two.
        train: What a linear map learns from, of a view that draws nothing.
    """

    def __init__(self, *, between: Sequence[str], train: Samples) -> None:
        first, second = between
        self.between, self.train = (first, second), train

    def write(
        self, *, method: Method, held_out: Samples, train: Samples, out: Path, device: torch.device | str
    ) -> None:
        """See :class:`medmae.recipes.pretraining.Pictures`; a method whose kinds are not compared is refused."""
        if not len(held_out):
            return
        _found(method, held_out, self.train, self.between, out=out, device=device)


class KindsRetrieval(Evaluation):
    """One kind of data found by another, by trained weights; see :func:`evaluate_kinds_found`.

    Args:
        dataset: Held-out samples, of a view that draws nothing.
        train: What a linear map between plain descriptions learns from, likewise.
        between: Names of the two kinds.
        evaluation: Arguments of :class:`Evaluation`.
    """

    def __init__(self, *, dataset: Samples, train: Samples, between: Sequence[str], **evaluation: Any) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        first, second = between
        self.dataset, self.train, self.between = dataset, train, (first, second)
        self.record = {"between": list(between), **self.record}

    def load(self, path: Path) -> None:
        """All of the method."""
        load_weights(self.method, path)

    def evaluate(self, out: Path) -> None:
        """Retrieval both ways."""
        _found(self.method, self.dataset, self.train, self.between, out=out, device=self.device)


def _found(
    method: Any,  # noqa: ANN401 - any method with points
    held_out: Samples,
    train: Samples,
    between: tuple[str, str],
    *,
    out: Path,
    device: torch.device | str,
) -> None:
    if not hasattr(method, "points"):
        raise DataError(
            f"a {type(method).__name__} compares no kinds of data",
            field="method",
            remedy="take MAViL, or the pairwise contrast",
        )
    evaluate_kinds_found(method, held_out=held_out, train=train, between=between, out=out, device=device)
