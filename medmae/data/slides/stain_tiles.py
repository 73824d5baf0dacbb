"""Tiles with their hematoxylin and eosin pictures: the view that the multi-modal MAE pre-trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medmae.data.augment.stain import standardised, unit
from medmae.data.labels import Labels
from medmae.data.manifest import Manifest
from medmae.data.slides.tiles import Tiles
from medmae.data.source import Source
from medmae.data.views import About, Item, View
from medmae.kinds import Kind
from medmae.tokens.stain_fit import StainFit
from medmae.tokens.stains import Stains, StainSeparator


@dataclass(frozen=True, kw_only=True)
class StainTiles(View[Manifest]):
    """One sample a tile, separated into stains when it is read.

    ``{"rgb": (3, H, W), "h": (1, H, W), "e": (1, H, W)}`` float32 in [0, 1].

    Args:
        size: As of :class:`~medmae.data.slides.tiles.Tiles`.
        separator: How to separate; the default fits Vahadane's matrix on each tile.
        standardise: Takes each picture of a stain by the mean and deviation of its middle 80 % of pixels.
        tiles_per_case: Fits one matrix for all tiles of a case (a slide) instead, on so many of them, evenly spaced,
            when the first is read.
    """

    noun = "tile"

    size: int | Sequence[int] | None = 224
    separator: StainSeparator = field(default_factory=StainSeparator)
    standardise: bool = False
    tiles_per_case: int | None = None
    _fits: dict[tuple[Path, str], StainFit] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.tiles_per_case is not None and self.tiles_per_case < 1:
            raise ValueError(f"tiles_per_case must be positive or None, got {self.tiles_per_case}")

    @property
    def tiles(self) -> Tiles:
        """The tiles themselves, as stains are separated from them."""
        return Tiles(size=self.size, dtype="uint8")

    def open(self, source: Source | str | Path) -> Manifest:
        """As of tiles."""
        return self.tiles.open(source)

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """As of tiles."""
        return self.tiles.items(source, places)

    def labels(self, source: Manifest, items: np.ndarray) -> Labels:
        """As of tiles."""
        return self.tiles.labels(source, items)

    def describe(self, source: Manifest, item: Item) -> About:
        """As of tiles."""
        return self.tiles.describe(source, item)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """The tile and two grey pictures; standardised ones have no largest value."""
        peak = None if self.standardise else 1.0
        stains = {name: Kind.image(name, channels=1, peak=peak) for name in ("h", "e")}
        return {"rgb": Kind.image("rgb"), **stains}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """The tile and its stains."""
        rgb = self.tiles.raw(source, item)
        stains = self._separated(source, item, _tile(rgb))
        return {"rgb": unit(rgb), "h": self._shown(stains.hematoxylin), "e": self._shown(stains.eosin)}

    def stains(self, source: Manifest, item: Item) -> tuple[np.ndarray, Stains]:
        """The tile ``(H, W, 3)`` and its pictures, uint8; with the matrix, and whether that is a fallback."""
        tile = _tile(self.tiles.raw(source, item))
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
            tiles = (self.tiles.raw(source, Item((place, number), 0, 0)) for number in some)
            self._fits[key] = self.separator.fit(*map(_tile, tiles))
        return self._fits[key]


def _tile(rgb: Tensor) -> np.ndarray:
    """``(3, H, W)`` -> ``(H, W, 3)``, contiguous."""
    return rgb.permute(1, 2, 0).contiguous().numpy()
