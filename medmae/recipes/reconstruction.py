"""Evaluation of a pre-trained method by what it rebuilds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.reconstruct.reconstruction import PANELS, evaluate_reconstruction, not_scorable
from medmae.recipes.evaluation import Evaluation
from medmae.recipes.pretraining import Pictures
from medmae.weights.io import load_weights

log = logging.getLogger(__name__)


class Reconstruction(Evaluation):
    """Hidden patches of held-out samples beside baselines, and pictures.

    Args:
        dataset: Held-out samples.
        seed: Of the masks.
        batch_size: Samples at once.
        samples_per_case: Slices, crops or tiles of each case, evenly spread.
        foreground: See :func:`~medmae.evaluate.reconstruct.reconstruction.evaluate_reconstruction`.
        pictures: What else is to be looked at.
        shown: Whether reconstructions are kept as pictures; see :class:`medmae.recipes.pretraining.Pretraining`.
        evaluation: Arguments of :class:`Evaluation`.
    """

    def __init__(
        self,
        *,
        dataset: Samples,
        seed: int = 0,
        batch_size: int = 8,
        samples_per_case: int = 12,
        foreground: bool = True,
        pictures: Pictures | None = None,
        shown: bool = True,
        **evaluation: Any,
    ) -> None:
        super().__init__(data=dataset.source, split=dataset.split, **evaluation)
        self.dataset, self.seed, self.batch_size, self.pictures = dataset, seed, batch_size, pictures
        self.samples_per_case, self.foreground, self.shown = samples_per_case, foreground, shown
        self.record = {"seed": seed, "samples_per_case": samples_per_case, **self.record}

    def load(self, path: Path) -> None:
        """All of the method."""
        load_weights(self.method, path)

    def evaluate(self, out: Path) -> None:
        """Figures and panels, then pictures.

        Raises:
            DataError: If nothing that the method rebuilds can be scored place by place, and nothing else is looked at.
        """
        reason = not_scorable(self.method, self.dataset.kinds)
        if reason is None:
            evaluate_reconstruction(
                method=self.method,
                dataset=self.dataset,
                out=out,
                samples_per_case=self.samples_per_case,
                batch_size=self.batch_size,
                foreground=self.foreground,
                num_panels=PANELS if self.shown else 0,
                device=self.device,
                seed=self.seed,
            )
        elif self.pictures is None:
            raise DataError(reason, remedy="evaluate its features: neighbours, a linear probe, few labels")
        else:
            log.warning("nothing is reconstructed: %s", reason)
        if self.pictures is not None:
            self.pictures.write(
                method=self.method, held_out=self.dataset, train=self.dataset, out=out, device=self.device
            )
