"""Tiles of slides, or of class folders: the view for what pathology methods pre-train and are evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.data.held import TILES
from medmae.data.images.pictures import PictureView
from medmae.data.labels import Labels
from medmae.data.manifest import Manifest
from medmae.data.rows import Row, kind_of
from medmae.data.source import Source
from medmae.data.views import About, Item


@dataclass(frozen=True, kw_only=True)
class Tiles(PictureView[Manifest]):
    """One sample a tile of what ``medmae prep wsi`` or ``medmae prep tiles`` wrote; see :class:`PictureView`.

    A tile's label is its own class, or its slide's. Stains are added by
    :class:`medmae.data.slides.stain_tiles.StainTiles`.

    Args:
        name: What batches call a tile: the kind of data that an encoder takes, such as ``rgb`` of several modalities.
    """

    noun = "tile"
    name: str = "image"

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest.

        Raises:
            DataError: If it holds other things than tiles.
        """
        return Manifest.of(source).require(*TILES)

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 2)``: row, place in its shard."""
        found = [np.empty((0, 2), dtype=np.int32)]
        for place in places:
            count = source.rows[place]["count"]
            found.append(np.stack([np.full(count, place), np.arange(count)], axis=1).astype(np.int32))
        return np.concatenate(found)

    def labels(self, source: Manifest, items: np.ndarray) -> Labels:
        """Of the classes of all rows, sorted, so that numbers are the same in every split."""
        known = sorted({label for row in source for label in set(_labels(row)) if label is not None})
        units = np.unique(items[:, 0]).tolist()
        return Labels.of_classes([label for unit in units for label in _labels(source.rows[unit])], known=known)

    def pixels(self, source: Manifest, numbers: Sequence[int]) -> np.ndarray:
        """``(H, W, 3)`` uint8."""
        row, place = numbers
        tile: np.ndarray = source.shards[source.rows[row]["shard"]][place]
        return tile

    def describe(self, source: Manifest, item: Item) -> About:
        """Patient, case and place: ``slide``, ``x`` and ``y`` (level-0 pixels of its corner) or ``tile``."""
        number, place = item.numbers
        row = source.rows[number]
        if kind_of(row) == "slide":
            x, y = source.shards[row["coords"]][place].tolist()
            return About(row["case"], row["subject"], place={"slide": row["case"], "x": x, "y": y})
        slide, name = row["tiles"]["slide"][place], row["tiles"]["name"][place]
        return About(row["case"], row["subject"], place=({} if slide is None else {"slide": slide}) | {"tile": name})


def _labels(row: Row) -> list[str | None]:
    labels: list[str | None] = row["tiles"]["label"] if kind_of(row) == "tiles" else [row.get("label")] * row["count"]
    return labels
