"""The slices that a synthesis gets most wrong, kept while cases pass by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import zoom

from medmae.evaluate.reconstruct.panels import write_panels
from medmae.evaluate.synthesis.task import CaseVolumes


class Worst:
    """Keeps the slices of the greatest mean absolute error in the foreground.

    Slivers at the ends of a head are all rim, so a slice counts only if it shows at least ``share`` of what the fullest
    one of its case does. Neighbours show the same mistake: of a case, no two kept slices lie closer than ``apart``.
    Slices are numbered in the whole volume, in canonical orientation (LPS), from 0.

    Args:
        count: How many.
        apart: Least distance in millimetres.
        share: Of the foreground of the fullest slice.
    """

    def __init__(self, *, count: int = 10, apart: float = 15.0, share: float = 0.25) -> None:
        self.count, self.apart, self.share = count, apart, share
        self._kept: list[tuple[float, dict[str, Any], dict[str, np.ndarray]]] = []

    def add(self, about: Mapping[str, Any], *, volumes: CaseVolumes, synthetic: np.ndarray) -> None:
        """Offers the slices of a case.

        Args:
            about: What names it.
            volumes: The case.
            synthetic: ``(S, H, W)``.
        """
        error, inside = np.abs(synthetic - volumes.real), volumes.foreground
        area = inside.sum(axis=(1, 2))
        full = np.flatnonzero(area >= max(self.share * area.max(), 1)).tolist()
        means = {z: float(error[z][inside[z]].mean()) for z in full}
        pictures = {"source": volumes.source, "synthetic": synthetic, "real": volumes.real, "error": error}
        apart, chosen = self.apart / volumes.spacing[0], list[int]()
        for z in sorted(means, key=lambda number: -means[number]):
            if len(chosen) < self.count and all(abs(z - other) >= apart for other in chosen):
                chosen.append(z)
                shown = {name: _square_pixels(volume[z], volumes.spacing[1:]) for name, volume in pictures.items()}
                self._kept.append((means[z], {**about, "slice": z + volumes.start[0], "mae_model": means[z]}, shown))
        self._kept = sorted(self._kept, key=lambda entry: -entry[0])[: self.count]

    def write(self, out: Path) -> None:
        """Writes ``panels.json`` and ``panels.npz``, worst first."""
        write_panels(out, [(about, shown) for _, about, shown in self._kept])


def _square_pixels(plane: np.ndarray, spacing: tuple[float, float]) -> np.ndarray:
    """A copy ``(H, W)`` with as many millimetres a pixel down as across."""
    factors = [size / min(spacing) for size in spacing]
    if max(factors) < 1.01:
        return plane.copy()
    return zoom(plane, factors, order=1, mode="nearest", grid_mode=True)
