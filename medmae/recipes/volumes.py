"""Volumes in; features of a pre-trained encoder, or reconstructions, out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medmae.evaluate.infer import VolumeInference
from medmae.recipes.ct_window import ct_window_of
from medmae.recipes.maker import tell_maker
from medmae.recipes.training import Training
from medmae.weights.io import load_weights


class VolumeFeatures(VolumeInference):
    """:class:`~medmae.evaluate.infer.VolumeInference` by the weights of a run.

    Args:
        model_dir: Folder of ``pretraining.safetensors``.
        options: Of the class above.
    """

    wants = "volumes"
    weights = Training.weights
    axes = 2  # it goes through slices

    def __init__(self, *, model_dir: str | Path, **options: Any) -> None:
        super().__init__(**options)
        self.model_dir = Path(model_dir)

    def initialize(self) -> None:
        """Loads all of the method; CT is scaled by the window that the weights learnt from.

        Raises:
            DataError: If the weights do not fit.
        """
        load_weights(self.method, self.model_dir / self.weights)
        self.volumes.ct_window = ct_window_of(self.model_dir / self.weights)

    def run(self) -> None:
        """As above; ``made_by.json`` among the files says which weights made them, and how good they were found to be.

        Raises:
            SomeFailedError: At the end, if a volume could not be read.
        """
        tell_maker(self.model_dir / self.weights, out=self.output_dir)
        super().run()
