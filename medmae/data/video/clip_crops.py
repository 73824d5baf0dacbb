"""Where all frames of a clip are cut before they are resized to the size of the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import exp, log

import numpy as np

from medmae.data.images.shapes import largest_part

Box = tuple[int, int, int, int]  # top, left, height, width
_PLACES = (  # in quarters of the room
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)


class ClipCrop(ABC):
    """One box for all frames of a clip; a dataclass, whose fields are all that it depends on."""

    @abstractmethod
    def draw(self, height: int, width: int, rng: np.random.Generator, *, shape: tuple[int, int]) -> Box:
        """The box of a clip that chance chooses; ``shape`` is the network's, height and width."""

    def views(self, height: int, width: int, crops: int, *, shape: tuple[int, int]) -> list[Box]:
        """The boxes of a test: the largest of the network's shape, evenly along what is left; one is the centre."""
        rows, columns = largest_part(height, width, size=shape)
        down, right = height - rows, width - columns
        if crops == 1:
            return [(down // 2, right // 2, rows, columns)]
        return [(int(n * down / (crops - 1)), int(n * right / (crops - 1)), rows, columns) for n in range(crops)]


@dataclass(frozen=True, kw_only=True)
class WholeFrame(ClipCrop):
    """All of the frame, squeezed to the shape of the network: for sectors that no crop may cut."""

    def draw(self, height: int, width: int, rng: np.random.Generator, *, shape: tuple[int, int]) -> Box:
        """All of it."""
        return 0, 0, height, width

    def views(self, height: int, width: int, crops: int, *, shape: tuple[int, int]) -> list[Box]:
        """All of it; more than one would be the same.

        Raises:
            ValueError: If more than one is asked for.
        """
        if crops != 1:
            raise ValueError(f"whole frames have one view, got {crops} crops")
        return [(0, 0, height, width)]


@dataclass(frozen=True, kw_only=True)
class CentreCrop(ClipCrop):
    """The largest box of the network's shape, in the middle."""

    def draw(self, height: int, width: int, rng: np.random.Generator, *, shape: tuple[int, int]) -> Box:
        """The same for every draw."""
        return self.views(height, width, 1, shape=shape)[0]


@dataclass(frozen=True, kw_only=True)
class MultiScale(ClipCrop):
    """VideoMAE's crop of pre-training: sides of 1, 0.875, 0.75 or 0.66 of the largest box, at one of 13 places.

    Height and width are at most one step of scale apart (10 pairs); the places are the corners, the centre, the
    middles of the edges and of the quarters. A side within 3 pixels of the network's becomes it: nothing is resized.

    Args:
        scales: From large to small.
    """

    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)

    def draw(self, height: int, width: int, rng: np.random.Generator, *, shape: tuple[int, int]) -> Box:
        """One of the pairs, and one of the places, all alike."""
        pairs = self.pairs(height, width, shape=shape)
        rows, columns = pairs[int(rng.integers(len(pairs)))]
        places = self.places(height - rows, width - columns)
        top, left = places[int(rng.integers(len(places)))]
        return top, left, rows, columns

    def pairs(self, height: int, width: int, *, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """Heights and widths of crops."""
        whole = zip(largest_part(height, width, size=shape), shape, (height, width), strict=True)
        rows, columns = (
            [_snapped(int(side * scale), edge, most=most) for scale in self.scales] for side, edge, most in whole
        )
        count = range(len(self.scales))
        return [(rows[i], columns[j]) for i in count for j in count if abs(i - j) <= 1]

    def places(self, down: int, right: int) -> list[tuple[int, int]]:
        """Top left corners of a crop that leaves so much room."""
        return [(row * (down // 4), column * (right // 4)) for row, column in _PLACES]


@dataclass(frozen=True, kw_only=True)
class RandomResized(ClipCrop):
    """A box of any share of the area and any shape within limits, torchvision's rule.

    Args:
        scale: Least and largest share of the area.
        ratio: Least and largest width over height, drawn uniformly in its logarithm.
    """

    scale: tuple[float, float] = (0.5, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"scale and ratio must be positive and in order, got {self.scale} and {self.ratio}")

    def draw(self, height: int, width: int, rng: np.random.Generator, *, shape: tuple[int, int]) -> Box:
        """The first of ten draws that fits; the largest box of an allowed shape in the middle, if none does."""
        for _ in range(10):
            area = height * width * rng.uniform(*self.scale)
            ratio = exp(rng.uniform(log(self.ratio[0]), log(self.ratio[1])))
            columns, rows = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            if 0 < columns <= width and 0 < rows <= height:
                return int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1)), rows, columns
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        rows, columns = min(height, round(width / ratio)), min(width, round(height * ratio))
        return (height - rows) // 2, (width - columns) // 2, rows, columns


def _snapped(side: int, edge: int, *, most: int) -> int:
    """A side of a crop, or the network's edge where it is as good as that."""
    return max(1, min(edge if abs(side - edge) < 3 else side, most))
