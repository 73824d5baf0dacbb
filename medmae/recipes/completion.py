"""Completion of clouds: looked at when a pre-training is over, or of trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medmae.data.samples import Samples
from medmae.evaluate.completion.evaluation import SHARES, evaluate_completion
from medmae.evaluate.completion.files import write_completed
from medmae.masking.patches import Choice
from medmae.methods.base import Method
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.maker import tell_maker
from medmae.recipes.shape_size import check_size
from medmae.weights.io import load_weights
from medmae.weights.names import PRETRAINING


@dataclass(frozen=True, kw_only=True)
class CompletedClouds:
    """What a pre-training of clouds looks at; see :func:`medmae.evaluate.completion.evaluation.evaluate_completion`."""

    shares: Sequence[float] = SHARES
    choice: Choice = "block"
    within: float = 1.0

    def write(
        self, *, method: Method, held_out: Samples, train: Samples, out: Path, device: torch.device | str
    ) -> None:
        """Writes figures and pictures into the evaluation folder of a run; nothing of an empty data set."""
        if len(held_out):
            options: dict[str, Any] = {"shares": self.shares, "choice": self.choice, "within": self.within}
            evaluate_completion(method=method, dataset=held_out, train=train, out=out, device=device, **options)


class Completion(Evaluation):
    """Held-out clouds completed by trained weights.

    Args:
        dataset: Held-out clouds.
        train: Clouds of which the guess without a network takes one.
        clouds: How much is hidden, and how it is measured.
        evaluation: Arguments of :class:`Evaluation`.
    """

    def __init__(self, *, dataset: Samples, train: Samples, clouds: CompletedClouds, **evaluation: Any) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        self.dataset, self.train, self.clouds = dataset, train, clouds

    def load(self, path: Path) -> None:
        """All of the method."""
        load_weights(self.method, path)
        check_size(self.method, self.dataset.source)

    def evaluate(self, out: Path) -> None:
        """Figures and pictures."""
        self.clouds.write(method=self.method, held_out=self.dataset, train=self.train, out=out, device=self.device)


class CompletedFiles:
    """Prepared shapes in, completed clouds out, as PLY files where the shapes were.

    Args:
        method: Receives the weights.
        dataset: Shapes; they need no class.
        output_dir: Receives ``completed/``.
        model_dir: Folder of ``pretraining.safetensors``.
        hidden: Share of patches that is hidden.
        choice: Which patches.
        batch_size: Clouds at once.
        device: Where to compute.
    """

    weights = PRETRAINING

    def __init__(
        self,
        *,
        method: Method,
        dataset: Samples,
        output_dir: str | Path,
        model_dir: str | Path,
        hidden: float = 0.5,
        choice: Choice = "block",
        batch_size: int = 8,
        device: torch.device | str = "cpu",
    ) -> None:
        self.method, self.model_dir, self.out = method, Path(model_dir), Path(output_dir) / "completed"
        self.options: dict[str, Any] = {"dataset": dataset, "hidden": hidden, "choice": choice, "device": device}
        self.options["batch_size"] = batch_size

    def initialize(self) -> None:
        """Loads the weights."""
        load_weights(self.method, self.model_dir / self.weights)
        check_size(self.method, self.options["dataset"].source)

    def run(self) -> None:
        """Completes; ``made_by.json`` beside the files says which weights made them, and how good they were found."""
        tell_maker(self.model_dir / self.weights, out=self.out)
        write_completed(method=self.method, out=self.out, **self.options)
