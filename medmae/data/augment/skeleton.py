"""Augmentation of skeletons where they are read: what is drawn holds for all frames and bodies of a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medmae.data.augment.draws import check_shares
from medmae.data.skeletons.layouts import Layout
from medmae.errors import DataError


@dataclass(frozen=True, kw_only=True)
class SkeletonAugment:
    """``augment(data, layout, rng)``: bodies ``(C, T, M, V)``, changed alike.

    Args:
        angle: Largest turn about each axis, in radians; in a picture about the line of sight alone.
        mirror: Chance that left and right change places: x is turned round, and each joint becomes that of the other
            side. Off unless asked for: sides differ in patients, and in actions.
        noise: Standard deviation that is added to each coordinate, in the unit of the data.

    Raises:
        ValueError: If a number is negative, or a chance above 1.
    """

    angle: float = 0.3
    mirror: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        check_shares({"mirror": self.mirror})
        if self.angle < 0 or self.noise < 0:
            raise ValueError(f"angle and noise must be at least 0, got {self.angle} and {self.noise}")

    def check(self, layout: Layout) -> None:
        """Refuses to mirror joints whose sides are not known.

        Raises:
            DataError: If no joint is named left or right.
        """
        if self.mirror and not layout.pairs:
            raise DataError(
                "left and right of these joints are not known",
                field="mirror",
                value=self.mirror,
                remedy="name joints left_... and right_..., or leave mirror at 0",
            )

    def __call__(self, data: Tensor, layout: Layout, rng: np.random.Generator) -> Tensor:
        """New bodies of the same shape."""
        angles = rng.uniform(-self.angle, self.angle, 3)
        if len(data) == 2:
            angles[:2] = 0
        if self.angle:
            data = turned(data, rotation(angles)[: len(data), : len(data)])
        if rng.random() < self.mirror:
            data = mirrored(data, layout)
        if self.noise:
            data = data + torch.from_numpy(rng.normal(0, self.noise, data.shape).astype(np.float32))
        return data


def rotation(angles: np.ndarray) -> Tensor:
    """``Rz Ry Rx`` of angles about x, y and z in radians, ``(3,)`` -> ``(3, 3)``, as the published feeders turn."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = [[1, 0, 0], [0, cx, sx], [0, -sx, cx]]
    about_y = [[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]
    about_z = [[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]]
    return torch.tensor(np.array(about_z) @ np.array(about_y) @ np.array(about_x), dtype=torch.float32)


def turned(data: Tensor, matrix: Tensor) -> Tensor:
    """Every joint of ``(C, ...)`` by ``(C, C)``."""
    return torch.einsum("ij,j...->i...", matrix, data)


def mirrored(data: Tensor, layout: Layout) -> Tensor:
    """Left as right: x turned round, and joints ``(C, ..., V)`` of both sides in each other's places."""
    found = data[..., list(layout.mirrored)].clone()
    found[0] = -found[0]
    return found
