"""Training of a task on a pre-training: what begins with its parts, keeps the best epoch, and is tested."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from medmae.data.samples import Samples
from medmae.evaluate.leakage import require_unseen
from medmae.recipes.best_epoch import BestEpoch, Judge
from medmae.recipes.training import Training
from medmae.weights.parts import load_parts


class TaskTraining(Training):
    """Fine-tunes parts of a pre-training for a task.

    The epoch that is best on the validation samples counts, the last one where there are none: see
    :class:`medmae.recipes.best_epoch.BestEpoch`. The record of the run says which.

    Args:
        pretrained: ``pretraining.safetensors``; None trains from scratch.
        judge: Says how good an epoch was.
        validation: Samples by which it is judged.
        held_out: Samples of test patients; None: as ``validation`` reads them. If there are none, evaluation is left
            out and the report says so.
        training: Arguments of :class:`Training`.
    """

    of_any_method = False  # whether encoders of several methods serve: see medmae.bundle.from_pretrained

    def __init__(
        self,
        *,
        pretrained: str | Path | None,
        judge: Judge,
        validation: Samples,
        held_out: Samples | None = None,
        **training: Any,
    ) -> None:
        super().__init__(validation=validation, **training)
        self.pretrained = pretrained
        self.held_out = validation.part("test") if held_out is None else held_out
        self.record = {"pretrained": pretrained, **self.record}
        self.best = BestEpoch(judge)
        self.trainer.callbacks.append(self.best)  # type: ignore[attr-defined]

    def initialize(self) -> None:
        """Loads what it begins with.

        Raises:
            DataError: If the weights do not fit, or have seen a test patient.
        """
        if self.pretrained is None:
            warnings.warn("no pre-training to begin with: training from scratch", stacklevel=2)
            self.begin_from_scratch()
            return
        require_unseen(model_dir=Path(self.pretrained).parent, manifest=self.data)
        self.begin(self.pretrained)

    def begin(self, path: str | Path) -> None:
        """Fills the method's parts that a pre-training has: its ``begins``, by name here what each is called there."""
        parts: Any = self.method.begins
        load_parts(self.method, path, parts=parts)

    def begin_from_scratch(self) -> None:
        """Draws weights anew, where they are not to begin as they were built."""

    def run(self) -> None:
        """Trains, and takes the best epoch."""
        super().run()
        self.record |= self.best.restore(self.module)
