"""Tiles with their hematoxylin and eosin pictures: the view that the multi-modal MAE pre-trains on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medmae.data.augment.stain import standardised, unit
from medmae.data.manifest import Manifest
from medmae.data.slides.tiles import Tiles
from medmae.data.views import Item
from medmae.kinds import Kind
from medmae.tokens.stain_fit import StainFit
from medmae.tokens.stains import Stains, StainSeparator


@dataclass(frozen=True, kw_only=True)
class StainTiles(Tiles):
    """One sample a tile, separated into stains when it is read.

    ``{"rgb": (3, H, W), "h": (1, H, W), "e": (1, H, W)}`` float32 in [0, 1].

    Args:
        size: As of :class:`~medmae.data.slides.tiles.Tiles`.
        separator: How to separate; the default fits Vahadane's matrix on each tile.
        standardise: Takes each picture of a stain by the mean and deviation of its middle 80 % of pixels.
        tiles_per_case: Fits one matrix for all tiles of a case (a slide) instead, on so many of them, evenly spaced,
            when the first is read.
    """

    name: str = field(default="rgb", init=False)
    channels: int | None = field(default=3, init=False)
    dtype: Literal["float32", "uint8"] = field(default="uint8", init=False)
    separator: StainSeparator = field(default_factory=StainSeparator)
    standardise: bool = False
    tiles_per_case: int | None = None
    _fits: dict[tuple[Path, str], StainFit] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tiles_per_case is not None and self.tiles_per_case < 1:
            raise ValueError(f"tiles_per_case must be positive or None, got {self.tiles_per_case}")

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """None.

        Raises:
            ValueError: Always.
        """
        raise ValueError("stains are separated anew each time: in_memory has nothing to keep")

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """The tile and two grey pictures; standardised ones have no largest value."""
        peak = None if self.standardise else 1.0
        stains = {name: Kind.image(name, channels=1, peak=peak) for name in ("h", "e")}
        return {self.name: Kind.image(self.name), **stains}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """The tile and its stains."""
        rgb = self.raw(source, item)
        stains = self._separated(source, item, _tile(rgb))
        return {self.name: unit(rgb), "h": self._shown(stains.hematoxylin), "e": self._shown(stains.eosin)}

    def stains(self, source: Manifest, item: Item) -> tuple[np.ndarray, Stains]:
        """The tile ``(H, W, 3)`` and its pictures, uint8; with the matrix, and whether that is a fallback."""
        tile = _tile(self.raw(source, item))
        return tile, self._separated(source, item, tile)

    def _shown(self, picture: np.ndarray) -> Tensor:
        """``(H, W)`` uint8 -> ``(1, H, W)``."""
        shown = unit(torch.from_numpy(picture)[None])
        return standardised(shown[None])[0] if self.standardise else shown

    def _separated(self, source: Manifest, item: Item, tile: np.ndarray) -> Stains:
        fit = self.separator.fit(tile) if self.tiles_per_case is None else self._of_case(source, item.numbers[0])
        return self.separator.separate(tile, fit)

    def _of_case(self, source: Manifest, place: int) -> StainFit:
        row = source.rows[place]
        key = source.path, str(row["case"])
        if key not in self._fits:
            some = np.linspace(0, row["count"] - 1, min(row["count"], self.tiles_per_case or 1)).astype(int).tolist()
            tiles = (self.raw(source, Item((place, number), 0, 0)) for number in some)
            self._fits[key] = self.separator.fit(*map(_tile, tiles))
        return self._fits[key]


def _tile(rgb: Tensor) -> np.ndarray:
    """``(3, H, W)`` -> ``(H, W, 3)``, contiguous."""
    return rgb.permute(1, 2, 0).contiguous().numpy()
