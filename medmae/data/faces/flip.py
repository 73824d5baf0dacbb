"""A face mirrored, with everything that has a side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.face import MIRRORED

_OTHER = {"L": "R", "R": "L"}


def mirrored(
    image: Tensor, landmarks: Tensor, target: Tensor, intensity: Tensor, *, names: Sequence[str]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Picture ``(C, H, W)``, landmarks ``(68, 2)`` and units ``(N,)`` of a face as in a mirror.

    Units of one side (``AU12L``) become those of the other (``AU12R``).

    Raises:
        ValueError: If a unit has a side, and the same unit of the other side is not there.
    """
    order = other_sides(names)
    turned = landmarks[list(MIRRORED)] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    return image.flip(2), turned, target[order], intensity[order]


def other_sides(names: Sequence[str]) -> list[int]:
    """Of each unit, the place of what it becomes in a mirror."""
    places = {name: place for place, name in enumerate(names)}
    found = []
    for name in names:
        other = name[:-1] + _OTHER[name[-1]] if name[-1:] in _OTHER and name[:-1] not in places else name
        if other not in places:
            raise ValueError(f"{name} has a side, and there is no {other}: do not mirror these faces (flip=0)")
        found.append(places[other])
    return found
