"""What every evaluation of given weights does: it loads them, evaluates, and leaves a record and a report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from medmae.data.source import Source
from medmae.errors import LaterFailures
from medmae.evaluate.leakage import require_unseen
from medmae.methods.base import Method
from medmae.recipes.ct_window import require_ct_window
from medmae.recipes.finish import finish_evaluation
from medmae.recipes.settings import settings_of_method
from medmae.recipes.start import start_evaluation
from medmae.weights.names import PRETRAINING


class Evaluation(ABC):
    """An evaluation as MONAI runs one: ``initialize``, ``run``, ``finalize``.

    Args:
        method: Receives the weights.
        data: The prepared data set, or images that were read as they are.
        output_dir: The run directory of the evaluation.
        model_dir: Folder of the weights.
        split: Of the data, None for all of it; patients whom the weights have seen are refused.
        transductive: True evaluates on them on purpose, and warns.
        device: Where to compute.
        title: Of the report.
        bundle: Its name.
        record: What a reader should know besides the settings of the method.
    """

    weights = PRETRAINING
    wants = "held_out"  # of the data: see medmae.recipes.uses.data_for
    measures = True  # whether it finds out how good the weights are

    def __init__(
        self,
        *,
        method: Method,
        data: str | Path | Source,
        output_dir: str | Path,
        model_dir: str | Path,
        split: str | None = "test",
        transductive: bool = False,
        device: torch.device | str = "cpu",
        title: str,
        bundle: str,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        self.method, self.data, self.device = method, data, device
        self.output_dir, self.model_dir = Path(output_dir), Path(model_dir)
        self.split, self.transductive = split, transductive
        self.title, self.bundle, self.record = title, bundle, dict(record or {})
        self.failures = LaterFailures()

    def initialize(self) -> None:
        """Loads the weights, and makes room for the results.

        Raises:
            DataError: If the weights do not fit, have seen somebody, or learnt from CT of another window; or if
                ``output_dir`` is that of a training.
        """
        self.require_unseen()
        require_ct_window(self.model_dir / self.weights, data=self.data)
        self.load(self.model_dir / self.weights)
        start_evaluation(self.output_dir)

    def require_unseen(self) -> None:
        """Refuses to evaluate on patients whom the weights have seen."""
        require_unseen(model_dir=self.model_dir, manifest=self.data, split=self.split, allow=self.transductive)

    @abstractmethod
    def load(self, path: Path) -> None:
        """Loads weights into the method."""

    def run(self) -> None:
        """Evaluates; cases that cannot be read are told at the end."""
        with self.failures.kept():
            self.evaluate(self.output_dir / "evaluation")

    @abstractmethod
    def evaluate(self, out: Path) -> None:
        """Writes into the evaluation folder of the run."""

    def finalize(self) -> None:
        """Records the evaluation, and reports.

        Raises:
            SomeFailedError: At the end, with what was left out.
        """
        config = {"split": self.split, "transductive": self.transductive, **settings_of_method(self.method)}
        finish_evaluation(
            method=self.method,
            dataset_dir=self.data,
            output_dir=self.output_dir,
            weights=self.model_dir / self.weights,
            title=self.title,
            bundle=self.bundle,
            config={**config, **self.record},
            device=self.device,
            split=self.split,
            measures=self.measures,
        )
        self.failures.raise_any()
