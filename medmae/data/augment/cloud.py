"""Augmentation of clouds where they are read, by what the caller's generator draws.

Turns and zooms keep neighbours what they are, so that patches that preparation found stay patches. Stretching each axis
by itself, as MAE3D and Point-MAE do (2/3 to 3/2), does not, and makes another organ of it: it is not offered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class CloudAugment:
    """Of a cloud about its centre.

    Args:
        turn: Most degrees about each axis.
        zoom: Most share by which all axes are stretched or shrunk alike; 0 where size says something.
        shift: Most shift along each axis, in the unit of the cloud.
        mirror: Whether left and right are swapped at random: only where both sides are one thing.

    Raises:
        ValueError: If a number is out of range.
    """

    turn: float = 15.0
    zoom: float = 0.0
    shift: float = 0.0
    mirror: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.turn <= 180 and 0 <= self.zoom < 1 and self.shift >= 0):
            raise ValueError(f"turn must lie in [0, 180], zoom in [0, 1), shift must be >= 0, got {self}")

    def __call__(self, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """``(N, 3)`` -> a new one."""
        from scipy.spatial.transform import Rotation

        turn = Rotation.from_euler("xyz", rng.uniform(-self.turn, self.turn, 3), degrees=True).as_matrix()
        if self.mirror and rng.random() < 0.5:
            turn = turn * [-1, 1, 1]
        zoom = 1 + rng.uniform(-self.zoom, self.zoom)
        moved = (points @ turn.T) * zoom + rng.uniform(-self.shift, self.shift, 3)
        return moved.astype(np.float32)
