"""What a network gets of a recording of a skeleton: a part of it, in a number of frames of its own."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def middle_of(count: int, *, share: float) -> tuple[int, int]:
    """First frame and number of frames of the middle part, as a test has it; a part never has no frame.

    Args:
        count: Frames that there are.
        share: Of these that are kept, in (0, 1].
    """
    off = int((1 - share) * count / 2)  # on either side, as published
    return off, count - 2 * off


def drawn_part(count: int, *, share: float, least: int, start: float) -> tuple[int, int]:
    """First frame and number of frames of a part that was drawn for training.

    Args:
        count: Frames that there are.
        share: Of these that are kept, in (0, 1].
        least: Never fewer, as far as there are as many.
        start: Where it begins, in [0, 1): of the places where it may.
    """
    length = min(max(math.floor(count * share), least), count)
    return int(start * (count - length + 1)), length


def resized(data: Tensor, frames: int) -> Tensor:
    """``(C, T, V)`` -> ``(C, frames, V)``, linearly in time: a slow and a fast walk become the same one."""
    flat = data.permute(0, 2, 1).flatten(0, 1).unsqueeze(0)  # (1, C V, T)
    found = F.interpolate(flat, size=frames, mode="linear", align_corners=False)
    return found.reshape(data.shape[0], data.shape[2], frames).permute(0, 2, 1).contiguous()


def rotation(angles: np.ndarray) -> Tensor:
    """``Rz Ry Rx`` of angles about x, y and z in radians, ``(3,)`` -> ``(3, 3)``, for rows: ``data @ R.T``."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = [[1, 0, 0], [0, cx, sx], [0, -sx, cx]]
    about_y = [[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]
    about_z = [[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]]
    return torch.tensor(np.array(about_z) @ np.array(about_y) @ np.array(about_x), dtype=torch.float32)


def rotated(data: Tensor, matrix: Tensor) -> Tensor:
    """Every joint of ``(3, T, V)`` by ``(3, 3)``."""
    return torch.einsum("ij,jtv->itv", matrix, data)
