"""Volumes in; features of a pre-trained encoder, or reconstructions, out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medmae.evaluate.infer import VolumeInference
from medmae.recipes.training import Training
from medmae.weights.io import load_weights


class VolumeFeatures(VolumeInference):
    """:class:`~medmae.evaluate.infer.VolumeInference` by the weights of a run.

    Args:
        model_dir: Folder of ``pretraining.safetensors``.
        options: Of the class above.
    """

    wants = "volumes"

    def __init__(self, *, model_dir: str | Path, **options: Any) -> None:
        super().__init__(**options)
        self.model_dir = Path(model_dir)

    def initialize(self) -> None:
        """Loads all of the method.

        Raises:
            DataError: If the weights do not fit.
        """
        load_weights(self.method, self.model_dir / Training.weights)
