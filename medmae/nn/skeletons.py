"""Skeletons: which joints they have, which are joined, and which part of the body each belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.kinds import Kind

SKELETON = Kind.of("skeleton", ["time", "joint"], channels=["x", "y", "z"], peak=None, unit="m")

# Kinect v2, as NTU RGB+D has it, from 0: child and parent; 20 is the spine between the shoulders.
NTU_BONES = (
    *((0, 1), (1, 20), (2, 20), (3, 2)),  # trunk, head
    *((4, 20), (5, 4), (6, 5), (7, 6), (21, 22), (22, 7)),  # left arm
    *((8, 20), (9, 8), (10, 9), (11, 10), (23, 24), (24, 11)),  # right arm
    *((12, 0), (13, 12), (14, 13), (15, 14)),  # left leg
    *((16, 0), (17, 16), (18, 17), (19, 18)),  # right leg
)
NTU_PARTS = (
    (0, 1, 2, 3, 20),
    (4, 5, 6, 7, 21, 22),
    (8, 9, 10, 11, 23, 24),
    (12, 13, 14, 15),
    (16, 17, 18, 19),
)


def bones_of(data: Tensor, bones: Sequence[tuple[int, int]]) -> Tensor:
    """Each joint from its parent, ``(B, C, T, V)`` -> the same shape; 0 of joints without one."""
    found = torch.zeros_like(data)
    child, parent = (list(ends) for ends in zip(*bones, strict=True))
    found[..., child] = data[..., child] - data[..., parent]
    return found
