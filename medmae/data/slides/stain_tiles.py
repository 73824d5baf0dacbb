"""Tiles with their hematoxylin and eosin pictures: what the multi-modal MAE pre-trains on."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from medmae.data.augment.stain import StainNormalise
from medmae.data.slides.tiles import TileDataset
from medmae.errors import DataError
from medmae.tokens.stain_fit import StainFit
from medmae.tokens.stains import Stains, StainSeparator


class StainTiles(Dataset[dict[str, Tensor | int]]):
    """One item a tile, separated into stains when it is read.

    Item ``i`` is ``{"rgb": (3, H, W), "h": (1, H, W), "e": (1, H, W)}`` float32, and what else the tile has.

    Args:
        tiles: The tiles, ``dtype="uint8"``.
        separator: How to separate; None fits Vahadane's matrix on each tile.
        normalise: Scaling of the values; None is ImageNet's for RGB, and stains in [0, 1].
        tiles_per_case: Fits one matrix for all tiles of a case (a slide) instead, on so many of them, evenly spaced,
            when the first is read.

    Raises:
        DataError: If the tiles are not uint8.
    """

    def __init__(
        self,
        *,
        tiles: TileDataset,
        separator: StainSeparator | None = None,
        normalise: StainNormalise | None = None,
        tiles_per_case: int | None = None,
    ) -> None:
        if tiles.dtype != "uint8":
            raise DataError(
                "stains are separated from 8-bit tiles",
                field="dtype",
                value=tiles.dtype,
                remedy='open the tiles with dtype="uint8"',
            )
        if tiles_per_case is not None and tiles_per_case < 1:
            raise ValueError(f"tiles_per_case must be positive or None, got {tiles_per_case}")
        self.tiles, self.tiles_per_case = tiles, tiles_per_case
        self.separator, self.normalise = separator or StainSeparator(), normalise or StainNormalise()
        self._fits: dict[str, StainFit] = {}

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> dict[str, Tensor | int]:
        item = self.tiles[index]
        rgb = torch.as_tensor(item.pop("image"))
        stains = self._separated(index, rgb)
        pictures = {"rgb": rgb, "h": _channel(stains.hematoxylin), "e": _channel(stains.eosin)}
        scaled = self.normalise({name: picture[None] for name, picture in pictures.items()})
        return {**{name: picture[0] for name, picture in scaled.items()}, **item}

    def describe(self, index: int) -> dict[str, str | int]:
        """As :meth:`TileDataset.describe`."""
        return self.tiles.describe(index)

    def unscaled(self, name: str, images: Tensor) -> Tensor:
        """Pictures ``(B, C, H, W)`` of ``rgb``, ``h`` or ``e`` as they were before they were scaled, in [0, 1]."""
        return self.normalise.undo(name, images)

    def stains(self, index: int) -> Stains:
        """The pictures of item ``index`` as uint8, the matrix, and whether it is a fallback."""
        return self._separated(index, self.tiles[index]["image"])

    def _separated(self, index: int, rgb: Tensor | int) -> Stains:
        tile = _tile(rgb)
        fit = self.separator.fit(tile) if self.tiles_per_case is None else self._of_case(index)
        return self.separator.separate(tile, fit)

    def _of_case(self, index: int) -> StainFit:
        case = self.tiles.locate(index)[0]["case"]
        if case not in self._fits:
            members = np.flatnonzero(self._cases == case)
            some = members[np.linspace(0, len(members) - 1, min(len(members), self.tiles_per_case or 1)).astype(int)]
            self._fits[case] = self.separator.fit(*(_tile(self.tiles[int(member)]["image"]) for member in some))
        return self._fits[case]

    @cached_property
    def _cases(self) -> np.ndarray:
        return np.array([self.tiles.locate(index)[0]["case"] for index in range(len(self.tiles))])


def _tile(rgb: Tensor | int) -> np.ndarray:
    """``(3, H, W)`` -> ``(H, W, 3)``, contiguous."""
    return torch.as_tensor(rgb).permute(1, 2, 0).contiguous().numpy()


def _channel(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture)[None]
