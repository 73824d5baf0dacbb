"""Which voxels of a stored volume are the patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medmae.data.volumes.intensity import Normalisation


def stored_foreground(array: np.ndarray, contrast: Mapping[str, Any]) -> np.ndarray:
    """Foreground of a stored contrast: above its threshold where the preparation found one, else above 0.

    Args:
        array: Intensities in [0, 1], as the shard holds them.
        contrast: The contrast's entry in the manifest, with its ``normalisation``.

    Returns:
        Bool, of the same shape.
    """
    fit = Normalisation.from_dict(contrast["normalisation"])
    return array > (0.0 if fit.threshold is None else (fit.threshold - fit.background) / fit.maximum)
